/* The reader of the format that sequence.h describes. */
#include "sequence.h"

#include <string.h>

#include <linux/if_ether.h>

#define VNI_MASK 0xffffff

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
	take(sequence, &sequence->count, sizeof(sequence->count));
	sequence->count = at_most(sequence->count, LIMIT_VNIS);
	take(sequence, sequence->vnis, sequence->count * sizeof(sequence->vnis[0]));
	for (__u32 i = 0; i < sequence->count; i++)
		sequence->vnis[i] &= VNI_MASK;
	/* No option of the loader says "of no VNI". */
	config->only_wanted_vnis &= sequence->count > 0;
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
	frame->fault = header.fault < FAULT_MAX ? (enum fault)header.fault : FAULT_NONE;
	sequence->next += frame->length;
	return true;
}
