/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
//go:build ignore

/*
 * A mirrored packet's way through the kernel: its wrapping is read, its session
 * found, its inner headers looked at, and a copy of the inner frame handed to
 * user space. Each stage is a header; each returns an outcome, or OUTCOME_MAX
 * to let the next one decide. The entry calls them in order and counts the one
 * outcome at the one exit. What is not a mirrored packet of ours leaves as it
 * came.
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

static __always_inline enum outcome judge(const struct frame *frame, struct judgement *judgement)
{
	struct packet *packet = &judgement->packet;
	enum outcome outcome = outer(frame, packet);

	if (outcome != OUTCOME_MAX)
		return outcome;
	outcome = wanted(&packet->key);
	if (outcome != OUTCOME_MAX)
		return outcome;
	judgement->session = find_session(&packet->key);
	inner(frame->ctx, judgement->session, packet);
	judgement->loss = deliver(frame, packet);
	return OUTCOME_DELIVERED;
}

SEC("xdp.frags")
int xdpeel(struct xdp_md *ctx)
{
	struct frame frame = frame_of(ctx);
	struct judgement judgement = { .loss = RING_LOSS_MAX };
	struct accounts *accounts = count_received(&frame);

	if (!accounts)
		return XDP_PASS;
	judgement.outcome = judge(&frame, &judgement);
	count_outcome(accounts, &frame, &judgement);
	return verdict(judgement.outcome);
}

/* What of abi.h no map names: this puts it into the BTF, from which Go learns it. */
struct {
	struct packet packet;
	enum outcome outcome;
	enum ring_loss ring_loss;
	enum direction direction;
	enum tunnel tunnel;
	enum limit limit;
	enum room room;
} *const for_btf;

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

/* What compiled the object: `xdpeel version` says it. */
const char compiler[16] = "clang " TEXT(__clang_major__) "." TEXT(__clang_minor__) "." TEXT(__clang_patchlevel__);

char _license[] SEC("license") = "Dual BSD/GPL";
