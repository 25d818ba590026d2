#!/usr/bin/env bash
# Runs all tests, and says what was left out and why.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" -eq 0 ]; then
	scripts/install-deps.sh test generate
	scripts/install-suricata.sh || echo 'test: no Suricata: the tests with a real IDS are left out' >&2
else
	echo 'test: not root: the tests that need the kernel or a namespace are left out, and those with programs that are not installed' >&2
fi
scripts/install-versitygw.sh >/dev/null || echo 'test: no versitygw: the tests with a real S3 server are left out' >&2

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# One package at a time: tests that watch packets go by are not to wait for a compiler.
go test -p 1 -json "$@" ./... >"$log" || status=$?
go run ./scripts/testreport <"$log" || status=1
exit "$status"
