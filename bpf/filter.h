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
#include "policy.h"
#include "rules.h"

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
