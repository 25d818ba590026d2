/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The hash of flows, a word at a time, and what a flow's hash chooses. */
#pragma once

#include <linux/types.h>

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

/* One of `n` (from 1) places for a flow. Another `purpose` spreads the same flows in another way. */
static __always_inline __u32 place_of_flow(__u32 flow, __u64 purpose, __u32 n)
{
	__u64 hash = mix(purpose, flow) * 0xd6e8feb86659fd93;

	return (__u64)(__u32)(hash ^ hash >> 32) * n >> 32;
}
