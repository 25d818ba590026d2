/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Ethernet header and the VLAN tags behind it, of an outer or an inner frame. */
#pragma once

#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>

#include "frame.h"

struct ethernet {
	__u64 destination; /* MACs as numbers: see MAC_BITS */
	__u64 source;
	__be16 type;       /* of what follows the last tag stepped over */
	__u32 payload;     /* where that begins, from the frame's first byte */
};

/* The bits of a MAC as a number, its first octet the lowest: compared and stored at once. */
#define MAC_BITS 48

/* Both MACs by two loads: the machines that the object is built for have the lowest octet first. */
static __always_inline void read_macs(const struct ethhdr *header, struct ethernet *out)
{
	__u64 first;  /* the destination, and two octets of the source */
	__u32 second; /* its other octets */

	__builtin_memcpy(&first, header, sizeof(first));
	__builtin_memcpy(&second, (const __u8 *)header + sizeof(first), sizeof(second));
	out->destination = first & ((1ULL << MAC_BITS) - 1);
	out->source = first >> MAC_BITS | (__u64)second << (64 - MAC_BITS);
}

/* Neither all zero, nor a group's. */
static __always_inline bool is_station(__u64 mac)
{
	return mac && !(mac & 1);
}

static __always_inline bool is_vlan(__be16 ethertype)
{
	return ethertype == bpf_htons(ETH_P_8021Q) || ethertype == bpf_htons(ETH_P_8021AD);
}

/* What follows a VLAN's EtherType (IEEE 802.1Q). */
struct vlan_tag {
	__be16 control;
	__be16 type; /* of what is behind */
};

/* Steps over at most `tags` (a constant) VLAN tags; false if the frame ends within one. */
static __always_inline bool skip_tags(const struct frame *frame, int tags, struct ethernet *ethernet)
{
	const struct vlan_tag *tag;
	struct vlan_tag room FRAME_ROOM;

	for (int i = 0; i < tags && is_vlan(ethernet->type); i++) {
		tag = frame_at(frame, ethernet->payload, &room, sizeof(room));
		if (!tag)
			return false;
		ethernet->type = tag->type;
		ethernet->payload += sizeof(*tag);
	}
	return true;
}

/* Parses the header at `offset`, without tags; false if the frame ends before. */
static __always_inline bool parse_ethernet(const struct frame *frame, __u32 offset, struct ethernet *out)
{
	const struct ethhdr *header;
	struct ethhdr room FRAME_ROOM;

	header = frame_at(frame, offset, &room, sizeof(room));
	if (!header)
		return false;
	read_macs(header, out);
	out->type = header->h_proto;
	out->payload = offset + sizeof(*header);
	return true;
}
