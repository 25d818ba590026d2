/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel program and user space both see: the one home of each enum,
 * limit and record. `go generate ./bpf` turns the enums into package bpf/abi,
 * labels included, and the structs into package bpf.
 */
#pragma once

#include <linux/types.h>

/*
 * What became of a frame. Every frame ends in exactly one of these. The lower
 * case name is the metric label, the JSON key and the word in the documentation.
 * Append only: the numbers index pinned counters.
 */
enum outcome {
	OUTCOME_HOST,             /* not a mirrored packet: passed on */
	OUTCOME_FRAGMENT,         /* an outer IP fragment that is, or may be, the tunnel's: passed on */
	OUTCOME_MALFORMED_IP,     /* tunnel's port, but the outer IP length and the frame disagree: passed on */
	OUTCOME_MALFORMED_UDP,    /* tunnel's port, but the UDP and IP lengths disagree: passed on */
	OUTCOME_MALFORMED_VXLAN,  /* no room for a VXLAN header, or its I flag is clear: passed on */
	OUTCOME_MALFORMED_GENEVE, /* no room for the GENEVE header and options, or not version 0: passed on */
	OUTCOME_MALFORMED_INNER,  /* an inner frame shorter than an Ethernet header: passed on */
	OUTCOME_UNKNOWN_SESSION,  /* a mirrored packet of a session nobody asked for: passed on */
	OUTCOME_DELIVERED,        /* offered to the outputs: consumed */
	OUTCOME_MAX,              /* while a frame is judged: not decided yet */
};

/* Why the kernel could not hand a delivered packet to user space. Append only. */
enum ring_loss {
	RING_LOSS_RING_FULL,    /* the reader did not keep up */
	RING_LOSS_RING_MISSING, /* no ring belongs to this CPU */
	RING_LOSS_COPY_FAILED,  /* the kernel refused to copy the frame's bytes */
	RING_LOSS_MAX,
};

/* Which way a packet went, as the mirrored interface saw it. */
enum direction {
	DIRECTION_UNKNOWN,
	DIRECTION_INGRESS, /* to the mirrored interface */
	DIRECTION_EGRESS,  /* from the mirrored interface */
};

/* How a packet came wrapped. */
enum tunnel {
	TUNNEL_VXLAN,
	TUNNEL_GENEVE,
	TUNNEL_GENEVE_VXLAN, /* a Gateway Load Balancer's GENEVE around the mirror's VXLAN */
};

/* What both sides must agree on. */
enum limit {
	LIMIT_PORTS = 8,             /* UDP ports of each tunnel kind */
	LIMIT_OUTER_VLANS = 2,       /* VLAN tags of an outer frame; with more it is the host's */
	LIMIT_INNER_VLANS = 3,       /* VLAN tags looked through for an inner IP header */
	LIMIT_IPV6_EXTENSIONS = 8,   /* IPv6 extension headers walked; with more it is the host's */
	LIMIT_SNAP_LENGTH = 65535,   /* bytes of an inner frame, and so what one record can carry */
	LIMIT_SESSIONS = 16384,      /* sessions with an account of their own; account 0 is of all others */
	LIMIT_VNIS = 4096,           /* VNIs that --vni can name */
};

/*
 * Bytes of a frame that a ring record has room for. A reservation in a ring must be
 * of constant size, so records come in sizes: for a snapped header, small and
 * middling packets, full Ethernet frames, AWS's jumbo frames, and anything.
 */
enum room {
	ROOM_HEADERS = 128,
	ROOM_SMALL = 256,
	ROOM_MIDDLE = 640,
	ROOM_ETHERNET = 1536,
	ROOM_JUMBO = 9216,
	ROOM_ANY = 65536,
};

/* A session: who mirrored it. A VNI alone is not enough, since AWS accounts may share one. */
struct session_key {
	__be32 source[4]; /* outer source address, network byte order; IPv4 as ::ffff:a.b.c.d */
	__u32 vni;        /* host byte order, 24 bits */
};

/*
 * A ring record: this header, then `captured` bytes of the inner frame (less
 * ETH_HLEN when `ethertype` is set). 64 bytes, host byte order but for `key.source`.
 */
struct packet {
	__u64 time;             /* CLOCK_MONOTONIC, nanoseconds, when the program saw the frame */
	__u64 endpoint;         /* Gateway Load Balancer endpoint id (GENEVE class 0x0108 type 1), 0 without */
	struct session_key key;
	__u32 offset;           /* where in the outer frame the inner bytes begin */
	__u32 length;           /* bytes of the inner frame before the mirror session cut it */
	__u32 arrived;          /* bytes of the inner frame that were in the outer one */
	__u32 captured;         /* bytes of the inner frame that are kept: `arrived`, cut to the snap length */
	__u16 ethertype;        /* of a bare payload that needs a made-up Ethernet header; 0: it has its own */
	__u8 direction;         /* enum direction */
	__u8 tunnel;            /* enum tunnel */
	__u8 truncated;         /* 1: the mirror session cut it */
	__u8 _pad[7];
};

_Static_assert(sizeof(struct packet) == 64 && sizeof(struct session_key) == 20,
	       "loader/ring.go reads records of this shape");

/* Packets and their bytes. */
struct count {
	__u64 packets;
	__u64 bytes;
};

/* One CPU's accounts. `received` is counted on its own, so that the sum of the outcomes can be proved. */
struct accounts {
	struct count received;              /* bytes: whole frames, from the outer Ethernet header */
	struct count outcomes[OUTCOME_MAX]; /* bytes: likewise */
	__u64 ring_lost[RING_LOSS_MAX];     /* packets */
};

/* One CPU's account of one session. */
struct session_count {
	__u64 packets;
	__u64 bytes;     /* of inner frames as they arrived */
	__u64 truncated; /* packets that the mirror session had cut */
	__u64 ring_lost; /* packets that did not reach user space, for whatever reason */
};

/* Read-only once loaded: what is off here costs nothing, since the verifier removes it. */
struct config {
	__u32 snap_length;                 /* bytes kept of an inner frame, 14 to LIMIT_SNAP_LENGTH */
	__be16 vxlan_ports[LIMIT_PORTS];   /* network byte order, 0: unused */
	__be16 geneve_ports[LIMIT_PORTS];  /* network byte order, 0: unused */
	__u8 only_wanted_vnis;             /* 1: `wanted_vnis` holds all that is taken */
	__u8 _pad[3];
};
