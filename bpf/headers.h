/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What filters and flows look at of an inner frame: read only where a session's policy asks for it. */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "address.h"
#include "ethernet.h"
#include "frame.h"
#include "ip.h"
#include "transport.h"

/* Addresses are two numbers, the first 64 bits and the last; IPv4 is ::ffff:a.b.c.d. */
struct headers {
	__u64 source[2];
	__u64 destination[2];
	__u64 source_mac;       /* its first octet the lowest; 0 of a bare payload */
	__u64 destination_mac;
	__u32 end;              /* offset in the frame where the headers end; 0: the whole frame is headers */
	__u32 fragment_id;
	__u16 source_port;
	__u16 destination_port;
	__u8 family;            /* enum family */
	__u8 protocol;
	__u8 fragment;          /* enum fragment; FRAGMENT_NONE if it is atomic */
	__u8 has_addresses;     /* 1 */
	__u8 has_ports;         /* 1 */
	__u8 is_ip;             /* 1: IPv4 or IPv6 */
	__u8 _pad[6];
};

/*
 * Where the headers of the packet that a CPU is judging are kept: the stack, of
 * 512 bytes for all functions together, has no room for them. Key: 0. Written and
 * read by the program alone.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct headers);
} scratch SEC(".maps");

/* Empty headers to be filled. */
static __always_inline struct headers *new_headers(void)
{
	__u32 zero = 0;
	struct headers *headers = bpf_map_lookup_elem(&scratch, &zero);

	if (headers)
		__builtin_memset(headers, 0, sizeof(*headers));
	return headers;
}

static __always_inline __u64 mapped(__be32 ipv4)
{
	return 0xffffULL << 32 | bpf_ntohl(ipv4);
}

static __always_inline void read_ethernet_headers(const struct ethernet *ethernet, __u32 first, struct headers *out)
{
	out->source_mac = ethernet->source;
	out->destination_mac = ethernet->destination;
	out->family = ethernet->payload != first ? FAMILY_OTHER | FAMILY_TAGGED : FAMILY_OTHER;
	out->end = ethernet->payload;
}

static __always_inline void set_halves(__u64 out[2], struct address address)
{
	out[0] = bpf_be64_to_cpu(address.halves[0]);
	out[1] = bpf_be64_to_cpu(address.halves[1]);
}

/* The family, tagged as it was. */
static __always_inline void set_family(struct headers *out, enum family family)
{
	out->family = (out->family & FAMILY_TAGGED) | family;
}

/* ARP's and RARP's two ends (RFC 826), whatever the packet says of their lengths: as tcpdump reads them. */
static __always_inline void read_arp_headers(const struct frame *frame, const struct ethernet *ethernet,
					     struct headers *out)
{
	const struct {
		__u8 before[12];
		__be16 middle;
		__be32 source __attribute__((packed));
		__u8 between[6];
		__be32 destination __attribute__((packed));
	} __attribute__((packed)) *arp;
	__u8 room[sizeof(*arp)] FRAME_ROOM;

	if (ethernet->type == bpf_htons(ETH_P_ARP))
		set_family(out, FAMILY_ARP);
	else if (ethernet->type == bpf_htons(ETH_P_RARP))
		set_family(out, FAMILY_RARP);
	else
		return;
	out->end = 0;
	arp = frame_at(frame, ethernet->payload, room, sizeof(room));
	if (!arp)
		return;
	out->has_addresses = 1;
	out->source[1] = mapped(arp->source);
	out->destination[1] = mapped(arp->destination);
}

/*
 * The transport header at `offset` in a frame of `length` bytes, which only what is
 * no later fragment has. A function that the verifier proves once.
 */
__noinline int read_transport(struct xdp_md *ctx, __u32 length, __u32 offset, struct headers *out)
{
	struct frame frame = { .ctx = ctx, .length = length };
	const struct ports *ports;
	struct ports room FRAME_ROOM;

	if (!out)
		return 0;
	out->is_ip = 1;
	out->has_addresses = 1;
	out->end = offset;
	if (out->fragment == FRAGMENT_LATER)
		return 0;
	out->end += transport_length(&frame, offset, out->protocol);
	if (!has_ports(out->protocol))
		return 0;
	ports = frame_at(&frame, offset, &room, sizeof(room));
	if (!ports)
		return 0;
	out->has_ports = 1;
	out->source_port = bpf_ntohs(ports->source);
	out->destination_port = bpf_ntohs(ports->destination);
	return 0;
}

static __always_inline void read_ipv4_headers(const struct frame *frame, __u32 offset, const struct iphdr *ip,
					      struct headers *out)
{
	set_family(out, FAMILY_IPV4);
	out->protocol = ip->protocol;
	out->source[1] = mapped(ip->saddr);
	out->destination[1] = mapped(ip->daddr);
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET))
		out->fragment = FRAGMENT_LATER;
	else if (ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS))
		out->fragment = FRAGMENT_FIRST;
	if (out->fragment != FRAGMENT_NONE)
		out->fragment_id = bpf_ntohs(ip->id);
	read_transport(frame->ctx, frame->length, offset + ip->ihl * 4, out);
}

static __always_inline void read_ipv6_headers(const struct frame *frame, __u32 offset, const struct ipv6hdr *ip,
					      struct headers *out)
{
	struct chain chain = {};

	walk_extensions(frame->ctx, frame->length, ip->nexthdr, offset + sizeof(*ip), &chain);
	if (!chain.walked)
		set_family(out, FAMILY_IPV6);
	else if (chain.walked == 1 && chain.last == IPV6_FRAGMENT)
		set_family(out, FAMILY_IPV6_FRAGMENT);
	else
		set_family(out, FAMILY_IPV6_EXTENSIONS);
	out->protocol = chain.next;
	set_halves(out->source, address_of_ipv6(&ip->saddr));
	set_halves(out->destination, address_of_ipv6(&ip->daddr));
	if (chain.fragment != FRAGMENT_NONE && !chain.is_atomic) {
		out->fragment = chain.fragment;
		out->fragment_id = bpf_ntohl(chain.id);
	}
	read_transport(frame->ctx, frame->length, chain.end, out);
}
