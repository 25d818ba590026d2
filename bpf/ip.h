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
#include "address.h"
#include "extensions.h"
#include "frame.h"
#include "transport.h"

/* Of the 16 bits that hold an IPv4 fragment's flags and offset (RFC 791). */
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff

/* A UDP datagram in a frame. Offsets are from the frame's first byte. */
struct datagram {
	struct address source;
	__u32 udp;    /* where its UDP header is */
	__u32 ip_end; /* where the IP packet ends, by the IP header */
	__u32 end;    /* where the payload ends, by the UDP header: set by datagram_bounds */
	__be16 port;  /* destination */
	enum fragment fragment;
};

static __always_inline bool parse_ipv4(const struct frame *frame, __u32 offset, struct datagram *out)
{
	const struct iphdr *ip;
	struct iphdr room FRAME_ROOM;
	__u32 header;

	ip = frame_at(frame, offset, &room, sizeof(room));
	if (!ip)
		return false;
	header = ip->ihl * 4;
	if (ip->version != 4 || header < sizeof(*ip) || ip->protocol != IPPROTO_UDP)
		return false;
	out->source = address_of_ipv4(ip->saddr);
	out->udp = offset + header;
	out->ip_end = offset + bpf_ntohs(ip->tot_len);
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET))
		out->fragment = FRAGMENT_LATER;
	else if (ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS))
		out->fragment = FRAGMENT_FIRST;
	return true;
}

static __always_inline bool parse_ipv6(const struct frame *frame, __u32 offset, struct datagram *out)
{
	struct chain chain = {};
	const struct ipv6hdr *ip;
	struct ipv6hdr room FRAME_ROOM;

	ip = frame_at(frame, offset, &room, sizeof(room));
	if (!ip || ip->version != 6)
		return false;
	out->source = address_of_ipv6(&ip->saddr);
	out->ip_end = offset + sizeof(*ip) + bpf_ntohs(ip->payload_len);
	walk_extensions(frame->ctx, frame->length, ip->nexthdr, offset + sizeof(*ip), &chain);
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
	const struct ports *ports;
	struct ports room FRAME_ROOM;

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
	ports = frame_at(&frame, out->udp, &room, sizeof(room));
	if (!ports)
		return false;
	out->port = ports->destination;
	return true;
}

/*
 * Finds where the payload ends, which may be before the frame does (padding,
 * trailers). Any outcome but OUTCOME_MAX says which lengths disagree.
 */
static __always_inline enum outcome datagram_bounds(const struct frame *frame, struct datagram *datagram)
{
	const struct udphdr *udp;
	struct udphdr room FRAME_ROOM;
	__u32 length;

	if (datagram->ip_end > frame->length || datagram->udp + sizeof(room) > datagram->ip_end)
		return OUTCOME_MALFORMED_IP;
	udp = frame_at(frame, datagram->udp, &room, sizeof(room));
	if (!udp)
		return OUTCOME_MALFORMED_IP;
	length = bpf_ntohs(udp->len);
	datagram->end = datagram->udp + length;
	if (length < sizeof(*udp) || datagram->end > datagram->ip_end)
		return OUTCOME_MALFORMED_UDP;
	return OUTCOME_MAX;
}
