#!/usr/bin/env bash
# Runs a command with two multi-queue taps, xdpeel0 and xdpeel1, on one bridge:
# the wiring of a guest's two virtio network cards. To be called in a network
# namespace of its own, which takes it all away when the command ends, however
# it ends:
#
#   unshare --map-root-user --net taps.sh COMMAND [ARGUMENT]...
set -euo pipefail

# More than AWS's jumbo frames: 9001 bytes, and what a tunnel adds.
mtu=9216

# Nobody but the guest is to say anything on this wire.
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
ip link add name bridge type bridge mcast_snooping 0
for tap in xdpeel0 xdpeel1; do
	ip tuntap add "$tap" mode tap multi_queue
	ip link set "$tap" mtu $mtu master bridge up
done
ip link set bridge mtu $mtu up
exec "$@"
