/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which policy a session has: read from region 0 of a policy, once for each session and policy. */
#pragma once

#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "address.h"
#include "policy.h"

/* What resolve() returns instead of the place of a policy. */
enum resolved {
	RESOLVED_UNKNOWN = 0,
	RESOLVED_DENIED = 1,
};

/* Halvings of the largest number of sessions. */
#define SEARCH_STEPS 15

/* A session key with its source as two numbers. */
struct wanted {
	__u64 source[2];
	__u32 vni;
};

static __always_inline bool is_ipv4(const __u64 address[2])
{
	return !address[0] && address[1] >> 32 == 0xffff;
}

static __always_inline bool is_after(const struct session_entry *entry, const struct wanted *wanted)
{
	if (entry->vni != wanted->vni)
		return entry->vni > wanted->vni;
	if (entry->source[0] != wanted->source[0])
		return entry->source[0] > wanted->source[0];
	return entry->source[1] > wanted->source[1];
}

/*
 * The place of a session's policy by binary search in region 0, or RESOLVED_UNKNOWN.
 * A function that the verifier proves once.
 */
__noinline __u32 find_policy(struct region_lines *region, const struct wanted *wanted)
{
	const struct session_entry *entry;
	const struct policy_head *head;
	__u32 low = 0, high;

	if (!region || !wanted)
		return RESOLVED_UNKNOWN;
	head = line_at(region, REGION_HEAD_LINE);
	high = head->sessions;

#pragma clang loop unroll(disable)
	for (int i = 0; i < SEARCH_STEPS && low < high; i++) {
		__u32 middle = (low + high) / 2;

		entry = line_at(region, head->first_session + middle / 2);
		entry += middle % 2;
		if (is_after(entry, wanted))
			high = middle;
		else if (entry->vni == wanted->vni && entry->source[0] == wanted->source[0] &&
			 entry->source[1] == wanted->source[1])
			return entry->policy;
		else
			low = middle + 1;
	}
	return RESOLVED_UNKNOWN;
}

static __always_inline bool is_allowed(struct region_lines *region, const struct policy_head *head,
				       const struct wanted *wanted)
{
	const struct class *class;
	__u32 found;

	if (!head->only_allowed)
		return true;
	if (is_ipv4(wanted->source))
		found = find_class(region, head->allowed_ipv4, wanted->source[1] << 32, 0);
	else
		found = find_class(region, head->allowed_ipv6, wanted->source[0], wanted->source[1]);
	class = line_at(region, found);
	return class->words[0]; /* dense or not */
}

/*
 * The place of the policy of `key`, or one of enum resolved, from region 0 of a
 * policy. A function that the verifier proves once.
 */
__noinline __u32 resolve(struct region_lines *region, const struct session_key *key)
{
	const struct policy_head *head;
	struct wanted wanted = {};
	struct address source;
	__u32 policy;

	if (!region || !key)
		return RESOLVED_UNKNOWN;
	head = line_at(region, REGION_HEAD_LINE);
	wanted.vni = key->vni;
	source = address_of_words(key->source);
	wanted.source[0] = bpf_be64_to_cpu(source.halves[0]);
	wanted.source[1] = bpf_be64_to_cpu(source.halves[1]);
	if (!is_allowed(region, head, &wanted))
		return RESOLVED_DENIED;
	policy = find_policy(region, &wanted);
	if (policy != RESOLVED_UNKNOWN)
		return policy;
	wanted.source[0] = 0;
	wanted.source[1] = 0;
	policy = find_policy(region, &wanted);
	return policy != RESOLVED_UNKNOWN ? policy : head->default_policy;
}
