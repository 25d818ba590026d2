/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is left out of the packets that the filter takes: sampling by packet, or by flow. */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "headers.h"
#include "maps.h"

/* Steps one word into a hash: multiply, and fold the high half back (constants: docs/judgement.md). */
static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

/* The same in both directions, since sum and difference are. */
static __always_inline __u64 mix_pair(__u64 hash, __u64 a, __u64 b)
{
	return mix(mix(hash, a ^ b), a + b);
}

/* The hash of a packet's own headers. What is not IP belongs to the flow of its MAC addresses. */
static __always_inline __u32 hash_headers(__u64 seed, const struct headers *headers)
{
	__u32 ports = headers->source_port + headers->destination_port;
	__u64 hash;

	if (headers->is_ip) {
		hash = mix_pair(seed, headers->source[0], headers->destination[0]);
		hash = mix_pair(hash, headers->source[1], headers->destination[1]);
	} else {
		hash = mix_pair(seed, 0, 0);
		hash = mix_pair(hash, headers->source_mac, headers->destination_mac);
	}
	hash = mix(hash, (__u64)(headers->source_port ^ headers->destination_port) << 32 | ports);
	hash = mix(hash, headers->protocol);
	hash *= 0xd6e8feb86659fd93;
	return hash ^ hash >> 32;
}

/* One of `n` (from 1) places for a flow. Another `purpose` spreads the same flows in another way. */
static __always_inline __u32 place_of_flow(__u32 flow, __u64 purpose, __u32 n)
{
	__u64 hash = mix(purpose, flow) * 0xd6e8feb86659fd93;

	return (__u64)(__u32)(hash ^ hash >> 32) * n >> 32;
}

static __always_inline struct datagram_key datagram_of(__u32 vni, const struct headers *headers)
{
	bool ipv4 = (headers->family & ~FAMILY_TAGGED) == FAMILY_IPV4;

	return (struct datagram_key){
		.source = { headers->source[0], headers->source[1] },
		.destination = { headers->destination[0], headers->destination[1] },
		.id = headers->fragment_id,
		.vni = vni,
		.protocol = ipv4 ? headers->protocol : 0,
		.is_ipv6 = !ipv4,
	};
}

/* A later fragment has no ports: it belongs to the flow of its first fragment, where that was seen. */
static __noinline __u32 flow_of(__u64 seed, __u32 vni, const struct headers *headers)
{
	__u32 hash = hash_headers(seed, headers);
	struct datagram_key key;
	__u32 *first;

	if (headers->fragment == FRAGMENT_NONE)
		return hash;
	key = datagram_of(vni, headers);
	if (headers->fragment == FRAGMENT_FIRST) {
		bpf_map_update_elem(&fragments, &key, &hash, BPF_ANY);
		return hash;
	}
	first = bpf_map_lookup_elem(&fragments, &key);
	return first ? *first : hash;
}

/* `flow` is the packet's flow hash, where the session's policy reads it. */
static __always_inline enum outcome sample(const struct session_policy *wanted, __u32 flow, struct session_count *count)
{
	__u32 one_in = wanted->one_in;

	if (wanted->sampling == SAMPLING_BY_FLOW)
		return (__u64)flow * one_in >> 32 ? OUTCOME_SAMPLED_OUT : OUTCOME_MAX;
	if (wanted->sampling == SAMPLING_BY_PACKET && count && count->candidates++ % one_in)
		return OUTCOME_SAMPLED_OUT;
	return OUTCOME_MAX;
}
