/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two tunnel headers: VXLAN (RFC 7348) and GENEVE (RFC 8926). */
#pragma once

#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>

#include "abi.h"
#include "frame.h"
#include "ip.h"

/* "VNI present"; all other bits are ignored on receipt (RFC 7348, 5). Some clouds set them. */
#define VXLAN_I_FLAG 0x08

/* Transparent Ethernet bridging: the payload is an Ethernet frame (RFC 8926, 3.4). */
#define GENEVE_ETHERNET 0x6558

/* Smaller protocol types are lengths, not EtherTypes (IEEE 802.3). */
#define ETHERTYPE_MIN 0x0600

/* The option in which an AWS Gateway Load Balancer names its endpoint: 8 bytes. */
#define GENEVE_CLASS_AWS 0x0108
#define GENEVE_TYPE_ENDPOINT 1

#define GENEVE_OPTION_WORDS_MAX 63

struct vxlan_header {
	__u8 flags;
	__u8 reserved[3];
	__be32 vni; /* in the upper 24 bits */
};

struct geneve_header {
	__u8 version_and_length; /* 2 bits, 6 bits: options in units of 4 bytes */
	__u8 flags;
	__be16 protocol;
	__be32 vni; /* in the upper 24 bits */
};

struct geneve_option {
	__be16 class;
	__u8 type;
	__u8 length; /* lower 5 bits, in units of 4 bytes, without this header */
};

static __always_inline __u32 vni_of(__be32 field)
{
	return bpf_ntohl(field) >> 8;
}

/* Fills VNI and offset of the inner frame. */
static __always_inline enum outcome parse_vxlan(const struct frame *frame, const struct datagram *datagram,
						struct packet *packet)
{
	__u32 offset = datagram->udp + sizeof(struct udphdr);
	const struct vxlan_header *header;
	struct vxlan_header room FRAME_ROOM;

	if (offset + sizeof(room) > datagram->end)
		return OUTCOME_MALFORMED_VXLAN;
	header = frame_at(frame, offset, &room, sizeof(room));
	if (!header || !(header->flags & VXLAN_I_FLAG))
		return OUTCOME_MALFORMED_VXLAN;
	packet->key.vni = vni_of(header->vni);
	packet->offset = offset + sizeof(*header);
	return OUTCOME_MAX;
}

/*
 * The endpoint id among the options in [offset, end), or 0. A torn list costs
 * the id and not the packet. A function of its own, so that the verifier walks
 * the loop once and not on every path that leads here.
 */
__noinline __u64 geneve_endpoint(struct xdp_md *ctx, __u32 offset, __u32 end)
{
	struct geneve_option option;
	__be64 endpoint;

	for (int i = 0; i < GENEVE_OPTION_WORDS_MAX; i++) {
		__u32 length;

		if (offset + sizeof(option) > end || bpf_xdp_load_bytes(ctx, offset, &option, sizeof(option)))
			return 0;
		offset += sizeof(option);
		length = (option.length & 0x1f) * 4;
		if (option.class == bpf_htons(GENEVE_CLASS_AWS) && option.type == GENEVE_TYPE_ENDPOINT &&
		    length == sizeof(endpoint)) {
			if (offset + length > end || bpf_xdp_load_bytes(ctx, offset, &endpoint, sizeof(endpoint)))
				return 0;
			return bpf_be64_to_cpu(endpoint);
		}
		offset += length;
	}
	return 0;
}

/* Fills VNI, endpoint, offset of the payload and, if that is no Ethernet frame, its EtherType. */
static __always_inline enum outcome parse_geneve(const struct frame *frame, const struct datagram *datagram,
						 struct packet *packet)
{
	__u32 offset = datagram->udp + sizeof(struct udphdr);
	const struct geneve_header *header;
	struct geneve_header room FRAME_ROOM;
	__u32 options, protocol;

	if (offset + sizeof(room) > datagram->end)
		return OUTCOME_MALFORMED_GENEVE;
	header = frame_at(frame, offset, &room, sizeof(room));
	if (!header)
		return OUTCOME_MALFORMED_GENEVE;
	offset += sizeof(*header);
	options = (header->version_and_length & 0x3f) * 4;
	protocol = bpf_ntohs(header->protocol);
	if (header->version_and_length >> 6 || offset + options > datagram->end || protocol < ETHERTYPE_MIN)
		return OUTCOME_MALFORMED_GENEVE;
	packet->key.vni = vni_of(header->vni);
	if (options)
		packet->endpoint = geneve_endpoint(frame->ctx, offset, offset + options);
	packet->offset = offset + options;
	packet->ethertype = protocol == GENEVE_ETHERNET ? 0 : protocol;
	return OUTCOME_MAX;
}
