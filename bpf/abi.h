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
	OUTCOME_UNKNOWN_SESSION,  /* a mirrored packet of a session nobody asked for: passed on, or dropped if so configured */
	OUTCOME_DELIVERED,        /* offered to the outputs: consumed */
	OUTCOME_DENIED_SOURCE,    /* a mirrored packet of a source that is not allowed: dropped */
	OUTCOME_FILTERED,         /* the session's filter did not take it: consumed */
	OUTCOME_SAMPLED_OUT,      /* the session's sampling left it out: consumed */
	OUTCOME_MAX,              /* while a frame is judged: not decided yet */
};

/* Why the kernel could not hand a delivered packet to user space. Append only. */
enum ring_loss {
	RING_LOSS_RING_FULL,    /* the reader did not keep up */
	RING_LOSS_RING_MISSING, /* no ring belongs to this CPU */
	RING_LOSS_COPY_FAILED,  /* the kernel refused to copy the frame's bytes */
	RING_LOSS_MAX,
};

/* Why the kernel could not hand a delivered packet to a consumer's veth. Append only. */
enum veth_loss {
	VETH_LOSS_TOO_LONG,     /* longer than the veth's MTU lets through */
	VETH_LOSS_NO_INTERFACE, /* the veth is gone, or not there yet */
	VETH_LOSS_STRIP_FAILED, /* the kernel refused to take the wrapping off */
	VETH_LOSS_NOT_COPIED,   /* a frame of several buffers, of which the kernel makes no copies: another veth got it */
	VETH_LOSS_IN_PARTS,     /* a frame of several buffers, on a kernel that does not redirect such (before Linux 6.3) */
	VETH_LOSS_BROKEN_TAG,   /* it ends within a VLAN tag, or right behind: the consumer's kernel takes none such */
	VETH_LOSS_MAX,
};

