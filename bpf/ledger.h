/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The accounts: what arrived, and what became of it. */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "frame.h"
#include "maps.h"

/* What the stages found out about one frame. */
struct judgement {
	enum outcome outcome;
	enum ring_loss loss;         /* of a delivered packet; RING_LOSS_MAX: none */
	struct session_count *count; /* of the session; NULL until it is found */
	int consumed;                /* verdict on a delivered packet: dropped, or on its way to a veth */
	bool drop_unknown;
	struct packet packet;
};

static __always_inline void add(struct count *count, const struct frame *frame)
{
	count->packets++;
	count->bytes += frame->length;
}

/* Counts a frame as received. The caller passes the ledger on to count_outcome. */
static __always_inline struct accounts *count_received(const struct frame *frame)
{
	__u32 zero = 0;
	struct accounts *accounts = bpf_map_lookup_elem(&ledger, &zero);

	if (accounts)
		add(&accounts->received, frame);
	return accounts;
}

/* The account of a session; one account serves all that have none of their own. */
static __always_inline struct session_count *account_of(const struct session *session)
{
	__u32 account = session ? session->account : 0;

	return bpf_map_lookup_elem(&session_counts, &account);
}

static __always_inline void count_session(const struct judgement *judgement)
{
	struct session_count *count = judgement->count;

	if (!count)
		return;
	count->packets++;
	count->bytes += judgement->packet.arrived;
	count->truncated += judgement->packet.truncated;
	count->last_seen = bpf_ktime_get_coarse_ns();
	count->filtered += judgement->outcome == OUTCOME_FILTERED;
	count->sampled_out += judgement->outcome == OUTCOME_SAMPLED_OUT;
	count->ring_lost += judgement->outcome == OUTCOME_DELIVERED && judgement->loss != RING_LOSS_MAX;
}

/* Remembers who would have to be configured. */
static __noinline void count_stranger(const struct judgement *judgement)
{
	struct stranger stranger = {}, *known = bpf_map_lookup_elem(&strangers, &judgement->packet.key);

	if (!known) {
		bpf_map_update_elem(&strangers, &judgement->packet.key, &stranger, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&strangers, &judgement->packet.key);
	}
	if (!known)
		return;
	if (judgement->outcome == OUTCOME_DENIED_SOURCE)
		__sync_fetch_and_add(&known->denied, 1);
	else
		__sync_fetch_and_add(&known->unknown, 1);
	__sync_fetch_and_add(&known->bytes, judgement->packet.arrived);
	known->last_seen = bpf_ktime_get_coarse_ns();
}

/* The packet is lost to every output that it was for. */
static __always_inline void count_ring_loss(struct accounts *accounts, const struct judgement *judgement)
{
	if (judgement->loss >= RING_LOSS_MAX)
		return;
#pragma clang loop unroll(disable)
	for (int output = 0; output < LIMIT_OUTPUTS; output++)
		accounts->ring_lost[output][judgement->loss] += judgement->packet.outputs >> output & 1;
}

static __always_inline void count_outcome(struct accounts *accounts, const struct frame *frame,
					  const struct judgement *judgement)
{
	if (judgement->outcome < OUTCOME_MAX)
		add(&accounts->outcomes[judgement->outcome], frame);
	switch (judgement->outcome) {
	case OUTCOME_UNKNOWN_SESSION:
	case OUTCOME_DENIED_SOURCE:
		count_stranger(judgement);
		break;
	case OUTCOME_DELIVERED:
		count_ring_loss(accounts, judgement);
		count_session(judgement);
		break;
	case OUTCOME_FILTERED:
	case OUTCOME_SAMPLED_OUT:
		count_session(judgement);
		break;
	default:
		break;
	}
}

/* What the host loses by an outcome. */
static __always_inline int verdict(const struct judgement *judgement)
{
	switch (judgement->outcome) {
	case OUTCOME_DELIVERED:
		return judgement->consumed;
	case OUTCOME_DENIED_SOURCE:
	case OUTCOME_FILTERED:
	case OUTCOME_SAMPLED_OUT:
		return XDP_DROP;
	case OUTCOME_UNKNOWN_SESSION:
		return judgement->drop_unknown ? XDP_DROP : XDP_PASS;
	default:
		return XDP_PASS;
	}
}
