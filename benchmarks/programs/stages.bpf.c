/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
//go:build ignore

/*
 * The way of a mirrored packet through the product's program, cut off after each
 * of its stages: the difference of two neighbours is what a stage costs. And what
 * the whole is measured against: programs that do nothing but their verdict.
 * Each counts the frames with which it got to its end, so that a run that did
 * not do the work is found out; that costs all of them the same.
 */
#include "xdpeel.bpf.c"

#include "draw.h"

/* Where redirect sends frames. Key: 0. Value: interface index. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} wire SEC(".maps");

/* Where a program ends. */
enum stage {
	STAGE_HARNESS,
	STAGE_OUTER,
	STAGE_SESSION,
	STAGE_INNER,
	STAGE_FILTER,
	STAGE_REDUCE,
	STAGE_DELIVER,
};

/* Has the compiler believe that all of it is read. */
static __always_inline int end(const struct judgement *judgement, const struct headers *headers)
{
	asm volatile("" : : "r"(judgement), "r"(headers) : "memory");
	done++;
	return XDP_DROP;
}

/* The program's apply(), up to a stage; a packet that the policy does not take is a failure. */
static __always_inline int apply_until(enum stage last, const struct frame *frame, void *policy,
				       const struct policy_head *head, const struct session_policy *wanted,
				       struct session *session, struct judgement *judgement)
{
	struct packet *packet = &judgement->packet;
	struct headers headers = {};
	__u32 flow = 0;

	judgement->count = account_of(session);
	inner(frame->ctx, session, packet, wanted->reads_headers ? &headers : NULL, wanted->mac);
	if (last == STAGE_INNER)
		return end(judgement, &headers);
	if (filter(policy, wanted, &headers, packet) != OUTCOME_MAX)
		return XDP_ABORTED;
	if (last == STAGE_FILTER)
		return end(judgement, &headers);
	if (wanted->reads_flow)
		flow = flow_of(head->seed, packet->key.vni, &headers);
	if (sample(wanted, flow, judgement->count) != OUTCOME_MAX)
		return XDP_ABORTED;
	if (last == STAGE_REDUCE)
		return end(judgement, &headers);
	if (deliver(frame, wanted, &headers, packet) != RING_LOSS_MAX)
		return XDP_ABORTED;
	return end(judgement, &headers);
}

/* The program's judge(), likewise. */
static __always_inline int judge_until(enum stage last, struct xdp_md *ctx)
{
	struct frame frame = frame_of(ctx);
	struct judgement judgement = {};
	struct packet *packet = &judgement.packet;
	struct region_lines *region;
	struct session *session;
	__u32 zero = 0, place;
	void *policy;

	if (!draw(ctx, INNER_START))
		return XDP_ABORTED;
	if (last == STAGE_HARNESS)
		return end(&judgement, NULL);
	if (outer(&frame, packet) != OUTCOME_MAX)
		return XDP_ABORTED;
	if (last == STAGE_OUTER)
		return end(&judgement, NULL);
	policy = bpf_map_lookup_elem(&policies, &zero);
	if (!policy)
		return XDP_ABORTED;
	region = region_at(policy, 0);
	if (!region || find_session(region, &packet->key, &session, &place) != OUTCOME_MAX)
		return XDP_ABORTED;
	if (last == STAGE_SESSION)
		return end(&judgement, NULL);
	return apply_until(last, &frame, policy, line_at(region, REGION_HEAD_LINE), line_at(region, place), session,
			   &judgement);
}

SEC("xdp.frags")
int harness(struct xdp_md *ctx)
{
	return judge_until(STAGE_HARNESS, ctx);
}

SEC("xdp.frags")
int after_outer(struct xdp_md *ctx)
{
	return judge_until(STAGE_OUTER, ctx);
}

SEC("xdp.frags")
int after_session(struct xdp_md *ctx)
{
	return judge_until(STAGE_SESSION, ctx);
}

SEC("xdp.frags")
int after_inner(struct xdp_md *ctx)
{
	return judge_until(STAGE_INNER, ctx);
}

SEC("xdp.frags")
int after_filter(struct xdp_md *ctx)
{
	return judge_until(STAGE_FILTER, ctx);
}

SEC("xdp.frags")
int after_reduce(struct xdp_md *ctx)
{
	return judge_until(STAGE_REDUCE, ctx);
}

SEC("xdp.frags")
int after_deliver(struct xdp_md *ctx)
{
	return judge_until(STAGE_DELIVER, ctx);
}

/* The product's entry, with nothing left out. */
SEC("xdp.frags")
int whole(struct xdp_md *ctx)
{
	struct judgement judgement = { .loss = RING_LOSS_MAX };
	struct accounts *accounts;
	struct frame frame;

	if (!draw(ctx, INNER_START))
		return XDP_ABORTED;
	frame = frame_of(ctx);
	accounts = count_received(&frame);
	if (!accounts)
		return XDP_ABORTED;
	judgement.outcome = judge(&frame, &judgement);
	count_outcome(accounts, &frame, &judgement);
	done++;
	return verdict(&judgement);
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
	return bpf_redirect_map(&wire, 0, XDP_DROP);
}

/* What a mirror wraps its packets in, where nothing is between: no VLAN tag, no IP option. */
struct plain_wrapping {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct udphdr udp;
	struct vxlan_header vxlan;
} __attribute__((packed));

/*
 * The least that takes a wrapping off: it knows where the inner frame begins, looks
 * for the port, the VNI and the inner addresses, and decides and counts nothing.
 */
SEC("xdp.frags")
int redirect_stripped(struct xdp_md *ctx)
{
	const struct {
		struct plain_wrapping wrapping;
		struct inner_headers inner;
	} __attribute__((packed)) *headers = (void *)(long)ctx->data;

	if ((void *)(headers + 1) > (void *)(long)ctx->data_end || port_kind(headers->wrapping.udp.dest) != PORT_VXLAN)
		return XDP_ABORTED;
	asm volatile("" : : "r"(headers->wrapping.vxlan.vni), "r"(headers->inner.ip.saddr), "r"(headers->inner.ip.daddr));
	if (bpf_xdp_adjust_head(ctx, sizeof(headers->wrapping)))
		return XDP_ABORTED;
	done++;
	return bpf_redirect_map(&wire, 0, XDP_DROP);
}

/* Hands the host inner frames without their wrapping, for filters that work there. */
SEC("xdp.frags")
int pass_drawn(struct xdp_md *ctx)
{
	if (!draw(ctx, 0))
		return XDP_ABORTED;
	done++;
	return XDP_PASS;
}
