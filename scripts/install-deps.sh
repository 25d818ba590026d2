#!/usr/bin/env bash
# Installs what the tests or the generator need and this machine lacks,
# from the distribution's own packages. Says nothing and does nothing where all is
# there already.
#
#   scripts/install-deps.sh test        run the tests: tshark and tcpdump as second opinions
#   scripts/install-deps.sh demo        show an IDS fed by xdpeel, but for the IDS
#   scripts/install-deps.sh bench       measure: what xdpeel is compared with
#   scripts/install-deps.sh generate    compile the BPF object and the native judge
set -euo pipefail

# need COMMAND PACKAGE...: the packages, if the command is not there.
need() {
	command -v "$1" >/dev/null 2>&1 || missing+=("${@:2}")
}

# need_file GLOB PACKAGE: likewise for a file.
need_file() {
	compgen -G "$1" >/dev/null || missing+=("$2")
}

missing=()
for purpose in "$@"; do
	case $purpose in
	test)
		need ip iproute2
		need sysctl procps
		need ethtool ethtool
		need mkfs.ext4 e2fsprogs
		need zstd zstd
		need xz xz-utils
		need tshark tshark
		need capinfos wireshark-common
		need tcpdump tcpdump
		need nft nftables
		need promtool prometheus
		need systemd-analyze systemd
		;;
	demo)
		need ip iproute2
		need sysctl procps
		;;
	bench)
		need ip iproute2
		need tcpdump tcpdump
		need dumpcap wireshark-common
		need xdpdump xdp-tools
		need nft nftables
		;;
	generate)
		need clang-19 clang-19
		need llvm-strip-19 llvm-19
		need_file '/usr/include/bpf/bpf_helpers.h' libbpf-dev
		need_file '/usr/include/linux/bpf.h' linux-libc-dev
		need_file '/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.fuzzer-*.a' libclang-rt-19-dev
		;;
	*)
		echo "install-deps: unknown purpose '$purpose'" >&2
		exit 2
		;;
	esac
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "install-deps: lacking ${missing[*]}; install them, or run this as root" >&2
	exit 1
fi
if ! command -v apt-get >/dev/null; then
	echo "install-deps: lacking ${missing[*]}; install your distribution's packages of that name" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "install-deps: installing ${missing[*]}" >&2
apt-get update -qq
# Some of the packages are services as well: none is to be started, now or at boot.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
case " ${missing[*]} " in
*' prometheus '*) [ ! -d /run/systemd/system ] || systemctl --quiet disable prometheus ;;
esac
