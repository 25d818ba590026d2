/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Takes the wrapping off: what is left of a frame is the inner one. */
#pragma once

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "ethernet.h"
#include "frame.h"

#define VLAN_TAG_LENGTH 4

/* Cuts off what the outer frame has behind the inner one: padding, or a trailer. */
static __always_inline bool cut_tail(const struct frame *frame, __u32 end)
{
	return frame->length == end || bpf_xdp_adjust_tail(frame->ctx, (int)(end - frame->length)) == 0;
}

/* The Ethernet header of a bare payload (docs/judgement.md, "The wrapping"). */
static __always_inline void make_up_ethernet(struct ethhdr *header, __u16 ethertype)
{
	*header = (struct ethhdr){
		.h_dest = { 2, 0, 0, 0, 0, 2 },
		.h_source = { 2, 0, 0, 0, 0, 1 },
		.h_proto = bpf_htons(ethertype),
	};
}

/* Writes `size` (a constant) bytes to `offset`; false if the first buffer does not reach so far. */
static __always_inline bool frame_write(struct xdp_md *ctx, __u32 offset, const void *from, __u32 size)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;

	if (data + offset + size > data_end)
		return false;
	__builtin_memcpy(data + offset, from, size);
	return true;
}

/*
 * Leaves of the frame the inner one: its Ethernet header, which may be made up,
 * a VLAN tag if `vlan` is not 0, and its bytes as they arrived. `lead` bytes that
 * are nobody's stay ahead of it.
 */
static __always_inline bool strip(const struct frame *frame, const struct packet *packet, __u16 vlan, __u32 lead)
{
	__u32 made_up = packet->ethertype ? ETH_HLEN : 0;
	struct xdp_md *ctx = frame->ctx;
	const struct ethhdr *inner;
	struct ethhdr ethernet FRAME_ROOM;
	struct {
		__be16 type;
		__be16 id;
	} tag = { bpf_htons(ETH_P_8021Q), bpf_htons(vlan) };

	if (made_up) {
		make_up_ethernet(&ethernet, packet->ethertype);
	} else if (vlan) {
		inner = frame_at(frame, packet->offset, &ethernet, sizeof(ethernet));
		if (!inner)
			return false;
		ethernet = *inner;
	}
	if (!cut_tail(frame, packet->offset + packet->arrived - made_up))
		return false;
	if (bpf_xdp_adjust_head(ctx, (int)(packet->offset - made_up - (vlan ? VLAN_TAG_LENGTH : 0) - lead)))
		return false;
	if (!vlan)
		return !made_up || frame_write(ctx, lead, &ethernet, sizeof(ethernet));
	return frame_write(ctx, lead, &ethernet, 2 * ETH_ALEN) &&
	       frame_write(ctx, lead + 2 * ETH_ALEN, &tag, sizeof(tag)) &&
	       frame_write(ctx, lead + ETH_HLEN + 2, &ethernet.h_proto, sizeof(ethernet.h_proto));
}
