/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who mirrored a packet, and whether anybody wants that. */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "config.h"
#include "maps.h"

/*
 * Gives a session that is met for the first time an account; NULL once there
 * are none left. Two CPUs may do so at once: the first entry stands, and the
 * other's account stays unused.
 */
static __always_inline struct session *open_session(const struct session_key *key)
{
	struct session session = {};
	__u32 zero = 0, account;
	__u32 *given = bpf_map_lookup_elem(&accounts_given, &zero);

	if (!given || *given >= LIMIT_SESSIONS - 1)
		return NULL;
	account = __sync_fetch_and_add(given, 1) + 1;
	if (account >= LIMIT_SESSIONS)
		return NULL;
	session.account = account;
	bpf_map_update_elem(&sessions, key, &session, BPF_NOEXIST);
	return bpf_map_lookup_elem(&sessions, key);
}

/* Finds the session of `key`: NULL for those that came after the table was full. */
static __always_inline struct session *find_session(const struct session_key *key)
{
	struct session *session = bpf_map_lookup_elem(&sessions, key);

	return session ?: open_session(key);
}

static __always_inline enum outcome wanted(const struct session_key *key)
{
	if (cfg.only_wanted_vnis && !bpf_map_lookup_elem(&wanted_vnis, &key->vni))
		return OUTCOME_UNKNOWN_SESSION;
	return OUTCOME_MAX;
}
