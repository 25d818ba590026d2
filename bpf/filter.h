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
#define WORDS_MAX (LIMIT_RULES / 64)

/* One field's class: a line of a region, or ANY_LINE. */
struct found {
	struct region_lines *region;
	__u32 line;
};

/* All ones, or none: without a branch, since the CPU could only guess which way random packets go. */
static __always_inline __u64 ones_if_equal(__u32 a, __u32 b)
{
	return -(((__u64)(a ^ b) - 1) >> 63);
}

static __always_inline const struct class *class_of(const struct found *found)
{
	return line_at(found->region, found->line);
}

/* No line of a region: all rules match whatever is in the field. */
#define ANY_LINE 0xffffffff

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

/* What is read of a policy: fields are mostly in one region, which need not be looked up for each. */
struct reach {
	void *policy;
	struct region_lines *region;
	__u32 number;
};

static __always_inline struct region_lines *reach_region(struct reach *reach, __u32 number)
{
	if (number != reach->number) {
		reach->region = region_at(reach->policy, number);
		reach->number = number;
	}
	return reach->region;
}

/*
 * The class of a value of a field; of the packets that do not have it, if it is
 * not `present`. False if no rule matches it.
 */
static __always_inline bool find_field(struct reach *reach, const struct field *field, bool present, __u32 root,
				       __u64 high, __u64 low, struct found *out)
{
	const struct class *class;

	out->region = reach->region;
	out->line = ANY_LINE;
	if (field->region == REGION_NONE)
		return true;
	out->region = reach_region(reach, field->region);
	if (!out->region)
		return false;
	out->line = present ? find_class(out->region, root, high, low) : field->none;
	class = class_of(out);
	return class->chunks || class->words[0];
}

static __always_inline bool find_address(struct reach *reach, const struct field *field, const struct headers *headers,
					 const __u64 address[2], struct found *out)
{
	__u8 family = headers->family & ~FAMILY_TAGGED;

	if (family >= FAMILY_IPV6)
		return find_field(reach, field, true, field->root_ipv6, address[0], address[1], out);
	return find_field(reach, field, headers->has_addresses, field->root, address[1] << 32, 0, out);
}

static __always_inline bool find_port(struct reach *reach, const struct field *field, const struct headers *headers,
				      __u16 port, struct found *out)
{
	return find_field(reach, field, headers->has_ports, field->root, (__u64)port << 48, 0, out);
}

static __always_inline bool find_fields(struct reach *reach, const struct filter *filter, const struct headers *headers,
					struct found found[FIELDS])
{
	__u64 kind = (__u64)headers->family << 60 | (__u64)headers->protocol << 52;

	return find_address(reach, &filter->source, headers, headers->source, &found[0]) &&
	       find_address(reach, &filter->destination, headers, headers->destination, &found[1]) &&
	       find_port(reach, &filter->destination_port, headers, headers->destination_port, &found[2]) &&
	       find_port(reach, &filter->source_port, headers, headers->source_port, &found[3]) &&
	       find_field(reach, &filter->kind, true, filter->kind.root, kind, 0, &found[4]);
}

/* Where the search for the first common rule of dense classes has come to. */
struct search {
	struct found found[FIELDS];
	__u64 candidates; /* words of this group in which all fields have some rule: not yet looked at */
	__u32 group;
	__u32 rule;
};

/* One word of the class at `line`. A function that the verifier proves once. */
__noinline __u64 rules_in(struct region_lines *region, __u32 line, __u32 word)
{
	const struct chunks *chunks;
	const struct class *class;
	const struct line *chunk;
	__u64 rules = 0;

	if (!region)
		return 0;
	if (line == ANY_LINE)
		return ~0ULL;
	class = line_at(region, line);
	if (!class->chunks) {
		for (int i = 0; i < CLASS_WORDS; i++)
			rules |= class->words[i] & ones_if_equal(class->index[i], word);
		return rules;
	}
	if (word >= WORDS_MAX)
		return 0;
	/* Else clang divides before the check, and the verifier forgets it. */
	asm volatile("" : "+r"(word));
	chunks = line_at(region, class->chunks);
	chunk = line_at(region, chunks->lines[word / 8]);
	return chunk->words[word % 8];
}

/* Which of the rules 64 word to 64 word + 63 match in all fields. */
static __always_inline __u64 common_rules(const struct found found[FIELDS], __u32 word)
{
	__u64 common = ~0ULL;

	for (int i = 0; i < FIELDS; i++)
		common &= rules_in(found[i].region, found[i].line, word);
	return common;
}

static __always_inline __u64 common_groups(const struct found found[FIELDS], __u32 group)
{
	__u64 common = ~0ULL;

	for (int i = 0; i < FIELDS; i++) {
		if (found[i].line != ANY_LINE)
			common &= class_of(&found[i])->words[group];
	}
	return common;
}

/* Looks at the next candidate; 1 ends the search. That all fields have rules in a word need not mean the same ones. */
static long try_candidate(__u32 step, struct search *search)
{
	__u64 rules;
	__u32 word;

	if (!search->candidates) {
		__u32 group = search->group + 1;

		if (group >= CLASS_GROUPS)
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

/* The first common rule, where all classes are dense. A helper goes through the words, so that the verifier need not. */
static __always_inline __u32 first_of_dense(struct search *search)
{
	search->candidates = common_groups(search->found, 0);
	bpf_loop(WORDS_MAX + CLASS_GROUPS, try_candidate, search, 0);
	return search->rule;
}

/* The first common rule, where `sparse` is one of the classes: it must be in one of its few words. */
static __always_inline __u32 first_of_sparse(const struct found found[FIELDS], const struct class *sparse)
{
	for (int i = 0; i < CLASS_WORDS; i++) {
		__u32 word = sparse->index[i];
		__u64 rules = sparse->words[i] ? common_rules(found, word) : 0;

		if (rules)
			return word * 64 + lowest(rules);
	}
	return NO_RULE;
}

/* The first rule that all fields match, or NO_RULE. */
static __always_inline __u32 first_match(struct search *search)
{
	const struct class *sparse = NULL;

	for (int i = 0; i < FIELDS && !sparse; i++) {
		const struct class *class;

		if (search->found[i].line == ANY_LINE)
			continue;
		class = class_of(&search->found[i]);
		if (!class->chunks)
			sparse = class;
	}
	return sparse ? first_of_sparse(search->found, sparse) : first_of_dense(search);
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
	struct reach reach = { .policy = policy, .number = place >> 16 };
	struct search search = { .rule = NO_RULE };
	const struct filter *filter;
	__u32 rule;

	if (!place)
		return NO_RULE;
	reach.region = region_at(policy, reach.number);
	if (!reach.region)
		return NO_RULE;
	filter = lines_at(reach.region, place, 2);
	if (!find_fields(&reach, filter, headers, search.found))
		return NO_RULE;
	rule = first_match(&search);
	return rule != NO_RULE && is_accepted(policy, filter, rule) ? rule : NO_RULE;
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
