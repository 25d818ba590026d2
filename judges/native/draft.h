/* A sequence as the mutator edits it: a few frames, each with room to grow. */
#pragma once

#include <stddef.h>

#include "judge.h"

#define DRAFT_ROOM 2048
#define PLAN_FRAMES 8

struct draft {
	__u8 bytes[DRAFT_ROOM];
	__u32 length;
	__u32 linear;
	__u32 policy;
	enum fault fault;
};

struct plan {
	struct config config;
	struct draft frames[PLAN_FRAMES];
	__u32 frame_count;
};

/* Reads a sequence. Frames that a plan has no room for are left out. */
void plan_read(struct plan *plan, const __u8 *data, size_t size);

/* Writes the plan as a sequence, less the frames that do not fit; returns its size. */
size_t plan_write(const struct plan *plan, __u8 *data, size_t room);

/* Puts `size` bytes in at `at`; false, and nothing done, if there is no room. */
bool draft_insert(struct draft *draft, __u32 at, const void *bytes, __u32 size);

void draft_remove(struct draft *draft, __u32 at, __u32 size);

/* Network byte order. The bytes must be the draft's. */
__u16 draft_get16(const struct draft *draft, __u32 at);
void draft_set16(struct draft *draft, __u32 at, __u16 value);
void draft_add16(struct draft *draft, __u32 at, int n);
