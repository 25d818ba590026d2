#include "check.h"

#include <string.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>

#define EXPECT(condition)                                                                      \
	do {                                                                                   \
		if (!(condition))                                                              \
			die("%s:%d: does not hold: %s", __FILE_NAME__, __LINE__, #condition); \
	} while (0)

static struct config config;
static struct accounts before;

void check_start(const struct config *of)
{
	config = *of;
	before = *judge_accounts();
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

static void check_losses(const struct accounts *now, bool delivered, enum fault fault)
{
	bool full = delivered && fault == FAULT_RING_FULL;
	bool missing = delivered && fault == FAULT_RING_MISSING;

	EXPECT(now->ring_lost[RING_LOSS_RING_FULL] == before.ring_lost[RING_LOSS_RING_FULL] + full);
	EXPECT(now->ring_lost[RING_LOSS_RING_MISSING] == before.ring_lost[RING_LOSS_RING_MISSING] + missing);
	EXPECT(now->ring_lost[RING_LOSS_COPY_FAILED] == before.ring_lost[RING_LOSS_COPY_FAILED]);
}

static void check_record(const struct frame_input *input, const struct packet *packet)
{
	static const __u8 nothing[sizeof(packet->_pad)];
	__u32 made_up = packet->ethertype ? ETH_HLEN : 0;
	__u32 captured = packet->arrived < config.snap_length ? packet->arrived : config.snap_length;

	EXPECT(packet->arrived >= ETH_HLEN + !!made_up);
	EXPECT(packet->offset + packet->arrived - made_up <= input->length);
	EXPECT(packet->length >= packet->arrived);
	EXPECT(packet->truncated || packet->length == packet->arrived);
	EXPECT(packet->truncated <= 1);
	EXPECT(packet->captured == captured);
	EXPECT(packet->direction <= DIRECTION_EGRESS);
	EXPECT(packet->tunnel <= TUNNEL_GENEVE_VXLAN);
	EXPECT(packet->tunnel != TUNNEL_VXLAN || !packet->endpoint);
	EXPECT(!made_up || packet->tunnel == TUNNEL_GENEVE);
	EXPECT(packet->key.vni >> 24 == 0);
	EXPECT(!memcmp(packet->_pad, nothing, sizeof(nothing)));
	EXPECT(!memcmp(packet + 1, input->bytes + packet->offset, captured - made_up));
}

enum outcome check_run(const struct frame_input *input, const struct run *run)
{
	const struct accounts *now = judge_accounts();
	enum outcome outcome = counted_outcome(now, input->length);
	bool delivered = outcome == OUTCOME_DELIVERED;

	check_losses(now, delivered, input->fault);
	EXPECT(run->verdict == (delivered ? XDP_DROP : XDP_PASS));
	EXPECT(!run->record == !(delivered && input->fault == FAULT_NONE));
	if (run->record)
		check_record(input, run->record);
	before = *now;
	return outcome;
}

void check_end(void)
{
	const struct accounts *accounts = judge_accounts();
	struct session_count sum = *judge_overflow();
	struct session_state session;
	__u64 lost = 0;

	for (__u32 i = 0; judge_session(i, &session); i++) {
		EXPECT(session.count.truncated <= session.count.packets);
		sum.packets += session.count.packets;
		sum.ring_lost += session.count.ring_lost;
	}
	for (int i = 0; i < RING_LOSS_MAX; i++)
		lost += accounts->ring_lost[i];
	EXPECT(sum.packets == accounts->outcomes[OUTCOME_DELIVERED].packets);
	EXPECT(sum.ring_lost == lost);
}
