#!/usr/bin/env bash
# Boots Debian 12 with a real systemd in a throw-away QEMU guest, installs the daemon
# there as docs/install.md says, and runs the tests of scripts/vm/systemd on it. Exit
# status 1 if any failed. As root, since it makes the guest's root file system.
#
#   scripts/vm/systemd.sh [--kernel RELEASE] [--run REGEXP] [--accel ACCEL]
#
# $XDPEEL_KERNEL_CACHE names the cache of kernels and of the root file system.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

export XDPEEL_KERNEL_CACHE=${XDPEEL_KERNEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xdpeel/kernels}
suite=bookworm
# What a small Debian server has, and what the page's commands call.
packages=systemd,systemd-sysv,dbus,sudo,iproute2,kmod,procps
release=6.1 accel=tcg,thread=single run=. limit=9m

while [ $# -gt 0 ]; do
	case $1 in
	--kernel) release=${2:?} ;;
	--run) run=${2:?} ;;
	--accel) accel=${2:?} ;;
	*) sed -n 's/^# \{0,1\}//p' "$0" | sed -n '2,/^$/p' >&2 && exit 2 ;;
	esac
	shift 2
done
[ "$(id -u)" -eq 0 ] || { echo 'systemd.sh: needs root' >&2; exit 1; }

missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
for program in debootstrap cpio xz zstd lz4; do
	command -v $program >/dev/null || missing+=("${program/%xz/xz-utils}")
done
[ ${#missing[@]} -eq 0 ] || { apt-get -q update && apt-get -q install -y --no-install-recommends "${missing[@]}"; } >&2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# archive DIRECTORY: as the kernel unpacks it into its first file system.
archive() {
	(cd "$1" && find . -print0 | cpio --null --create --format=newc --quiet)
}

kernel=$("$here/fetch-kernel.sh" "$release")
base=$XDPEEL_KERNEL_CACHE/root-$suite-$(cksum <<<"$packages" | cut -d' ' -f1).cpio
if [ ! -f "$base" ]; then
	debootstrap --variant=minbase --include="$packages" "$suite" "$work/base" "$("$here/mirror.sh")" >&2
	rm -rf "$work"/base/var/cache/apt/* "$work"/base/var/lib/apt/lists/* "$work"/base/usr/share/{doc,man,locale}
	archive "$work/base" >"$base.part"
	mv "$base.part" "$base"
	rm -rf "$work/base"
fi

# What is laid over it: the kernel's modules, a checkout with the binary, and the tests.
over=$work/over
checkout=$over/root/xdpeel
mkdir -p "$over/usr/lib/modules" "$checkout/docs" "$over/etc/systemd/system/multi-user.target.wants"
cp -r "$kernel/modules" "$over/usr/lib/modules/${kernel##*/}"
make --silent build
cp -r deploy "$checkout/"
cp docs/install.md "$checkout/docs/"
mv xdpeel "$checkout/"
CGO_ENABLED=0 go test -c -tags guest -o "$over/usr/lib/xdpeel.test" ./scripts/vm/systemd
cat >"$over/init" <<-'END'
	#!/bin/sh
	# Makes the first file system one that can be pivoted away from, as systemd's
	# sandboxes do: the kernel's own cannot.
	mount -t proc proc /proc
	depmod && mkdir /real && mount --bind / /real && cd /real && mount --move . / && exec chroot . /sbin/init
END
cat >"$over/etc/systemd/system/judge.service" <<-END
	[Unit]
	After=dbus.socket network-online.target
	[Service]
	Type=oneshot
	WorkingDirectory=/root/xdpeel
	Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	ExecStart=/bin/sh -c '/usr/lib/xdpeel.test -test.v -test.run "$run" -test.timeout $limit && echo @@passed'
	ExecStopPost=-systemctl --no-block --force --force poweroff
	StandardOutput=tty
	StandardError=tty
	TTYPath=/dev/ttyS1
END
ln -s ../judge.service "$over/etc/systemd/system/multi-user.target.wants/"
ln -s /dev/null "$over/etc/systemd/system/serial-getty@ttyS0.service"
echo guest >"$over/etc/hostname"
echo 127.0.0.1 localhost guest >"$over/etc/hosts"
chmod 755 "$over/init"
{ cat "$base" && archive "$over"; } >"$work/initramfs"

setpriv --pdeathsig KILL timeout --foreground 10m qemu-system-x86_64 -accel "$accel" -cpu max -machine q35 -m 2560 -smp 2 \
	-nodefaults -display none -no-reboot -kernel "$kernel/vmlinux" -initrd "$work/initramfs" \
	-append "console=ttyS0 loglevel=4 panic=-1 oops=panic mitigations=off nokaslr tsc=reliable no_timer_check random.trust_cpu=on systemd.show_status=no" \
	-serial "file:$work/console" -serial stdio </dev/null | tr -d '\r' | tee "$work/said"
grep -qx '@@passed' "$work/said" || {
	sed 's/^/    /' "$work/console" >&2
	echo 'systemd.sh: FAIL; above is what the guest had on its console' >&2
	exit 1
}