/* How a session's veths share its packets. */
enum sharing {
	SHARING_BALANCE, /* each flow belongs to one of them, in both directions and with its fragments */
	SHARING_COPY,    /* each gets all */
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

/*
 * What an inner frame holds, as filters tell frames apart: one of these, and
 * FAMILY_TAGGED if it stands behind a VLAN tag. IPv6 comes in three, since a
 * tcpdump expression looks behind a fragment header and behind no other
 * extension header, while a rule's protocol is the last one of the chain.
 */
enum family {
	FAMILY_OTHER,
	FAMILY_ARP,
	FAMILY_RARP,
	FAMILY_IPV4,
	FAMILY_IPV6,            /* no extension header was walked */
	FAMILY_IPV6_FRAGMENT,   /* one was, a fragment header */
	FAMILY_IPV6_EXTENSIONS, /* others, or more */
	FAMILY_TAGGED = 8,      /* a bit of its own */
	FAMILY_MAX = 16,
};

/* What is left out of the packets that a session's filter takes. */
enum sampling {
	SAMPLING_NONE,
	SAMPLING_BY_PACKET, /* each CPU keeps the first of every n */
	SAMPLING_BY_FLOW,   /* one flow in n is kept, in both directions and on every CPU */
};

/* What both sides must agree on. */
enum limit {
	LIMIT_PORTS = 8,             /* UDP ports of each tunnel kind */
	LIMIT_OUTER_VLANS = 2,       /* VLAN tags of an outer frame; with more it is the host's */
	LIMIT_INNER_VLANS = 3,       /* VLAN tags looked through for an inner IP header */
	LIMIT_IPV6_EXTENSIONS = 8,   /* IPv6 extension headers walked; with more it is the host's */
	LIMIT_SNAP_LENGTH = 65535,   /* bytes of an inner frame, and so what one record can carry */
	LIMIT_SESSIONS = 16384,      /* accounts, of which the first is shared; and sessions of a policy */
	LIMIT_RECENT = 4096,         /* sessions that a CPU finds again without a search: a power of two */
	LIMIT_RULES = 10240,         /* rules of one direction of a filter */
	LIMIT_OUTPUTS = 32,          /* outputs that a session can name: bits of packet.outputs */
	LIMIT_STRANGERS = 8192,      /* unknown sessions that are remembered */
	LIMIT_FRAGMENTS = 16384,     /* fragmented datagrams whose flow is remembered */
	LIMIT_SHARES = 8,            /* veths that a session can name */
	LIMIT_COPY_SETS = 256,       /* different sets of veths that get copies */
	LIMIT_LANES = 256,           /* CPUs that a veth's flows can be spread over */
	LIMIT_NOTE = 65524,          /* bytes of a note */
	LIMIT_BOOKS = 64,            /* outputs whose accounts are kept, those that are gone included */
	LIMIT_REASONS = 32,          /* why an output has lost packets */
	LIMIT_SHEETS = 2048,         /* files that are not complete, and senders */
	LIMIT_FLIGHTS = 64,          /* senders */
	LIMIT_FLIGHT = 64,           /* frames that one hands over at once */
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
	__u32 outputs;          /* whom the session names: a bit each, by the output's slot */
	__u16 ethertype;        /* of a bare payload that needs a made-up Ethernet header; 0: it has its own */
	__u16 rule;             /* that took it: from 1 through the filter's ingress, then its egress rules; 0: no filter */
	__u8 direction;         /* enum direction */
	__u8 tunnel;            /* enum tunnel */
	__u8 truncated;         /* 1: the mirror session cut it */
	__u8 _pad;
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
	__u64 ring_lost[LIMIT_OUTPUTS][RING_LOSS_MAX]; /* packets, by the output that lost them */
};

/* One CPU's account of one session. */
struct session_count {
	__u64 packets;     /* delivered, filtered or sampled out */
	__u64 bytes;       /* of inner frames as they arrived */
	__u64 truncated;   /* packets that the mirror session had cut */
	__u64 ring_lost;   /* packets that did not reach user space, for whatever reason */
	__u64 filtered;    /* packets that the filter did not take */
	__u64 sampled_out; /* packets that sampling left out */
	__u64 last_seen;   /* CLOCK_MONOTONIC, nanoseconds, of the last packet, to some milliseconds */
	__u64 candidates;  /* packets that came to sampling by packet */
};

/* An output that is a veth, as the program needs to know it. */
struct veth {
	__u32 frame_max; /* bytes of the longest frame that it takes, from the Ethernet header on; 0: there is no such veth */
	__u32 lanes;     /* CPUs over which its flows are spread; 0: a frame stays on the CPU that it came to */
	__u32 tagged;    /* 1: frames carry their session's VLAN tag */
};

/*
 * One CPU's account of a veth. `arrived` is counted at the consumer's end, by another
 * program: what was offered and is neither there nor lost has been lost on the way.
 */
struct veth_account {
	__u64 offered;             /* packets */
	__u64 lost[VETH_LOSS_MAX]; /* packets that were not even sent, by reason */
	__u64 arrived;             /* packets that came to the consumer's end */
	__u64 self_tests;          /* frames of the self-test that did; they go no further */
};

/*
 * What a process leaves to the one after it about its outputs: that with the higher
 * number counts, of two that are written in turn. The text is JSON; cmd/xdpeel/register.go.
 */
struct note {
	__u64 number;           /* written last; 0: none yet */
	__u32 length;           /* bytes of `text` */
	__u8 text[LIMIT_NOTE];
};

/* Packets that an output has lost for a reason, whose name is its own: builds may know others. */
struct lost {
	__u8 reason[16];        /* mirror.Loss, behind it zeroes; empty: the place is free */
	__u64 packets;
};

/*
 * An output's account, without what the kernel counts: it grows with each packet that
 * is seen to, whatever becomes of the process. Form and use: books/book.go.
 */
struct book {
	__u64 delivered;        /* packets, without those on sheets */
	struct lost lost[LIMIT_REASONS];
};

/*
 * What is delivered to one file that is not complete, or by one sender. The successor
 * counts what is in the file.
 */
struct sheet {
	__u64 book;             /* its index, from 1; 0: the sheet is free. Written last */
	__u64 origin;           /* tells outputs apart that had the same name and other files */
	__u64 device;           /* of the file; 0: a sender's */
	__u64 inode;
	__u64 born;             /* nanoseconds since the Unix epoch, 0: the file system does not know */
	__u64 packets;
	__u64 total;            /* what the book's `delivered` is with these packets; 0: they are not moved yet */
	__u64 flight;           /* of a sender: the index of its flight, from 1 */
};

/* Frames that a sender hands to the kernel at once: that writes into each message that it took it. */
struct flight {
	__u64 under_way;        /* messages; 0: none, and sheet.packets counts */
	__u64 before;           /* sheet.packets when they were handed over */
	__u8 messages[LIMIT_FLIGHT * 64]; /* struct mmsghdr */
};

/* What is known of an unknown or denied session: who to configure, or to ask. */
struct stranger {
	__u64 unknown;   /* packets of outcome unknown_session */
	__u64 denied;    /* packets of outcome denied_source */
	__u64 bytes;     /* of inner frames as they arrived, of both */
	__u64 last_seen; /* CLOCK_MONOTONIC, nanoseconds, of the last packet, to some milliseconds */
};

/*
 * A policy as the program reads it: an array of regions, each of 65,536 lines of
 * 64 bytes. A *place* is a line of a region: region << 16 | line. Line 0 of every
 * region is zeros, and so is what a place of 0 says: nothing. All in host byte
 * order. loader/tables writes it; the stages read it through bpf/policy.h.
 */
enum region {
	REGION_LINES = 65536,
	REGION_MAX = 64,       /* regions of a policy: 256 MiB */
	REGION_HEAD_LINE = 1,  /* of region 0: struct policy_head */
	REGION_NONE = 0xffff,
};

struct line {
	__u64 words[8];
};

struct region_lines {
	struct line lines[REGION_LINES];
};

struct policy_head {
	__u64 seed;           /* of the flow hash */
	__u32 generation;     /* which policy this is; never 0 */
	__u32 sessions;       /* entries of struct session_entry, in ascending order of (vni, source) */
	__u32 first_session;  /* place of the first, in region 0 */
	__u32 default_policy; /* place of the default session's struct session_policy, in region 0; 0: none */
	__u32 allowed_ipv4;   /* entry in region 0: leads to a class with a rule if the source is allowed */
	__u32 allowed_ipv6;
	__u8 only_allowed;    /* 1: other sources are denied */
	__u8 drop_unknown;    /* 1: packets of unknown sessions are dropped */
	__u8 _pad[30];
};

/* Which policy a session has. 32 bytes, so two in a line. */
struct session_entry {
	__u64 source[2]; /* big endian halves as numbers; IPv4 as ::ffff:a.b.c.d; 0: any source */
	__u32 vni;
	__u32 policy;    /* place of its struct session_policy, in region 0 */
	__u64 _pad;
};

/* What is wanted of a session. */
struct session_policy {
	__u64 mac;           /* of the mirrored interface, its first octet the lowest; 0: learned */
	__u32 ingress;       /* place of its struct filter; 0: takes nothing */
	__u32 egress;
	__u32 ingress_rules; /* how many, before the egress rules are numbered on */
	__u32 outputs;       /* as in struct packet */
	__u32 snap_length;   /* bytes kept of an inner frame, 14 to LIMIT_SNAP_LENGTH */
	__u32 one_in;        /* from 1 */
	__u32 veths;         /* those of the outputs that are veths */
	__u16 vlan;          /* VLAN id that tells the session to the consumers of tagged veths; 0: no tag */
	__u8 sampling;       /* enum sampling */
	__u8 sharing;        /* enum sharing */
	__u8 has_filter;     /* 0: everything is taken */
	__u8 snap_headers;   /* 1: cut behind the headers */
	__u8 reads_headers;  /* 1: any of these needs struct headers */
	__u8 reads_flow;     /* 1: sampling, or the choice of a veth or a CPU, needs the flow's hash */
	__u8 shares;         /* how many of `slots` there are */
	__u8 slots[LIMIT_SHARES]; /* of the veths */
	__u8 _pad[7];
};

/*
 * Where the search for one field's class begins: an entry is a kind in its upper
 * 3 bits, and a line of the field's region in its lower 16.
 */
enum entry {
	ENTRY_CLASS,      /* the line is a struct class: the end */
	ENTRY_SKIP,       /* a struct skip: compare several bits at once */
	ENTRY_TABLE_16,   /* entries by the next 4 bits */
	ENTRY_TABLE_256,  /* by the next 8 bits; the line is a multiple of 16 */
	ENTRY_TABLE_4096, /* by the next 12 bits; the line is a multiple of 256 */
};

struct field {
	__u32 region;    /* REGION_NONE: all rules match whatever is in the field */
	__u32 root;      /* of all fields but an IPv6 address */
	__u32 root_ipv6;
	__u32 none;      /* line of the class of packets that do not have the field */
};

/* The rules of one direction: for each field what rules any value of it matches. Two lines, the first an even one. */
struct filter {
	struct field kind;              /* family << 8 | protocol, 12 bits */
	struct field source;            /* 32 or 128 bits */
	struct field destination;
	struct field source_port;       /* 16 bits */
	struct field destination_port;
	__u32 accepts;                  /* place of a bit for each rule: 1 accepts */
	__u32 _pad[11];
};

struct skip {
	__u64 value; /* the next `bits` bits, from the highest bit down */
	__u64 mask;
	__u32 bits;  /* 8 to 60 */
	__u32 match; /* entry to go on with, `bits` bits further */
	__u32 miss;  /* entry of a class */
	__u32 _pad[9];
};

/* What a class holds of its rules by itself. */
enum class_limit {
	CLASS_WORDS = 4,
	CLASS_GROUPS = 3,
};

/*
 * The rules that a value of a field matches, as a set of bits in words of 64: rule r
 * is bit r % 64 of word r / 64. A sparse class, of at most CLASS_WORDS words that are
 * not zero, has them in `words`; of a dense one these are instead CLASS_GROUPS groups
 * of 64 bits each that say which words are not zero, and `chunks` leads to them all.
 */
struct class {
	__u64 words[CLASS_WORDS];
	__u64 value;  /* the next bits, from the highest down, must be these ... */
	__u64 mask;   /* ... as far as there are ones here; 0: whatever they are */
	__u32 miss;   /* line of the class that it is if they are others */
	__u16 chunks; /* line of a struct chunks of the same region, if it is dense; else 0 */
	__u8 index[CLASS_WORDS]; /* which words those are, ascending; 255 behind the last */
	__u8 _pad[6];
};

/* The words of a dense class: word w is word w % 8 of the line chunks[w / 8]. */
struct chunks {
	__u16 lines[32];
};

_Static_assert(sizeof(struct policy_head) == 64 && sizeof(struct session_entry) == 32 &&
	       sizeof(struct session_policy) == 64 && sizeof(struct filter) == 128 && sizeof(struct skip) == 64 && sizeof(struct class) == 64 && sizeof(struct chunks) == 64,
	       "a policy is made of lines");

/* Read-only once loaded: what is off here costs nothing, since the verifier removes it. */
struct config {
	__u64 self_test;                   /* what only frames of the self-test hold: a random number */
	__u32 slot;                        /* of the veth at whose consumer's end the program is */
	__u32 redirects_parts;             /* 1: the kernel redirects frames of several buffers */
	__u32 snap_length;                 /* bytes kept of an inner frame, 14 to LIMIT_SNAP_LENGTH */
	__be16 vxlan_ports[LIMIT_PORTS];   /* network byte order, 0: unused */
	__be16 geneve_ports[LIMIT_PORTS];  /* network byte order, 0: unused */
	__u32 _pad;
};
