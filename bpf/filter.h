/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The session's filter: numbered rules, the first that matches decides. Not by
 * going through them: each field's value belongs to a class, a class is a set of
 * rules, and the first rule that is in the sets of all five fields is the one. So
 * a thousand rules cost hardly more than one, and none is slower to reach.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "headers.h"
#include "maps.h"
#include "policy.h"

#define FIELDS 5

/* Of struct class: numbers of 64 bits that say which words have a bit, and those words. */
#define GROUPS_MAX 3
#define WORDS_MAX (LIMIT_RULES / 64)

/* One field's class, and the region that it is in. */
struct found {
	struct region_lines *region;
	struct class *class;
};

/* No rule; rules are counted from 0. */
#define NO_RULE 0xffffffff

/* Ones in a word, added up in parallel: BPF has no instruction for it. */
static __always_inline __u32 ones(__u64 word)
{
	word -= word >> 1 & 0x5555555555555555;
	word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return word * 0x0101010101010101 >> 56;
}

/* Which bit is the lowest that is set. */
static __always_inline __u32 lowest(__u64 word)
{
	return ones(~word & (word - 1));
}

/* The class of a value of a field; of the packets that do not have it, if it is not `present`. */
static __always_inline bool find_field(void *policy, const struct field *field, bool present, __u32 root, __u64 high,
				       __u64 low, struct found *out)
{
	__u32 line = field->none;

	out->region = region_at(policy, field->region);
	if (!out->region)
		return false;
	if (present)
		line = find_class(out->region, root, high, low);
	out->class = line_at(out->region, line);
	return true;
}

static __always_inline bool find_address(void *policy, const struct field *field, const struct headers *headers,
					 const __u64 address[2], struct found *out)
{
	__u8 family = headers->family & ~FAMILY_TAGGED;

	if (family >= FAMILY_IPV6)
		return find_field(policy, field, true, field->root_ipv6, address[0], address[1], out);
	return find_field(policy, field, headers->has_addresses, field->root, address[1] << 32, 0, out);
}

static __always_inline bool find_fields(void *policy, const struct filter *filter, const struct headers *headers,
					struct found found[FIELDS])
{
	__u64 kind = (__u64)headers->family << 60 | (__u64)headers->protocol << 52;
	__u64 source_port = (__u64)headers->source_port << 48;
	__u64 destination_port = (__u64)headers->destination_port << 48;

	return find_field(policy, &filter->kind, true, filter->kind.root, kind, 0, &found[0]) &&
	       find_address(policy, &filter->source, headers, headers->source, &found[1]) &&
	       find_address(policy, &filter->destination, headers, headers->destination, &found[2]) &&
	       find_field(policy, &filter->source_port, headers->has_ports, filter->source_port.root, source_port, 0,
			  &found[3]) &&
	       find_field(policy, &filter->destination_port, headers->has_ports, filter->destination_port.root,
			  destination_port, 0, &found[4]);
}

/* Where the search for the first common rule has come to. */
struct search {
	struct found found[FIELDS];
	__u64 candidates; /* words of this group in which all fields have some rule: not yet looked at */
	__u32 group;
	__u32 rule;
};

/* The words of all fields at `word`, which says which of the rules 64 word to 64 word + 63 match. */
static __always_inline __u64 common_rules(const struct found found[FIELDS], __u32 word)
{
	__u64 common = ~0ULL;

	if (word >= WORDS_MAX)
		return 0;
	for (int i = 0; i < FIELDS; i++) {
		const struct line *chunk = line_at(found[i].region, found[i].class->chunks[word / 8]);

		common &= chunk->words[word % 8];
	}
	return common;
}

static __always_inline __u64 common_groups(const struct found found[FIELDS], __u32 group)
{
	__u64 common = ~0ULL;

	for (int i = 0; i < FIELDS; i++)
		common &= found[i].class->groups[group];
	return common;
}

/* Looks at the next candidate; 1 ends the search. That all fields have rules in a word need not mean the same ones. */
static long try_candidate(__u32 step, struct search *search)
{
	__u64 rules;
	__u32 word;

	if (!search->candidates) {
		__u32 group = search->group + 1;

		if (group >= GROUPS_MAX)
			return 1;
		search->group = group;
		search->candidates = common_groups(search->found, group);
		return 0;
	}
	word = search->group * 64 + lowest(search->candidates);
	rules = common_rules(search->found, word);
	if (rules) {
		search->rule = word * 64 + lowest(rules);
		return 1;
	}
	search->candidates &= search->candidates - 1;
	return 0;
}

static __always_inline bool is_accepted(void *policy, const struct filter *filter, __u32 rule)
{
	__u32 place = filter->accepts + rule / 512;
	struct region_lines *region = region_at(policy, place >> 16);
	struct line *line;

	if (!region)
		return false;
	line = line_at(region, place);
	return line->words[rule / 64 % 8] >> (rule % 64) & 1;
}

/* The rule of one direction that takes the packet, or NO_RULE. `place` is of the direction's struct filter. */
static __noinline __u32 match_direction(void *policy, __u32 place, const struct headers *headers)
{
	struct search search = { .rule = NO_RULE };
	struct region_lines *region;
	const struct filter *filter;

	if (!place)
		return NO_RULE;
	region = region_at(policy, place >> 16);
	if (!region)
		return NO_RULE;
	/* Two lines, so never the last one: the verifier sees it by the even number. */
	filter = line_at(region, place & ~1U);
	if (!find_fields(policy, filter, headers, search.found))
		return NO_RULE;
	search.candidates = common_groups(search.found, 0);
	/* A helper, so that the verifier proves one step and not every number of them. */
	bpf_loop(WORDS_MAX + GROUPS_MAX, try_candidate, &search, 0);
	return search.rule != NO_RULE && is_accepted(policy, filter, search.rule) ? search.rule : NO_RULE;
}

/*
 * Fills rule. A packet whose direction nobody knows is taken if either
 * direction's rules take it.
 */
static __always_inline enum outcome filter(void *policy, const struct session_policy *wanted,
					   const struct headers *headers, struct packet *packet)
{
	__u32 rule = NO_RULE;

	if (!wanted->has_filter || !headers)
		return OUTCOME_MAX;
	if (packet->direction != DIRECTION_EGRESS)
		rule = match_direction(policy, wanted->ingress, headers);
	if (rule == NO_RULE && packet->direction != DIRECTION_INGRESS) {
		rule = match_direction(policy, wanted->egress, headers);
		if (rule != NO_RULE)
			rule += wanted->ingress_rules;
	}
	if (rule == NO_RULE)
		return OUTCOME_FILTERED;
	packet->rule = rule + 1;
	return OUTCOME_MAX;
}
