/* Plans and drafts: from and to the bytes of a sequence, and what all edits need. */
#include "draft.h"

#include <string.h>

#include "sequence.h"

void plan_read(struct plan *plan, const __u8 *data, size_t size)
{
	static struct sequence sequence;
	struct frame_input input;

	sequence_open(&sequence, data, size);
	plan->config = sequence.config;
	plan->frame_count = 0;
	while (plan->frame_count < PLAN_FRAMES && sequence_next(&sequence, &input)) {
		struct draft *draft = &plan->frames[plan->frame_count];

		if (input.length > DRAFT_ROOM)
			continue;
		memcpy(draft->bytes, input.bytes, input.length);
		draft->length = input.length;
		draft->linear = input.linear;
		draft->policy = input.policy;
		draft->fault = input.fault;
		plan->frame_count++;
	}
}

size_t plan_write(const struct plan *plan, __u8 *data, size_t room)
{
	size_t size = sizeof(plan->config);

	if (room < size)
		return 0;
	memcpy(data, &plan->config, sizeof(plan->config));
	for (__u32 i = 0; i < plan->frame_count; i++) {
		const struct draft *draft = &plan->frames[i];
		struct frame_header header = { draft->length, draft->linear, draft->fault, draft->policy };

		if (room - size < sizeof(header) + draft->length)
			break;
		memcpy(data + size, &header, sizeof(header));
		memcpy(data + size + sizeof(header), draft->bytes, draft->length);
		size += sizeof(header) + draft->length;
	}
	return size;
}

bool draft_insert(struct draft *draft, __u32 at, const void *bytes, __u32 size)
{
	if (at > draft->length || size > DRAFT_ROOM - draft->length)
		return false;
	memmove(draft->bytes + at + size, draft->bytes + at, draft->length - at);
	memcpy(draft->bytes + at, bytes, size);
	if (draft->linear > at || draft->linear == draft->length)
		draft->linear += size;
	draft->length += size;
	return true;
}

void draft_remove(struct draft *draft, __u32 at, __u32 size)
{
	if (at >= draft->length)
		return;
	if (size > draft->length - at)
		size = draft->length - at;
	memmove(draft->bytes + at, draft->bytes + at + size, draft->length - at - size);
	draft->length -= size;
	if (draft->linear > draft->length)
		draft->linear = draft->length;
}

__u16 draft_get16(const struct draft *draft, __u32 at)
{
	return draft->bytes[at] << 8 | draft->bytes[at + 1];
}

void draft_set16(struct draft *draft, __u32 at, __u16 value)
{
	draft->bytes[at] = value >> 8;
	draft->bytes[at + 1] = value;
}

void draft_add16(struct draft *draft, __u32 at, int n)
{
	draft_set16(draft, at, draft_get16(draft, at) + n);
}
