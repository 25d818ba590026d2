#include "check.h"

#include <string.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>

#include "policies.h"

#define EXPECT(condition)                                                                      \
	do {                                                                                   \
		if (!(condition))                                                              \
			die("%s:%d: does not hold: %s", __FILE_NAME__, __LINE__, #condition); \
	} while (0)

static struct config config;
static struct accounts before;
static __u64 lost; /* packets that a fault kept from the ring */

void check_start(const struct config *of)
{
	config = *of;
	before = *judge_accounts();
	lost = 0;
}

static void check_added(const struct count *old, const struct count *new, __u64 packets, __u32 length)
{
	EXPECT(new->packets == old->packets + packets);
	EXPECT(new->bytes == old->bytes + packets * length);
}

/* Exactly one outcome may have been counted: this one. */
static enum outcome counted_outcome(const struct accounts *now, __u32 length)
{
	int outcome = 0;

	check_added(&before.received, &now->received, 1, length);
	while (outcome < OUTCOME_MAX && now->outcomes[outcome].packets == before.outcomes[outcome].packets)
		outcome++;
	EXPECT(outcome < OUTCOME_MAX);
	for (int i = 0; i < OUTCOME_MAX; i++)
		check_added(&before.outcomes[i], &now->outcomes[i], i == outcome, length);
	return outcome;
}

/* What is lost is lost to the outputs that it was for, once to each. */
static void check_losses(const struct accounts *now, bool delivered, enum fault fault)
{
	enum ring_loss may = RING_LOSS_MAX;

	if (delivered && fault == FAULT_RING_FULL)
		may = RING_LOSS_RING_FULL;
	if (delivered && fault == FAULT_RING_MISSING)
		may = RING_LOSS_RING_MISSING;
	lost += may != RING_LOSS_MAX;
	for (int output = 0; output < LIMIT_OUTPUTS; output++) {
		for (enum ring_loss i = 0; i < RING_LOSS_MAX; i++) {
			__u64 more = now->ring_lost[output][i] - before.ring_lost[output][i];

			EXPECT(more <= (i == may));
		}
	}
}

static void check_record(const struct frame_input *input, const struct packet *packet)
{
	__u32 made_up = packet->ethertype ? ETH_HLEN : 0;

	EXPECT(packet->arrived >= ETH_HLEN + !!made_up);
	EXPECT(packet->offset + packet->arrived - made_up <= input->length);
	EXPECT(packet->length >= packet->arrived);
	EXPECT(packet->truncated || packet->length == packet->arrived);
	EXPECT(packet->truncated <= 1);
	EXPECT(packet->captured >= ETH_HLEN);
	EXPECT(packet->captured <= packet->arrived && packet->captured <= config.snap_length);
	EXPECT(packet->direction <= DIRECTION_EGRESS);
	EXPECT(packet->tunnel <= TUNNEL_GENEVE_VXLAN);
	EXPECT(packet->tunnel != TUNNEL_VXLAN || !packet->endpoint);
	EXPECT(!made_up || packet->tunnel == TUNNEL_GENEVE);
	EXPECT(packet->key.vni >> 24 == 0);
	EXPECT(!packet->_pad);
	EXPECT(!memcmp(packet + 1, input->bytes + packet->offset, packet->captured - made_up));
}

/* What the host does not get to see. */
static bool is_consumed(enum outcome outcome, __u32 policy)
{
	switch (outcome) {
	case OUTCOME_DELIVERED:
	case OUTCOME_DENIED_SOURCE:
	case OUTCOME_FILTERED:
	case OUTCOME_SAMPLED_OUT:
		return true;
	case OUTCOME_UNKNOWN_SESSION:
		return policies_drop_unknown(policy);
	default:
		return false;
	}
}

enum outcome check_run(const struct frame_input *input, const struct run *run)
{
	const struct accounts *now = judge_accounts();
	enum outcome outcome = counted_outcome(now, input->length);
	bool delivered = outcome == OUTCOME_DELIVERED;

	check_losses(now, delivered, input->fault);
	EXPECT(run->verdict == (is_consumed(outcome, input->policy) ? XDP_DROP : XDP_PASS));
	EXPECT(!run->record == !(delivered && input->fault == FAULT_NONE));
	if (run->record)
		check_record(input, run->record);
	before = *now;
	return outcome;
}

static void check_sessions(const struct count outcomes[OUTCOME_MAX])
{
	struct session_count sum = *judge_overflow();
	struct session_state session;

	for (__u32 i = 0; judge_session(i, &session); i++) {
		EXPECT(session.count.truncated <= session.count.packets);
		sum.packets += session.count.packets;
		sum.ring_lost += session.count.ring_lost;
		sum.filtered += session.count.filtered;
		sum.sampled_out += session.count.sampled_out;
	}
	EXPECT(sum.filtered == outcomes[OUTCOME_FILTERED].packets);
	EXPECT(sum.sampled_out == outcomes[OUTCOME_SAMPLED_OUT].packets);
	EXPECT(sum.packets == outcomes[OUTCOME_DELIVERED].packets + sum.filtered + sum.sampled_out);
	EXPECT(sum.ring_lost == lost);
}

void check_end(void)
{
	const struct count *outcomes = judge_accounts()->outcomes;
	struct stranger_state state;
	struct stranger sum = {};

	check_sessions(outcomes);
	for (__u32 i = 0; judge_stranger(i, &state); i++) {
		sum.unknown += state.stranger.unknown;
		sum.denied += state.stranger.denied;
	}
	EXPECT(sum.unknown == outcomes[OUTCOME_UNKNOWN_SESSION].packets);
	EXPECT(sum.denied == outcomes[OUTCOME_DENIED_SOURCE].packets);
}
