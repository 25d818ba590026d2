/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the inner frame says of itself: how long it was before the mirror
 * session cut it, and which way it went. A frame that says nothing, or
 * nonsense, is carried all the same.
 */
#pragma once

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>

#include "abi.h"
#include "address.h"
#include "ethernet.h"
#include "frame.h"
#include "headers.h"
#include "ip.h"
#include "maps.h"

/* What the inner headers say, as far as they arrived. */
struct inner {
	struct ethernet ethernet;
	__u32 length;          /* bytes of the whole frame, by its IP header; 0: it does not say */
	bool cut;              /* it ends within a header */
	bool has_addresses;
	struct address source;
	struct address destination;
};

static __always_inline void parse_inner_ipv4(const struct frame *frame, __u32 offset, struct inner *out,
					     struct headers *headers)
{
	const struct {
		__u8 version_and_length;
		__u8 tos;
		__be16 total_length;
	} *start;
	const struct iphdr *ip;
	struct iphdr room FRAME_ROOM;
	__u32 header, total;

	out->cut = true;
	start = frame_at(frame, offset, &room, sizeof(*start));
	if (!start)
		return;
	header = (start->version_and_length & 0xf) * 4;
	total = bpf_ntohs(start->total_length);
	if (start->version_and_length >> 4 != 4 || header < sizeof(*ip)) {
		out->cut = false;
		return;
	}
	/* Zero, say, is what an offloading sender leaves to its network card. */
	if (total >= header)
		out->length = offset + total;
	ip = frame_at(frame, offset, &room, sizeof(room));
	if (!ip)
		return;
	out->cut = false;
	out->has_addresses = true;
	out->source = address_of_ipv4(ip->saddr);
	out->destination = address_of_ipv4(ip->daddr);
	if (headers)
		read_ipv4_headers(frame, offset, ip, headers);
}

static __always_inline void parse_inner_ipv6(const struct frame *frame, __u32 offset, struct inner *out,
					     struct headers *headers)
{
	const struct {
		__u8 version_and_class;
		__u8 flow[3];
		__be16 payload_length;
	} *start;
	const struct ipv6hdr *ip;
	struct ipv6hdr room FRAME_ROOM;

	out->cut = true;
	start = frame_at(frame, offset, &room, sizeof(*start));
	if (!start)
		return;
	if (start->version_and_class >> 4 != 6) {
		out->cut = false;
		return;
	}
	/* Zero is a jumbogram's (RFC 2675) or, again, an offloading sender's. */
	if (start->payload_length)
		out->length = offset + sizeof(*ip) + bpf_ntohs(start->payload_length);
	ip = frame_at(frame, offset, &room, sizeof(room));
	if (!ip)
		return;
	out->cut = false;
	out->has_addresses = true;
	out->source = address_of_ipv6(&ip->saddr);
	out->destination = address_of_ipv6(&ip->daddr);
	if (headers)
		read_ipv6_headers(frame, offset, ip, headers);
}

static __always_inline void parse_inner(const struct frame *frame, const struct packet *packet, struct inner *out,
					struct headers *headers)
{
	__u32 first;
	bool whole;

	if (packet->ethertype) {
		out->ethernet.type = bpf_htons(packet->ethertype);
		out->ethernet.payload = packet->offset;
	} else {
		parse_ethernet(frame, packet->offset, &out->ethernet);
	}
	first = out->ethernet.payload;
	whole = skip_tags(frame, LIMIT_INNER_VLANS, &out->ethernet);
	if (headers)
		read_ethernet_headers(&out->ethernet, first, headers);
	if (!whole) {
		out->cut = true;
		return;
	}
	if (out->ethernet.type == bpf_htons(ETH_P_IP))
		parse_inner_ipv4(frame, out->ethernet.payload, out, headers);
	else if (out->ethernet.type == bpf_htons(ETH_P_IPV6))
		parse_inner_ipv6(frame, out->ethernet.payload, out, headers);
	else if (headers)
		read_arp_headers(frame, &out->ethernet, headers);
}

/* The mirrored interface's own address is the outer source. */
static __always_inline enum direction direction_by_address(const struct packet *packet, const struct inner *inner)
{
	struct address mirrored = address_of_words(packet->key.source);

	if (!inner->has_addresses)
		return DIRECTION_UNKNOWN;
	if (is_same_address(inner->source, mirrored))
		return DIRECTION_EGRESS;
	if (is_same_address(inner->destination, mirrored))
		return DIRECTION_INGRESS;
	return DIRECTION_UNKNOWN;
}

static __always_inline enum direction direction_by_mac(__u64 mac, const struct ethernet *ethernet)
{
	bool sent = ethernet->source == mac;
	bool received = ethernet->destination == mac;

	if (!mac || sent == received)
		return DIRECTION_UNKNOWN;
	return sent ? DIRECTION_EGRESS : DIRECTION_INGRESS;
}

/* Keeps the mirrored interface's MAC, for the packets whose addresses tell nothing (secondary IPs, IPv6, ARP). */
static __always_inline void learn_mac(struct session *session, const struct ethernet *ethernet, enum direction direction)
{
	__u64 mac = direction == DIRECTION_EGRESS ? ethernet->source : ethernet->destination;

	if (is_station(mac) && mac != session->mac)
		session->mac = mac;
}

/*
 * Fills length, truncated and direction of `packet`, and `headers` if they are
 * wanted. `mac` is the mirrored interface's, 0 if it is the one learned. All but
 * `packet` may be NULL. A function that the verifier proves once, for any packet.
 */
__noinline int inner(struct xdp_md *ctx, struct session *session, struct packet *packet, struct headers *headers,
		     __u64 mac)
{
	struct frame frame = { .ctx = ctx };
	struct inner inner = {};
	__u32 made_up, end;

	if (!packet)
		return 0;
	made_up = packet->ethertype ? ETH_HLEN : 0;
	end = packet->offset + packet->arrived - made_up;
	frame.length = end;
	parse_inner(&frame, packet, &inner, headers);
	if (headers)
		headers->end = headers->end ? headers->end - packet->offset + made_up : packet->arrived;
	packet->truncated = inner.cut || inner.length > end;
	packet->length = inner.length > end ? inner.length - packet->offset + made_up : packet->arrived;
	packet->direction = direction_by_address(packet, &inner);
	if (made_up)
		return 0;
	if (packet->direction == DIRECTION_UNKNOWN) {
		if (!mac && session)
			mac = session->mac;
		packet->direction = direction_by_mac(mac, &inner.ethernet);
	} else if (session) {
		learn_mac(session, &inner.ethernet, packet->direction);
	}
	return 0;
}
