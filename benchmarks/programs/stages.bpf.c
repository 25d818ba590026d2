/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
//go:build ignore

/*
 * The way of a mirrored packet through bpf/xdpeel.bpf.c, cut off after each of
 * its stages: the difference of two neighbours is what a stage costs. And what
 * the whole is measured against: programs that do nothing but their verdict.
 * Each counts the frames with which it got to its end, so that a run that did
 * not do the work is found out; that costs all of them the same.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "frame.h"
#include "outer.h"
#include "session.h"
#include "inner.h"
#include "deliver.h"
#include "ledger.h"

/* Frames that got to the end of their program, of all programs. One CPU at a time. */
__u64 done;

/* Where redirect sends frames. Key: 0. Value: interface index. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} wire SEC(".maps");

/* Has the compiler believe that all of it is read. */
static __always_inline void keep(const struct packet *packet)
{
	asm volatile("" : : "r"(packet) : "memory");
}

static __always_inline int end(const struct packet *packet)
{
	keep(packet);
	done++;
	return XDP_DROP;
}

SEC("xdp")
int drop(struct xdp_md *ctx)
{
	done++;
	return XDP_DROP;
}

SEC("xdp.frags")
int noop(struct xdp_md *ctx)
{
	done++;
	return XDP_PASS;
}

SEC("xdp.frags")
int redirect(struct xdp_md *ctx)
{
	done++;
	return bpf_redirect_map(&wire, 0, XDP_ABORTED);
}

SEC("xdp.frags")
int after_outer(struct xdp_md *ctx)
{
	struct frame frame = frame_of(ctx);
	struct packet packet = {};

	if (outer(&frame, &packet) != OUTCOME_MAX)
		return XDP_ABORTED;
	return end(&packet);
}

SEC("xdp.frags")
int after_session(struct xdp_md *ctx)
{
	struct frame frame = frame_of(ctx);
	struct packet packet = {};

	if (outer(&frame, &packet) != OUTCOME_MAX || wanted(&packet.key) != OUTCOME_MAX || !find_session(&packet.key))
		return XDP_ABORTED;
	return end(&packet);
}

SEC("xdp.frags")
int after_inner(struct xdp_md *ctx)
{
	struct frame frame = frame_of(ctx);
	struct packet packet = {};

	if (outer(&frame, &packet) != OUTCOME_MAX || wanted(&packet.key) != OUTCOME_MAX)
		return XDP_ABORTED;
	inner(ctx, find_session(&packet.key), &packet);
	return end(&packet);
}

SEC("xdp.frags")
int after_deliver(struct xdp_md *ctx)
{
	struct frame frame = frame_of(ctx);
	struct packet packet = {};

	if (outer(&frame, &packet) != OUTCOME_MAX || wanted(&packet.key) != OUTCOME_MAX)
		return XDP_ABORTED;
	inner(ctx, find_session(&packet.key), &packet);
	if (deliver(&frame, &packet) != RING_LOSS_MAX)
		return XDP_ABORTED;
	return end(&packet);
}

SEC("xdp.frags")
int after_ledger(struct xdp_md *ctx)
{
	struct frame frame = frame_of(ctx);
	struct judgement judgement = { .outcome = OUTCOME_DELIVERED };
	struct packet *packet = &judgement.packet;
	struct accounts *accounts = count_received(&frame);

	if (!accounts || outer(&frame, packet) != OUTCOME_MAX || wanted(&packet->key) != OUTCOME_MAX)
		return XDP_ABORTED;
	judgement.session = find_session(&packet->key);
	inner(ctx, judgement.session, packet);
	judgement.loss = deliver(&frame, packet);
	count_outcome(accounts, &frame, &judgement);
	if (judgement.loss != RING_LOSS_MAX)
		return XDP_ABORTED;
	return end(packet);
}

char _license[] SEC("license") = "Dual BSD/GPL";
