/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
//go:build ignore

/*
 * A mirrored packet's way through the kernel: its wrapping is read, its session
 * found, its inner headers looked at, its session's filter and sampling applied,
 * and a copy of the inner frame handed to user space, or the frame itself to a
 * consumer's veth. Each stage is a header; each returns an outcome, or OUTCOME_MAX
 * to let the next one decide. The entry calls them in order and counts the one
 * outcome at the one exit. What is not a mirrored packet of ours leaves as it came.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "frame.h"
#include "outer.h"
#include "session.h"
#include "inner.h"
#include "filter.h"
#include "reduce.h"
#include "deliver.h"
#include "veth.h"
#include "ledger.h"

/* What the session's policy says of a packet whose session is known. */
static __always_inline enum outcome apply(const struct frame *frame, void *policy, const struct policy_head *head,
					  const struct session_policy *wanted, struct session *session,
					  struct judgement *judgement)
{
	struct packet *packet = &judgement->packet;
	struct headers *headers;
	enum outcome outcome;
	__u32 flow = 0;

	judgement->count = account_of(session);
	headers = wanted->reads_headers ? new_headers() : NULL;
	inner(frame->ctx, session, packet, headers, wanted->mac);
	outcome = filter(policy, wanted, headers, packet);
	if (outcome != OUTCOME_MAX)
		return outcome;
	if (wanted->reads_flow && headers)
		flow = flow_of(head->seed, packet->key.vni, headers);
	outcome = sample(wanted, flow, judgement->count);
	if (outcome != OUTCOME_MAX)
		return outcome;
	judgement->loss = deliver(frame, wanted, headers, packet);
	if (wanted->veths)
		judgement->consumed = hand_over(frame->ctx, frame->length, packet, wanted, flow);
	return OUTCOME_DELIVERED;
}

/* The policy is looked up once, so that no frame is judged by half of one and half of the next. */
static __always_inline enum outcome judge(const struct frame *frame, struct judgement *judgement)
{
	struct packet *packet = &judgement->packet;
	enum outcome outcome = outer(frame, packet);
	const struct policy_head *head;
	struct region_lines *region;
	struct session *session;
	__u32 zero = 0, place;
	void *policy;

	if (outcome != OUTCOME_MAX)
		return outcome;
	policy = bpf_map_lookup_elem(&policies, &zero);
	if (!policy)
		return OUTCOME_UNKNOWN_SESSION;
	region = region_at(policy, 0);
	if (!region)
		return OUTCOME_UNKNOWN_SESSION;
	head = line_at(region, REGION_HEAD_LINE);
	judgement->drop_unknown = head->drop_unknown;
	outcome = find_session(region, &packet->key, &session, &place);
	if (outcome != OUTCOME_MAX)
		return outcome;
	return apply(frame, policy, head, line_at(region, place), session, judgement);
}

/* Where most packets have their UDP header, and where the IPv4 addresses of the inner frame end. */
#define OFFSET_UDP 34
#define OFFSET_INNER 83

SEC("xdp.frags")
int xdpeel(struct xdp_md *ctx)
{
	struct frame frame = frame_of(ctx);
	struct judgement judgement = { .loss = RING_LOSS_MAX, .consumed = XDP_DROP };
	struct accounts *accounts;

	frame_fetch(&frame, OFFSET_UDP);
	frame_fetch(&frame, OFFSET_INNER);
	accounts = count_received(&frame);
	if (!accounts)
		return XDP_PASS;
	judgement.outcome = judge(&frame, &judgement);
	count_outcome(accounts, &frame, &judgement);
	return verdict(&judgement);
}

/* What of abi.h no map names: this puts it into the BTF, from which Go learns it. */
struct {
	struct packet packet;
	enum outcome outcome;
	enum ring_loss ring_loss;
	enum veth_loss veth_loss;
	enum sharing sharing;
	enum direction direction;
	enum tunnel tunnel;
	enum limit limit;
	enum room room;
	enum family family;
	enum sampling sampling;
	enum region region;
	enum entry entry;
	struct policy_head policy_head;
	struct session_entry session_entry;
	struct session_policy session_policy;
	struct filter filter;
	struct field field;
	struct skip skip;
	struct class class;
	struct chunks chunks;
	enum class_limit class_limit;
} *const for_btf;

#include "ends.h"
#include "keepmaps.h"

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

/* What compiled the object: `xdpeel version` says it. */
const char compiler[16] = "clang " TEXT(__clang_major__) "." TEXT(__clang_minor__) "." TEXT(__clang_patchlevel__);

char _license[] SEC("license") = "Dual BSD/GPL";
