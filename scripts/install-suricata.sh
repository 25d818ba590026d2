#!/usr/bin/env bash
# Installs Suricata 7 or newer where it is lacking, from the distribution's own
# packages: Debian 12 has 6, so there it is that of bookworm-backports, from the same
# mirror as the rest of the machine. Starts no service, neither now nor at boot,
# and leaves the machine's apt sources as they are.
set -euo pipefail

least=7

# major: that of the Suricata that is installed, 0 if there is none.
major() {
	suricata -V 2>/dev/null | sed -nE 's/.* version ([0-9]+)\..*/\1/p' | grep . || echo 0
}

fail() {
	echo "install-suricata: $1" >&2
	exit 1
}

[ "$(major)" -lt "$least" ] || exit 0
[ "$(id -u)" -eq 0 ] || fail "lacking Suricata $least or newer; install it, or run this as root"
command -v apt-get >/dev/null || fail "lacking Suricata $least or newer; install your distribution's package of it"

# one_line_backports CODENAME: the lines of CODENAME's suite in a sources.list on
# stdin, with the suite renamed.
one_line_backports() {
	awk -v suite="$1" '
		$1 == "deb" {
			at = 2 # of the URI, behind [options] with or without blanks
			if ($at ~ /^\[/) { while ($at !~ /\]$/ && at < NF) at++; at++ }
			if ($(at + 1) == suite) { $(at + 1) = suite "-backports"; print }
		}'
}

# deb822_backports CODENAME: likewise the stanzas of a .sources file.
deb822_backports() {
	awk -v suite="$1" '
		function flush() {
			if (binary && wanted && enabled) print stanza
			stanza = ""; binary = wanted = 0; enabled = 1
		}
		BEGIN { enabled = 1 }
		/^#/ { next }
		/^[ \t]*$/ { flush(); next }
		{
			field = tolower($1)
			if (field == "types:") for (i = 2; i <= NF; i++) if ($i == "deb") binary = 1
			if (field == "enabled:" && tolower($2) == "no") enabled = 0
			if (field == "suites:") {
				for (i = 2; i <= NF; i++) if ($i == suite) wanted = 1
				$0 = "Suites: " suite "-backports"
			}
			if (field == "types:") $0 = "Types: deb"
			stanza = stanza $0 "\n"
		}
		END { flush() }'
}

# backports CODENAME DIRECTORY: makes a copy of the machine's apt sources there, with
# CODENAME's backports added.
backports() {
	local codename=$1 parts=$2 file
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$file" ] || continue
		cp "$file" "$parts/$(basename "$file" .list).list"
		one_line_backports "$codename" <"$file" >>"$parts/xdpeel-backports.list"
	done
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -f "$file" ] || continue
		cp "$file" "$parts/"
		deb822_backports "$codename" <"$file" >>"$parts/xdpeel-backports.sources"
	done
	[ -s "$parts/xdpeel-backports.list" ] || [ -s "$parts/xdpeel-backports.sources" ] ||
		fail "no source of $codename among apt's; name one in /etc/apt/sources.list"
}

# suite_with_suricata: the suite beyond the machine's own that has it; none if its own do.
suite_with_suricata() {
	. /etc/os-release
	[ "${ID:-}" = debian ] && [ "${VERSION_ID:-0}" = 12 ] && echo "$VERSION_CODENAME-backports" || true
}

work=$(mktemp -d)
chmod 755 "$work" # apt reads it as another user
policy=/usr/sbin/policy-rc.d
clean_up() {
	rm -f "$policy"
	[ ! -e "$work/policy-rc.d" ] || mv "$work/policy-rc.d" "$policy"
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# dpkg asks this whether a service may be started.
[ ! -e "$policy" ] || mv "$policy" "$work/policy-rc.d"
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

suite=$(suite_with_suricata)
options=()
if [ -n "$suite" ]; then
	mkdir "$work/sources"
	backports "${suite%-backports}" "$work/sources"
	options=(-o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=$work/sources" -t "$suite")
fi
export DEBIAN_FRONTEND=noninteractive
echo "install-suricata: installing suricata${suite:+ from $suite}" >&2
apt-get update -qq "${options[@]}"
apt-get install -y -qq --no-install-recommends "${options[@]}" suricata >/dev/null
if command -v systemctl >/dev/null; then
	systemctl disable suricata.service >/dev/null 2>&1 || true # at boot, that is
fi
[ "$(major)" -ge "$least" ] || fail "this distribution's Suricata is older than $least: $(suricata -V)"
