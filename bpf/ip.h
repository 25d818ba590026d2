/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From an EtherType to a UDP payload. Used for the outer headers of a frame and
 * again for the IP packet inside a Gateway Load Balancer's GENEVE.
 */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>

#include "abi.h"
#include "frame.h"

/* Of the 16 bits that hold an IPv4 fragment's flags and offset (RFC 791). */
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff

/* IPv6 extension headers that may precede UDP (RFC 8200). */
#define IPV6_HOP_BY_HOP 0
#define IPV6_ROUTING 43
#define IPV6_FRAGMENT 44
#define IPV6_DESTINATION 60

/* The offset part of an IPv6 fragment header's third and fourth byte (RFC 8200, 4.5). */
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 0x0001

enum fragment {
	FRAGMENT_NONE,
	FRAGMENT_FIRST, /* has the UDP header */
	FRAGMENT_LATER, /* has no ports */
};

/* A UDP datagram in a frame. Offsets are from the frame's first byte. */
struct datagram {
	__be32 source[4]; /* IPv4 as ::ffff:a.b.c.d */
	__u32 udp;        /* where its UDP header is */
	__u32 ip_end;     /* where the IP packet ends, by the IP header */
	__u32 end;        /* where the payload ends, by the UDP header: set by datagram_bounds */
	__be16 port;      /* destination */
	enum fragment fragment;
};

/* Half of an address as a number, big endian. */
static __always_inline __u64 number_of(const __be32 words[2])
{
	return (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]);
}

/* Writes an IPv4 address as ::ffff:a.b.c.d. */
static __always_inline void map_ipv4(__be32 address[4], __be32 ipv4)
{
	address[0] = 0;
	address[1] = 0;
	address[2] = bpf_htonl(0xffff);
	address[3] = ipv4;
}

static __always_inline bool parse_ipv4(const struct frame *frame, __u32 offset, struct datagram *out)
{
	struct iphdr ip;
	__u32 header;

	if (!frame_read(frame, offset, &ip, sizeof(ip)))
		return false;
	header = ip.ihl * 4;
	if (ip.version != 4 || header < sizeof(ip) || ip.protocol != IPPROTO_UDP)
		return false;
	map_ipv4(out->source, ip.saddr);
	out->udp = offset + header;
	out->ip_end = offset + bpf_ntohs(ip.tot_len);
	if (ip.frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET))
		out->fragment = FRAGMENT_LATER;
	else if (ip.frag_off & bpf_htons(IPV4_MORE_FRAGMENTS))
		out->fragment = FRAGMENT_FIRST;
	return true;
}

/* Where a chain of IPv6 headers leads. */
struct chain {
	__u32 end;              /* behind the last extension header that was walked */
	__u32 id;               /* of the last fragment header walked, as read */
	__u8 next;              /* the first header that is no extension header, or that could not be walked */
	__u8 walked;            /* extension headers */
	__u8 last;              /* kind of the last one */
	enum fragment fragment; /* any fragment header, an atomic one too, makes the packet a fragment */
	bool is_atomic;         /* the last one was atomic: the whole datagram */
};

static __always_inline bool is_extension(__u8 header)
{
	return header == IPV6_HOP_BY_HOP || header == IPV6_ROUTING || header == IPV6_FRAGMENT ||
	       header == IPV6_DESTINATION;
}

/*
 * Walks the extension headers from `offset`, at most LIMIT_IPV6_EXTENSIONS, in a
 * frame of `length` bytes. What is behind a later fragment's header is that
 * fragment's payload. A function that the verifier proves once.
 */
__noinline int walk_extensions(struct xdp_md *ctx, __u32 length, __u32 next, __u32 offset, struct chain *out)
{
	struct frame frame = { .ctx = ctx, .length = length };
	struct {
		__u8 next;
		__u8 length; /* in units of 8 bytes, less the first */
		__be16 fragment;
	} extension;

	if (!out)
		return 0;
	out->end = offset;
	out->next = next;
#pragma clang loop unroll(disable)
	for (int i = 0; i < LIMIT_IPV6_EXTENSIONS; i++) {
		if (!is_extension(out->next) || out->fragment == FRAGMENT_LATER ||
		    !frame_read(&frame, out->end, &extension, sizeof(extension)))
			break;
		out->last = out->next;
		out->walked++;
		if (out->next == IPV6_FRAGMENT) {
			out->fragment = extension.fragment & bpf_htons(IPV6_FRAGMENT_OFFSET) ? FRAGMENT_LATER :
											       FRAGMENT_FIRST;
			out->is_atomic = !(extension.fragment & bpf_htons(IPV6_FRAGMENT_OFFSET | IPV6_MORE_FRAGMENTS));
			out->id = 0;
			frame_read(&frame, out->end + 4, &out->id, sizeof(out->id));
			out->end += 8;
		} else {
			out->end += 8 + 8 * extension.length;
		}
		out->next = extension.next;
	}
	return 0;
}

static __always_inline bool parse_ipv6(const struct frame *frame, __u32 offset, struct datagram *out)
{
	struct chain chain = {};
	struct ipv6hdr ip;

	if (!frame_read(frame, offset, &ip, sizeof(ip)) || ip.version != 6)
		return false;
	__builtin_memcpy(out->source, &ip.saddr, sizeof(out->source));
	out->ip_end = offset + sizeof(ip) + bpf_ntohs(ip.payload_len);
	walk_extensions(frame->ctx, frame->length, ip.nexthdr, offset + sizeof(ip), &chain);
	out->udp = chain.end;
	out->fragment = chain.fragment;
	return chain.next == IPPROTO_UDP;
}

/*
 * Finds the UDP datagram of the IP packet at `offset`, in a frame of `length`
 * bytes; false if there is none, or too little of it to know its port. No length
 * has been checked yet. A function that the verifier proves once, and not again
 * for every way to get here; which is why it must ask whether `out` is NULL.
 */
__noinline bool find_datagram(struct xdp_md *ctx, __u32 length, __u32 offset, __u32 ethertype, struct datagram *out)
{
	struct frame frame = { .ctx = ctx, .length = length };
	struct {
		__be16 source;
		__be16 destination;
	} ports;

	if (!out)
		return false;
	out->fragment = FRAGMENT_NONE;
	if (ethertype == ETH_P_IP) {
		if (!parse_ipv4(&frame, offset, out))
			return false;
	} else if (ethertype == ETH_P_IPV6) {
		if (!parse_ipv6(&frame, offset, out))
			return false;
	} else {
		return false;
	}
	if (out->fragment == FRAGMENT_LATER)
		return true;
	if (!frame_read(&frame, out->udp, &ports, sizeof(ports)))
		return false;
	out->port = ports.destination;
	return true;
}

/*
 * Finds where the payload ends, which may be before the frame does (padding,
 * trailers). Any outcome but OUTCOME_MAX says which lengths disagree.
 */
static __always_inline enum outcome datagram_bounds(const struct frame *frame, struct datagram *datagram)
{
	struct udphdr udp;
	__u32 length;

	if (datagram->ip_end > frame->length || datagram->udp + sizeof(udp) > datagram->ip_end ||
	    !frame_read(frame, datagram->udp, &udp, sizeof(udp)))
		return OUTCOME_MALFORMED_IP;
	length = bpf_ntohs(udp.len);
	datagram->end = datagram->udp + length;
	if (length < sizeof(udp) || datagram->end > datagram->ip_end)
		return OUTCOME_MALFORMED_UDP;
	return OUTCOME_MAX;
}
