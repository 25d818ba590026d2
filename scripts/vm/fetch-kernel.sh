#!/usr/bin/env bash
# Fetches Debian's newest cloud kernel of a release and prints the directory it
# was unpacked to, with vmlinux and modules/ in it:
#
#   fetch-kernel.sh 6.12
#   fetch-kernel.sh newest
#
# The mirror is the one in this machine's own apt sources, asked for other
# suites. Lists and downloads are kept apart from apt's, which stay untouched.
# $XDPEEL_KERNEL_CACHE names the cache.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
release=${1:?usage: fetch-kernel.sh RELEASE|newest}
cache=${XDPEEL_KERNEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xdpeel/kernels}

suites=(bullseye bookworm bookworm-backports trixie trixie-backports)
security_suites=(bullseye-security bookworm-security trixie-security)

# Patch numbers come and go on a mirror: none is named, the newest is taken.
# The cloud flavour is a third of the plain one and has all the drivers that
# QEMU can emulate and that speak XDP.
case $release in
newest) number='[0-9]+\.[0-9]+' ;;
*) number=${release//./\\.} ;;
esac
pattern="linux-image-$number\.[0-9][-+.0-9a-z]*-cloud-amd64"

fail() {
	echo "fetch-kernel: $*" >&2
	exit 1
}

apt=$cache/apt
options=(
	-o Dir::Etc::sourcelist="$apt/debian.sources" -o Dir::Etc::sourceparts=/dev/null
	-o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache"
	-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root
	-o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
)

stanza() {
	[ -z "$1" ] || printf '%s\n' "Types: deb" "URIs: $1" "Suites: ${*:2}" "Components: main" \
		"Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg" ""
}

# Half a day is fresh enough. A suite that is gone spoils only itself.
refresh_lists() {
	local main
	[ -z "$(find "$apt/fresh" -mmin -720 2>/dev/null)" ] || return 0
	main=$("$here/mirror.sh")
	[ -n "$main" ] || fail "no Debian suite in this machine's apt sources to take the mirror from"
	{
		stanza "$main" "${suites[@]}"
		stanza "$("$here/mirror.sh" -security)" "${security_suites[@]}"
	} >"$apt/debian.sources"
	if apt-get "${options[@]}" -q update >&2; then
		touch "$apt/fresh"
	else
		echo "fetch-kernel: not every suite could be read" >&2
	fi
}

# newest_match reads names on stdin.
newest_match() {
	grep -xE "$pattern" | sort -V | tail -1
}

# little_endian FILE OFFSET BYTES: that number, in decimal.
little_endian() {
	od -An --endian=little -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '
}

# The compressed ELF image in a bzImage (x86 boot protocol: setup_sects at
# 0x1f1, payload_offset at 0x248, payload_length at 0x24c). QEMU enters it
# directly, and emulating the decompressor would cost more than the whole boot.
extract_vmlinux() {
	local start length payload=$2.payload
	start=$((($(little_endian "$1" $((0x1f1)) 1) + 1) * 512 + $(little_endian "$1" $((0x248)) 4)))
	length=$(little_endian "$1" $((0x24c)) 4)
	# Its last 4 bytes are the unpacked size, which no decompressor knows.
	dd if="$1" of="$payload" iflag=skip_bytes,count_bytes skip="$start" count=$((length - 4)) status=none
	case $(od -An -tx1 -N4 "$payload" | tr -d ' ') in
	fd377a58) xz -dc --single-stream "$payload" ;;
	28b52ffd) zstd -dcq "$payload" ;;
	02214c18) lz4 -dcq "$payload" ;;
	*) fail "$1: unknown compression" ;;
	esac >"$2"
	rm "$payload"
}

# unpack PACKAGE DIRECTORY. Since 7.x the image is empty and depends on
# packages of the same version.
unpack() {
	local version=${1#linux-image-} work=$2 packages
	mapfile -t packages < <(apt-cache "${options[@]}" depends --important "$1" |
		sed -n "s/^.*Depends: \(linux-[a-z]*-$version\)\$/\1/p")
	(cd "$work" && apt-get "${options[@]}" -q download "$1" "${packages[@]}" >&2)
	for package in "$work"/*.deb; do
		dpkg -x "$package" "$work/root"
	done
	mkdir "$work/kernel"
	mv "$(find "$work/root" -path "*lib/modules/$version" -print -quit)" "$work/kernel/modules"
	extract_vmlinux "$(find "$work" -name 'vmlinuz*' -print -quit)" "$work/kernel/vmlinux"
}

mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
exec 9>"$cache/lock"
flock 9
refresh_lists
package=$(apt-cache "${options[@]}" pkgnames linux-image- | newest_match) || true
[ -n "$package" ] || fail "no package matches $pattern"
kernel=$cache/${package#linux-image-}
if [ ! -d "$kernel" ]; then
	work=$(mktemp -d "$cache/unpack.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	unpack "$package" "$work"
	mv "$work/kernel" "$kernel"
fi
echo "$kernel"
