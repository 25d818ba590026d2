/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Ethernet header and the VLAN tags behind it, of an outer or an inner frame. */
#pragma once

#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>

#include "frame.h"

struct ethernet {
	__u8 destination[ETH_ALEN];
	__u8 source[ETH_ALEN];
	__be16 type;   /* of what follows the last tag looked through */
	__u32 payload; /* where that begins, from the frame's first byte */
};

static __always_inline bool is_vlan(__be16 ethertype)
{
	return ethertype == bpf_htons(ETH_P_8021Q) || ethertype == bpf_htons(ETH_P_8021AD);
}

/*
 * Parses the header at `offset` and at most `tags` (a constant) VLAN tags;
 * false if the frame ends before. With more tags, type says VLAN.
 */
static __always_inline bool parse_ethernet(const struct frame *frame, __u32 offset, int tags, struct ethernet *out)
{
	struct {
		__be16 control;
		__be16 type;
	} tag;
	struct ethhdr header;

	if (!frame_read(frame, offset, &header, sizeof(header)))
		return false;
	__builtin_memcpy(out->destination, header.h_dest, ETH_ALEN);
	__builtin_memcpy(out->source, header.h_source, ETH_ALEN);
	out->type = header.h_proto;
	out->payload = offset + sizeof(header);
	for (int i = 0; i < tags && is_vlan(out->type); i++) {
		if (!frame_read(frame, out->payload, &tag, sizeof(tag)))
			return false;
		out->type = tag.type;
		out->payload += sizeof(tag);
	}
	return true;
}
