/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is left out of the packets that the filter takes: sampling by packet, or by flow. */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "hash.h"
#include "headers.h"
#include "maps.h"

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

/*
 * The hash of a packet's flow. A later fragment has no ports: it belongs to the flow
 * of its first fragment, where that was seen. A function that the verifier proves once.
 */
__noinline __u32 flow_of(__u64 seed, __u32 vni, const struct headers *headers)
{
	struct datagram_key key;
	__u32 *first, hash;

	if (!headers)
		return 0;
	hash = hash_headers(seed, headers);
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
