/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who mirrored a packet, and what the policy wants of that session. */
#pragma once

#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "address.h"
#include "hash.h"
#include "maps.h"
#include "resolve.h"

static __always_inline struct session *session_of(__u32 account)
{
	return bpf_map_lookup_elem(&sessions, &account);
}

/*
 * Gives a session that is met for the first time an account; NULL once there
 * are none left. Two CPUs may do so at once: the first entry stands, and the
 * other's account stays unused.
 */
static __noinline struct session *open_session(const struct session_key *key)
{
	__u32 zero = 0, account, *first;
	__u32 *given = bpf_map_lookup_elem(&accounts_given, &zero);
	struct session *session;

	if (!given || *given >= LIMIT_SESSIONS - 1)
		return NULL;
	account = __sync_fetch_and_add(given, 1) + 1;
	session = session_of(account);
	if (!session)
		return NULL;
	session->key = *key;
	session->account = account;
	if (!bpf_map_update_elem(&session_accounts, key, &account, BPF_NOEXIST))
		return session;
	first = bpf_map_lookup_elem(&session_accounts, key);
	return first ? session_of(*first) : NULL;
}

/* Where a CPU keeps the account of the last session with the hash of `key`. */
static __always_inline __u16 *cell_of(struct recent *cells, const struct session_key *key)
{
	struct address source = address_of_words(key->source);
	__u64 hash = mix(source.halves[0] ^ key->vni, source.halves[1]);

	return &cells->accounts[hash % LIMIT_RECENT];
}

static __always_inline bool is_of(const struct session *session, const struct session_key *key)
{
	return session->key.vni == key->vni &&
	       is_same_address(address_of_words(session->key.source), address_of_words(key->source));
}

/* The session of `key`, or NULL if it has none of its own. Most are where the CPU found them the last time. */
static __always_inline struct session *known_session(const struct session_key *key)
{
	__u32 zero = 0, *account;
	struct recent *cells = bpf_map_lookup_elem(&recent, &zero);
	struct session *session;
	__u16 *cell;

	if (!cells)
		return NULL;
	cell = cell_of(cells, key);
	session = session_of(*cell);
	if (session && session->account && is_of(session, key))
		return session;
	account = bpf_map_lookup_elem(&session_accounts, key);
	if (!account)
		return NULL;
	*cell = *account;
	return session_of(*account);
}

/*
 * Finds the session of `key` and the place of its policy, which it remembers for
 * as long as the policy stays. `*session` is NULL for those that came after the
 * table was full.
 */
static __always_inline enum outcome find_session(struct region_lines *region, const struct session_key *key,
						 struct session **session, __u32 *place)
{
	const struct policy_head *head = line_at(region, REGION_HEAD_LINE);
	struct session *known = known_session(key);
	__u64 resolved = known ? known->resolved : 0;

	*session = known;
	if (resolved >> 32 == head->generation) {
		*place = resolved;
		return OUTCOME_MAX;
	}
	*place = resolve(region, key);
	if (*place == RESOLVED_DENIED)
		return OUTCOME_DENIED_SOURCE;
	if (*place == RESOLVED_UNKNOWN)
		return OUTCOME_UNKNOWN_SESSION;
	if (!known)
		known = open_session(key);
	if (known)
		known->resolved = (__u64)head->generation << 32 | *place;
	*session = known;
	return OUTCOME_MAX;
}
