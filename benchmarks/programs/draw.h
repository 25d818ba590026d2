/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets drawn beforehand. Live frames keep what a program wrote into them, and
 * all are the same at first; so each run of a program begins by writing the next
 * packet's addresses and ports, lest one hot flow flatter what comes then.
 */
#pragma once

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include "abi.h"

#define DRAWS 65536

/* What tells a packet from the others. As it lies in the packet, in network byte order. */
struct draw {
	__be32 source;
	__be32 destination;
	__be16 source_port;
	__be16 destination_port;
	__u16 checksum; /* of the IP header */
	__u8 protocol;  /* with ports where UDP has them */
	__u8 _pad;
};

/* Written by user space before a run. */
struct draw draws[DRAWS];

/* Frames that got to the end of their program, of all programs. One CPU at a time. */
__u64 done;

/* An inner frame's headers; of TCP the ports alone are touched. */
struct inner_headers {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

/* Where a mirrored packet's inner frame begins: behind Ethernet, IPv4, UDP and VXLAN. */
#define INNER_START (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr) + 8)

/* Makes the inner frame at `start` that of the next packet. */
static __always_inline bool draw(struct xdp_md *ctx, __u32 start)
{
	const struct draw *drawn = &draws[done % DRAWS];
	struct inner_headers *headers = (void *)(long)ctx->data + start;

	if ((void *)(headers + 1) > (void *)(long)ctx->data_end)
		return false;
	headers->ip.saddr = drawn->source;
	headers->ip.daddr = drawn->destination;
	headers->ip.protocol = drawn->protocol;
	headers->ip.check = drawn->checksum;
	headers->udp.source = drawn->source_port;
	headers->udp.dest = drawn->destination_port;
	return true;
}
