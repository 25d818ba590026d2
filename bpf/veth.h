/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hands the frame itself to a consumer: takes the wrapping off, and sends what is
 * left into a veth whose other end the consumer reads. From the first byte that
 * is taken off, the frame is no longer the host's.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "config.h"
#include "frame.h"
#include "hash.h"
#include "strip.h"
#include "vethmaps.h"

/* What place_of_flow is asked for. */
#define PURPOSE_VETH 1
#define PURPOSE_LANE 2

/* Ahead of a frame while it is moved to another CPU: which veth it is for. */
struct lane_header {
	__u32 slot;
	__u32 _pad;
};

static __always_inline struct veth_account *veth_account(__u32 slot)
{
	return bpf_map_lookup_elem(&veth_accounts, &slot);
}

static __always_inline void lose(__u32 slot, enum veth_loss reason)
{
	struct veth_account *account = veth_account(slot);

	if (account)
		account->lost[reason]++;
}

/* Sends a stripped frame into a veth. */
static __always_inline int send_to_port(__u32 slot)
{
	int verdict = bpf_redirect_map(&veth_ports, slot, XDP_DROP);

	if (verdict != XDP_REDIRECT)
		lose(slot, VETH_LOSS_NO_INTERFACE);
	return verdict;
}

/* Moves a stripped frame to the CPU of its flow, where xdpeel_lane sends it on. */
static __always_inline int send_to_lane(struct xdp_md *ctx, __u32 slot, __u32 lane)
{
	struct lane_header header = { .slot = slot };
	int verdict;

	if (!frame_write(ctx, 0, &header, sizeof(header))) {
		lose(slot, VETH_LOSS_STRIP_FAILED);
		return XDP_DROP;
	}
	verdict = bpf_redirect_map(&lanes, lane, XDP_DROP);
	if (verdict != XDP_REDIRECT)
		lose(slot, VETH_LOSS_NO_INTERFACE);
	return verdict;
}

/*
 * Counts a packet as offered to the veth of a slot and returns the veth, or NULL
 * if it cannot take the packet, which is counted too.
 */
static __always_inline const struct veth *offer(__u32 slot, const struct packet *packet, __u16 vlan)
{
	struct veth_account *account = veth_account(slot);
	const struct veth *veth = bpf_map_lookup_elem(&veths, &slot);
	__u32 tag = vlan ? VLAN_TAG_LENGTH : 0;

	if (!account || !veth)
		return NULL;
	account->offered++;
	if (packet->arrived + (veth->tagged ? tag : 0) <= veth->frame_max)
		return veth;
	account->lost[veth->frame_max ? VETH_LOSS_TOO_LONG : VETH_LOSS_NO_INTERFACE]++;
	return NULL;
}

/* Hands a frame to one veth; in queues of its own for each flow, if it has several. */
static __always_inline int hand_to_one(const struct frame *frame, const struct packet *packet,
				       const struct session_policy *wanted, __u32 slot, __u32 flow)
{
	const struct veth *veth = offer(slot, packet, wanted->vlan);
	__u32 cpu = bpf_get_smp_processor_id(), lane = cpu;
	bool moves;

	if (!veth)
		return XDP_DROP;
	if (!cfg.redirects_parts && is_in_parts(frame)) {
		lose(slot, VETH_LOSS_IN_PARTS);
		return XDP_DROP;
	}
	if (veth->lanes)
		lane = place_of_flow(flow, PURPOSE_LANE, veth->lanes);
	moves = lane != cpu;
	if (!strip(frame, packet, veth->tagged ? wanted->vlan : 0, moves ? sizeof(struct lane_header) : 0)) {
		lose(slot, VETH_LOSS_STRIP_FAILED);
		return XDP_DROP;
	}
	return moves ? send_to_lane(frame->ctx, slot, lane) : send_to_port(slot);
}

/* Offers a packet to all of a session's veths. Returns the set of those that can take it. */
static __always_inline __u32 offer_to_all(const struct packet *packet, const struct session_policy *wanted)
{
	__u32 takers = 0;

#pragma clang loop unroll(disable)
	for (int i = 0; i < LIMIT_SHARES; i++) {
		__u32 slot = wanted->slots[i] % LIMIT_OUTPUTS;

		if (i < wanted->shares && offer(slot, packet, wanted->vlan))
			takers |= 1u << slot;
	}
	return takers;
}

static __always_inline void lose_to_all(const struct session_policy *wanted, __u32 set, enum veth_loss reason)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < LIMIT_SHARES; i++) {
		__u32 slot = wanted->slots[i] % LIMIT_OUTPUTS;

		if (i < wanted->shares && set >> slot & 1)
			lose(slot, reason);
	}
}

/*
 * Has the kernel send a copy to each veth of a session, all of which are tagged,
 * or none. It copies only the first buffer of a frame (xdpf_clone, net/core/xdp.c):
 * one in several goes to a single veth.
 */
static __always_inline int hand_to_all(const struct frame *frame, const struct packet *packet,
				       const struct session_policy *wanted)
{
	__u32 takers = offer_to_all(packet, wanted), first = wanted->slots[0] % LIMIT_OUTPUTS;
	__u32 set = wanted->veths;
	bool in_parts = is_in_parts(frame);
	const struct veth *veth = bpf_map_lookup_elem(&veths, &first);
	void *ports;

	if (!takers || !veth)
		return XDP_DROP;
	if (!strip(frame, packet, veth->tagged ? wanted->vlan : 0, 0)) {
		lose_to_all(wanted, takers, VETH_LOSS_STRIP_FAILED);
		return XDP_DROP;
	}
	if (in_parts) {
		lose_to_all(wanted, takers & ~(1u << first), VETH_LOSS_NOT_COPIED);
		if (!(takers >> first & 1))
			return XDP_DROP;
		if (cfg.redirects_parts)
			return send_to_port(first);
		lose(first, VETH_LOSS_IN_PARTS);
		return XDP_DROP;
	}
	/* The kernel leaves those out that it is too long for, by the same measure as offer() does. */
	ports = bpf_map_lookup_elem(&copy_sets, &set);
	if (ports && bpf_redirect_map(ports, 0, BPF_F_BROADCAST) == XDP_REDIRECT)
		return XDP_REDIRECT;
	lose_to_all(wanted, takers, VETH_LOSS_NO_INTERFACE);
	return XDP_DROP;
}

/*
 * Hands a delivered packet's frame to the veths that its session names, and
 * returns the verdict on it. `length` is the frame's in bytes, and `flow` its flow
 * hash, where there is something to choose. A function that the verifier proves once.
 */
__noinline int hand_over(struct xdp_md *ctx, __u32 length, const struct packet *packet,
			 const struct session_policy *wanted, __u32 flow)
{
	struct frame frame = { .ctx = ctx, .length = length };
	__u32 share = 0;

	if (!packet || !wanted)
		return XDP_DROP;
	if (wanted->shares > 1 && wanted->sharing == SHARING_COPY)
		return hand_to_all(&frame, packet, wanted);
	if (wanted->shares > 1)
		share = place_of_flow(flow, PURPOSE_VETH, wanted->shares);
	return hand_to_one(&frame, packet, wanted, wanted->slots[share % LIMIT_SHARES] % LIMIT_OUTPUTS, flow);
}
