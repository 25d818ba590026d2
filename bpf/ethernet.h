/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Ethernet header and the VLAN tags behind it, of an outer or an inner frame. */
#pragma once

#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>

#include "frame.h"

struct ethernet {
	__u64 destination; /* MACs as numbers: see mac_of */
	__u64 source;
	__be16 type;       /* of what follows the last tag stepped over */
	__u32 payload;     /* where that begins, from the frame's first byte */
};

/* A MAC as a number, its first octet the lowest: compared and stored at once. */
static __always_inline __u64 mac_of(const __u8 octets[ETH_ALEN])
{
	return octets[0] | (__u64)octets[1] << 8 | (__u64)octets[2] << 16 | (__u64)octets[3] << 24 |
	       (__u64)octets[4] << 32 | (__u64)octets[5] << 40;
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

/* Steps over at most `tags` (a constant) VLAN tags; false if the frame ends within one. */
static __always_inline bool skip_tags(const struct frame *frame, int tags, struct ethernet *ethernet)
{
	struct {
		__be16 control;
		__be16 type;
	} tag;

	for (int i = 0; i < tags && is_vlan(ethernet->type); i++) {
		if (!frame_read(frame, ethernet->payload, &tag, sizeof(tag)))
			return false;
		ethernet->type = tag.type;
		ethernet->payload += sizeof(tag);
	}
	return true;
}

/* Parses the header at `offset`, without tags; false if the frame ends before. */
static __always_inline bool parse_ethernet(const struct frame *frame, __u32 offset, struct ethernet *out)
{
	struct ethhdr header;

	if (!frame_read(frame, offset, &header, sizeof(header)))
		return false;
	out->destination = mac_of(header.h_dest);
	out->source = mac_of(header.h_source);
	out->type = header.h_proto;
	out->payload = offset + sizeof(header);
	return true;
}
