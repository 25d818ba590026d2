#!/usr/bin/env bash
# Builds the S3 server that the uploads are tested against into build/, unless it is
# there. Prints its path.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v1.8.0
server=$PWD/build/versitygw-$version
if [ ! -x "$server" ]; then
	echo "install-versitygw: building versitygw $version, which takes some two minutes" >&2
	mkdir -p build
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	GOBIN=$dir CGO_ENABLED=0 GOFLAGS= go install "github.com/versity/versitygw/cmd/versitygw@$version"
	mv "$dir/versitygw" "$server"
fi
echo "$server"
