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
	enum ring_loss loss;     /* of a delivered packet; RING_LOSS_MAX: none */
	struct session *session; /* NULL: none, or none with an account of its own */
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

static __always_inline void count_session(const struct judgement *judgement)
{
	__u32 account = judgement->session ? judgement->session->account : 0;
	struct session_count *count = bpf_map_lookup_elem(&session_counts, &account);

	if (!count)
		return;
	count->packets++;
	count->bytes += judgement->packet.arrived;
	count->truncated += judgement->packet.truncated;
	count->ring_lost += judgement->loss != RING_LOSS_MAX;
}

static __always_inline void count_outcome(struct accounts *accounts, const struct frame *frame,
					  const struct judgement *judgement)
{
	if (judgement->outcome < OUTCOME_MAX)
		add(&accounts->outcomes[judgement->outcome], frame);
	if (judgement->outcome != OUTCOME_DELIVERED)
		return;
	count_session(judgement);
	if (judgement->loss < RING_LOSS_MAX)
		accounts->ring_lost[judgement->loss]++;
}

/* Nothing but what was delivered is taken from the host. */
static __always_inline int verdict(enum outcome outcome)
{
	return outcome == OUTCOME_DELIVERED ? XDP_DROP : XDP_PASS;
}
