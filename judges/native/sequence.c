/* The reader of the format that sequence.h describes. */
#include "sequence.h"

#include <string.h>

#include <linux/if_ether.h>

/* Takes `size` bytes; what the input does not hold of them is zero. */
static void take(struct sequence *sequence, void *to, size_t size)
{
	size_t left = sequence->end - sequence->next;

	memset(to, 0, size);
	if (size > left)
		size = left;
	memcpy(to, sequence->next, size);
	sequence->next += size;
}

static __u32 at_most(__u32 value, size_t limit)
{
	return value < limit ? value : limit;
}

void sequence_open(struct sequence *sequence, const void *data, size_t size)
{
	struct config *config = &sequence->config;

	sequence->next = data;
	sequence->end = sequence->next + size;
	take(sequence, config, sizeof(*config));
	if (config->snap_length < ETH_HLEN || config->snap_length > LIMIT_SNAP_LENGTH)
		config->snap_length = LIMIT_SNAP_LENGTH;
}

bool sequence_next(struct sequence *sequence, struct frame_input *frame)
{
	struct frame_header header;

	if (sequence->next == sequence->end)
		return false;
	take(sequence, &header, sizeof(header));
	frame->bytes = sequence->next;
	frame->length = at_most(header.length, at_most(FRAME_MAX, sequence->end - sequence->next));
	frame->linear = at_most(header.linear, frame->length);
	frame->policy = header.policy;
	frame->fault = header.fault < FAULT_MAX ? (enum fault)header.fault : FAULT_NONE;
	sequence->next += frame->length;
	return true;
}
