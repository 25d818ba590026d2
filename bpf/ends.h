/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs around an output's veth: where a lane ends, and at both of its ends,
 * so that what the main program sends is counted where it arrives, and so that
 * nothing else ever goes through. An inner packet may be forged: it is to be
 * evidence, and never traffic.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "config.h"
#include "veth.h"
#include "vethmaps.h"

/*
 * EtherType of the self-test's frames, which never leave the machine: IEEE 802's
 * first one for local experiments. Their payload is cfg.self_test.
 */
#define SELF_TEST_TYPE 0x88b5

struct self_test {
	struct ethhdr ethernet;
	__u64 token;
} __attribute__((packed));

/* On the CPU that a frame was moved to: sends it into the veth that the main program chose. */
SEC("xdp.frags/cpumap")
int xdpeel_lane(struct xdp_md *ctx)
{
	const struct lane_header *header = (void *)(long)ctx->data;
	__u32 slot;

	if ((void *)(header + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED; /* it is not the main program's */
	slot = header->slot;
	if (bpf_xdp_adjust_head(ctx, sizeof(*header))) {
		lose(slot, VETH_LOSS_STRIP_FAILED);
		return XDP_DROP;
	}
	return send_to_port(slot);
}

/* Run by hand: sends a frame of the self-test into a veth. */
SEC("xdp.frags")
int xdpeel_probe(struct xdp_md *ctx)
{
	return bpf_redirect_map(&veth_ports, cfg.slot, XDP_DROP);
}

static __always_inline bool is_self_test(const struct xdp_md *ctx)
{
	const struct self_test *frame = (void *)(long)ctx->data;

	return (void *)(frame + 1) <= (void *)(long)ctx->data_end &&
	       frame->ethernet.h_proto == bpf_htons(SELF_TEST_TYPE) && frame->token == cfg.self_test;
}

/*
 * The kernel takes a tag out of a frame before any packet socket sees it, and
 * wants two bytes behind it (skb_vlan_untag, net/core/skbuff.c).
 */
static __always_inline bool has_broken_tag(const struct xdp_md *ctx)
{
	const struct ethhdr *ethernet = (void *)(long)ctx->data;
	const void *end = (void *)(long)ctx->data_end;

	return (const void *)(ethernet + 1) <= end && is_vlan(ethernet->h_proto) &&
	       (const void *)(ethernet + 1) + VLAN_TAG_LENGTH + 2 > end;
}

/*
 * Gives a frame metadata that no other one has: the kernel merges no frames whose
 * metadata differ (gro_list_prepare, net/core/gro.c), whatever the consumer
 * switches on. No consumer sees it. Where the kernel does not take it, or loses it,
 * loader/pair's limit has to do, which all but rx-gro-list keep.
 */
static __always_inline void tell_apart(struct xdp_md *ctx, __u64 number)
{
	__u64 *meta;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*meta)))
		return;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) <= (void *)(long)ctx->data)
		*meta = number;
}

/*
 * At the consumer's end. That there is an XDP program makes the kernel poll that
 * end (NAPI), without which it takes no redirected frames; this one also counts
 * what arrives, since a frame that is lost on the way is lost silently.
 */
SEC("xdp.frags")
int xdpeel_arrive(struct xdp_md *ctx)
{
	struct veth_account *account = veth_account(cfg.slot);

	if (!account)
		return XDP_PASS;
	if (is_self_test(ctx)) {
		account->self_tests++;
		return XDP_DROP;
	}
	if (has_broken_tag(ctx)) {
		account->lost[VETH_LOSS_BROKEN_TAG]++;
		return XDP_DROP;
	}
	account->arrived++;
	tell_apart(ctx, account->arrived);
	return XDP_PASS;
}

/* At our end, which nothing is to come out of: whatever a consumer sends ends here. */
SEC("xdp.frags")
int xdpeel_sink(struct xdp_md *ctx)
{
	return XDP_DROP;
}

/*
 * In the network stack, at both ends. At the consumer's, packet sockets have seen
 * a frame by then and the host's own protocols have not; at ours, it keeps what
 * the host sends by itself out of what the consumer reads.
 */
SEC("tc")
int xdpeel_seal(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}
