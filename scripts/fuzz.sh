#!/usr/bin/env bash
# Has the three judges judge the same packets for a while: a third of the time
# libFuzzer looks for new ways through the C, a third the generator asks the native
# judge and the reference, and a third the kernel as well. Then what libFuzzer found
# is put to all of them. Without root the kernel is left out.
#
#   scripts/fuzz.sh [DURATION] [SEED]     60s, the time of day
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=$(($(sed -E 's/^([0-9]+)h$/\1*3600/; s/^([0-9]+)m$/\1*60/; s/^([0-9]+)s?$/\1/' <<<"${1:-60s}")))
seed=${2:-$(date +%s)}
third=$(((seconds + 2) / 3))
everyone=native,mirror
[ "$(id -u)" -ne 0 ] || everyone+=,kernel

work=$(mktemp -d)
mkdir "$work/corpus"
trap 'rm -rf "$work"' EXIT
go build -o "$work/judges" ./judges/run

echo "fuzz: seed $seed; libFuzzer for $third s"
"$work/judges" -export "$work/corpus" -seed "$seed"
"$work/judges" -build-fuzzer "$work"
"$work/fuzz" -max_total_time="$third" -max_len=262144 -seed="$((seed % 1000000007))" -artifact_prefix="$work/" \
	"$work/corpus" 2>&1 | tail -n 3 || {
	mkdir -p build && cp "$work"/crash-* build/ 2>/dev/null
	echo "fuzz: the input that failed is in build/" >&2
	exit 1
}
echo "fuzz: native and mirror for $third s"
"$work/judges" -judges native,mirror -seed "$seed" -duration "${third}s"
echo "fuzz: $everyone for $third s"
"$work/judges" -judges "$everyone" -seed "$((seed + 1))" -duration "${third}s"
echo "fuzz: libFuzzer's corpus"
"$work/judges" -judges "$everyone" -replay "$work/corpus"
