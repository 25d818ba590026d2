/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How the program reads a policy (see enum region in abi.h), and the search for
 * the class of a value: a trie that looks at four bits a step, or at more where
 * there is but one way to go. Its depth depends on the field's length and hardly on
 * the number of rules.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "maps.h"

/* Steps to the end of the longest field: 128 bits by at least four. */
#define STEPS_MAX 32

/* A value to look for: its bits from the highest of `high` down, zeros behind. */
struct value {
	__u64 high;
	__u64 low;
};

/* The region of a place, or of a field; NULL if the policy has none such. */
static __always_inline struct region_lines *region_at(void *policy, __u32 region)
{
	return bpf_map_lookup_elem(policy, &region);
}

static __always_inline void *line_at(struct region_lines *region, __u32 place)
{
	/* Clang knows what line find_class returns at most, and would drop the bound; the verifier does not know. */
	asm volatile("" : "+r"(place));
	return &region->lines[place % REGION_LINES];
}

static __always_inline struct value next_bits(struct value value, __u32 bits)
{
	bits &= 63;
	return (struct value){
		.high = value.high << bits | value.low >> 1 >> (63 - bits),
		.low = value.low << bits,
	};
}

/*
 * Returns the line of the class that the search for `high` and `low` ends at,
 * beginning at `entry`. A function that the verifier proves once, for any region.
 */
__noinline __u32 find_class(struct region_lines *region, __u32 entry, __u64 high, __u64 low)
{
	struct value value = { high, low };

	if (!region)
		return 0;
	for (int i = 0; i < STEPS_MAX && entry >> 30 != ENTRY_CLASS; i++) {
		void *line = line_at(region, entry);
		const struct skip *skip = line;

		if (entry >> 30 == ENTRY_TABLE) {
			entry = ((struct table *)line)->entries[value.high >> 60];
			value = next_bits(value, 4);
		} else if ((value.high ^ skip->value) & skip->mask) {
			entry = skip->miss;
		} else {
			entry = skip->match;
			value = next_bits(value, skip->bits);
		}
	}
	return entry % REGION_LINES;
}
