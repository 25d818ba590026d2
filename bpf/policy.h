/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How the program reads a policy (see enum region in abi.h), and the search for
 * the class of a value: a trie whose tables look at the more bits the more ways
 * there are to go, and at as many as differ where there is but one. So its depth
 * hardly depends on the number of rules.
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

/* The first of several lines, whose number is a multiple of `lines` (a constant power of two). */
static __always_inline void *lines_at(struct region_lines *region, __u32 place, __u32 lines)
{
	asm volatile("" : "+r"(place));
	return &region->lines[place & (REGION_LINES - lines)];
}

static __always_inline struct value next_bits(struct value value, __u32 bits)
{
	bits &= 63;
	return (struct value){
		.high = value.high << bits | value.low >> 1 >> (63 - bits),
		.low = value.low << bits,
	};
}

/* An entry's kind is in its upper 3 bits. */
#define ENTRY_SHIFT 29

/* The entry by the next `bits` (a constant) bits of a table, which begins at a line that is a multiple of its size. */
static __always_inline __u32 table_entry(struct region_lines *region, __u32 table, struct value *value, __u32 bits)
{
	const __u32 *entries = lines_at(region, table, 1 << bits >> 4);
	__u32 entry = entries[value->high >> (64 - bits)];

	*value = next_bits(*value, bits);
	return entry;
}

static __always_inline __u32 skip_entry(const struct skip *skip, struct value *value)
{
	if ((value->high ^ skip->value) & skip->mask)
		return skip->miss;
	*value = next_bits(*value, skip->bits);
	return skip->match;
}

/*
 * Returns the line of the class that the search for `high` and `low` ends at,
 * beginning at `entry`. A function that the verifier proves once, for any region.
 */
__noinline __u32 find_class(struct region_lines *region, __u32 entry, __u64 high, __u64 low)
{
	struct value value = { high, low };
	const struct class *class;

	if (!region)
		return 0;
	for (int i = 0; i < STEPS_MAX; i++) {
		__u32 kind = entry >> ENTRY_SHIFT;

		if (kind == ENTRY_CLASS)
			break;
		if (kind == ENTRY_SKIP)
			entry = skip_entry(line_at(region, entry), &value);
		else if (kind == ENTRY_TABLE_16)
			entry = table_entry(region, entry, &value, 4);
		else if (kind == ENTRY_TABLE_256)
			entry = table_entry(region, entry, &value, 8);
		else
			entry = table_entry(region, entry, &value, 12);
	}
	class = line_at(region, entry);
	return ((value.high ^ class->value) & class->mask ? class->miss : entry) % REGION_LINES;
}
