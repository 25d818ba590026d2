/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The wrapping: Ethernet, VLANs, IP, UDP, and one tunnel header or the two of a
 * Gateway Load Balancer.
 */
#pragma once

#include "abi.h"
#include "config.h"
#include "ethernet.h"
#include "frame.h"
#include "ip.h"
#include "tunnel.h"

enum port {
	PORT_OTHER,
	PORT_VXLAN,
	PORT_GENEVE,
};

static __always_inline enum port port_kind(__be16 port)
{
	for (int i = 0; i < LIMIT_PORTS; i++)
		if (cfg.vxlan_ports[i] && port == cfg.vxlan_ports[i])
			return PORT_VXLAN;
	for (int i = 0; i < LIMIT_PORTS; i++)
		if (cfg.geneve_ports[i] && port == cfg.geneve_ports[i])
			return PORT_GENEVE;
	return PORT_OTHER;
}

/* What fits no Ethernet header is malformed; a bare payload gets one made up, which counts. */
static __always_inline enum outcome measure_inner(const struct datagram *datagram, struct packet *packet)
{
	packet->arrived = datagram->end - packet->offset;
	if (packet->ethertype) {
		if (!packet->arrived)
			return OUTCOME_MALFORMED_INNER;
		packet->arrived += ETH_HLEN;
	} else if (packet->arrived < ETH_HLEN) {
		return OUTCOME_MALFORMED_INNER;
	}
	return OUTCOME_MAX;
}

/*
 * A Gateway Load Balancer puts the mirror's IP/UDP/VXLAN packet bare into its
 * GENEVE. Where the payload is whole and just that, the packet is the mirror's;
 * where it is anything else, it is left as the bare packet that it is.
 */
static __noinline void strip_second_layer(const struct frame *frame, const struct datagram *outer,
					       struct packet *packet)
{
	struct frame payload = frame_until(frame, outer->end);
	struct packet inside = *packet;
	struct datagram datagram = {};

	inside.ethertype = 0;
	if (!find_datagram(frame->ctx, payload.length, packet->offset, packet->ethertype, &datagram) ||
	    datagram.fragment != FRAGMENT_NONE || port_kind(datagram.port) != PORT_VXLAN ||
	    datagram_bounds(&payload, &datagram) != OUTCOME_MAX ||
	    parse_vxlan(&payload, &datagram, &inside) != OUTCOME_MAX ||
	    measure_inner(&datagram, &inside) != OUTCOME_MAX)
		return;
	inside.tunnel = TUNNEL_GENEVE_VXLAN;
	__builtin_memcpy(inside.key.source, &datagram.source, sizeof(datagram.source));
	*packet = inside;
}

/*
 * Fills key, endpoint, offset, arrived, ethertype and tunnel. Until the
 * destination port is known to be the tunnel's, a frame is the host's, however
 * broken.
 */
static __always_inline enum outcome outer(const struct frame *frame, struct packet *packet)
{
	struct datagram datagram = {};
	struct ethernet ethernet;
	enum outcome outcome;
	enum port port;

	if (!parse_ethernet(frame, 0, &ethernet) || !skip_tags(frame, LIMIT_OUTER_VLANS, &ethernet) ||
	    !find_datagram(frame->ctx, frame->length, ethernet.payload, bpf_ntohs(ethernet.type), &datagram))
		return OUTCOME_HOST;
	if (datagram.fragment == FRAGMENT_LATER)
		return OUTCOME_FRAGMENT;
	port = port_kind(datagram.port);
	if (port == PORT_OTHER)
		return OUTCOME_HOST;
	if (datagram.fragment == FRAGMENT_FIRST)
		return OUTCOME_FRAGMENT;
	outcome = datagram_bounds(frame, &datagram);
	if (outcome != OUTCOME_MAX)
		return outcome;
	outcome = port == PORT_VXLAN ? parse_vxlan(frame, &datagram, packet) : parse_geneve(frame, &datagram, packet);
	if (outcome != OUTCOME_MAX)
		return outcome;
	packet->tunnel = port == PORT_VXLAN ? TUNNEL_VXLAN : TUNNEL_GENEVE;
	__builtin_memcpy(packet->key.source, &datagram.source, sizeof(datagram.source));
	outcome = measure_inner(&datagram, packet);
	if (outcome == OUTCOME_MAX && packet->ethertype)
		strip_second_layer(frame, &datagram, packet);
	return outcome;
}
