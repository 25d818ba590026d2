#!/usr/bin/env bash
# Compiles each header of bpf/ by itself: a header says what it needs.
set -euo pipefail
cd "$(dirname "$0")/../bpf"

for header in *.h; do
	echo "#include \"$header\"" | clang-19 -x c -target bpf -mcpu=v3 -O2 -fsyntax-only -Wall -Werror \
		-I. -I"/usr/include/$(uname -m)-linux-gnu" - || {
		echo "check-headers: $header does not compile alone" >&2
		exit 1
	}
done
