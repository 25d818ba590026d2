/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sets of rules, one for each field: which rule is the first that is in all of them. */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
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
