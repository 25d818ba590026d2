/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ports, and how long a transport header is. */
#pragma once

#include <stdbool.h>

#include <linux/in.h>
#include <linux/in6.h>

#include "frame.h"

/* The fixed parts of transport headers (RFC 9293, 768, 9260, 792, 4443). */
#define TCP_LENGTH 20
#define UDP_LENGTH 8
#define SCTP_LENGTH 12
#define ICMP_LENGTH 8

/* Where in TCP's header its length is: 4 bits, in units of 4 bytes. */
#define TCP_DATA_OFFSET 12

/* How TCP's, UDP's and SCTP's headers begin. */
struct ports {
	__be16 source;
	__be16 destination;
};

static __always_inline bool has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static __always_inline __u32 tcp_length(const struct frame *frame, __u32 offset)
{
	const __u8 *data_offset;
	__u32 length;
	__u8 room FRAME_ROOM;

	data_offset = frame_at(frame, offset + TCP_DATA_OFFSET, &room, sizeof(room));
	length = data_offset ? (*data_offset >> 4) * 4 : 0;
	return length > TCP_LENGTH ? length : TCP_LENGTH;
}

static __always_inline __u32 transport_length(const struct frame *frame, __u32 offset, __u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return tcp_length(frame, offset);
	case IPPROTO_UDP:
		return UDP_LENGTH;
	case IPPROTO_SCTP:
		return SCTP_LENGTH;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return ICMP_LENGTH;
	}
	return 0;
}
