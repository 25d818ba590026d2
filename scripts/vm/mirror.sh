#!/usr/bin/env bash
# Prints where this machine gets its Debian suite from, by its own apt sources; with
# an argument, that with this suffix:
#
#   mirror.sh [-security]
set -euo pipefail

apt-get indextargets --format "\$(RELEASE) \$(REPO_URI)" 'Created-By: Packages' |
	awk -v suite="^(bullseye|bookworm|trixie|forky|sid|(old)*stable|testing|unstable)${1-}\$" \
		'$1 ~ suite && !found { print $2; found = 1 }'
