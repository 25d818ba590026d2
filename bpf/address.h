/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IP addresses, all as IPv6 ones: IPv4 is ::ffff:a.b.c.d. In halves, since a CPU
 * that reads at once what it has just written in parts waits for all of the parts.
 */
#pragma once

#include <stdbool.h>

#include <linux/in6.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>

/* As it stands in a packet. */
struct address {
	__be64 halves[2];
};

static __always_inline struct address address_of_ipv4(__be32 ipv4)
{
	return (struct address){ .halves = { 0, bpf_cpu_to_be64(0xffffULL << 32 | bpf_ntohl(ipv4)) } };
}

static __always_inline struct address address_of_ipv6(const struct in6_addr *ipv6)
{
	struct address address;

	__builtin_memcpy(&address, ipv6, sizeof(address));
	return address;
}

/* As session keys have it. */
static __always_inline struct address address_of_words(const __be32 words[4])
{
	struct address address;

	__builtin_memcpy(&address, words, sizeof(address));
	return address;
}

static __always_inline bool is_same_address(struct address a, struct address b)
{
	return !((a.halves[0] ^ b.halves[0]) | (a.halves[1] ^ b.halves[1]));
}
