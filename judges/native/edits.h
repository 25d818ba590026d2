/* What the mutator does to a plan. */
#pragma once

#include "draft.h"

struct dice {
	__u64 state;
};

/* A number below n, which is not 0. */
__u32 dice_below(struct dice *dice, __u32 n);

/* Edits one thing: of a frame as a rule, else of the order of frames or of the settings. */
void edit_plan(struct plan *plan, struct dice *dice);

/* Writes lengths that are right into the IP and UDP headers of a frame, all of which end where it does. */
void repair_lengths(struct draft *draft, const struct config *config);

/* An AWS mirrored packet, to begin with. */
void make_draft(struct draft *draft);

/* Supplied by the fuzzer: changes bytes without knowing what they are; returns their number, at most `room`. */
__u32 mutate_bytes(__u8 *bytes, __u32 size, __u32 room);
