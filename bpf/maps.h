/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps: for each its key, its value, who writes and who reads it, and what it
 * costs. One more, which only holds what has no room on the stack, is in headers.h.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"

/* What is known of a session beside its counts. */
struct session {
	__u64 mac;      /* of the mirrored interface, learned, as mac_of gives it; 0: not yet */
	__u64 resolved; /* generation << 32 | place of its policy: written and read as one */
	__u32 account;  /* its index in session_counts */
	__u32 _pad;
};

/*
 * The ledger of every frame. Key: 0. Value: one CPU's counts. Written by the
 * program, read by loader/ledger.go. 1 KiB a CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct accounts);
} ledger SEC(".maps");

/*
 * The sessions seen. Key: who mirrored. Written by the program when it meets a
 * session, learns its MAC, or meets it under a new policy, read by loader/ledger.go. 16,384 x some 100 bytes:
 * 1.6 MB.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LIMIT_SESSIONS);
	__type(key, struct session_key);
	__type(value, struct session);
} sessions SEC(".maps");

/* How many accounts of session_counts are given out. Key: 0. Read and written by the program alone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} accounts_given SEC(".maps");

/*
 * The accounts of the sessions. Key: session.account; 0 is shared by all that
 * came after the table was full. Value: one CPU's counts. Written by the
 * program, read by loader/ledger.go. 16,384 x 64 bytes: 1 MB a CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LIMIT_SESSIONS);
	__type(key, __u32);
	__type(value, struct session_count);
} session_counts SEC(".maps");

/*
 * What happened of late to sessions that no policy knows, or whose source is
 * denied; the least recently seen make room. Key: who mirrored. Written by the
 * program, read by loader/ledger.go. 8,192 x some 120 bytes: 1 MB.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LIMIT_STRANGERS);
	__type(key, struct session_key);
	__type(value, struct stranger);
} strangers SEC(".maps");

/* A fragmented datagram of an inner packet: what its fragments have in common. */
struct datagram_key {
	__u64 source[2];
	__u64 destination[2];
	__u32 id;       /* identification */
	__u32 vni;
	__u32 protocol; /* of IPv6 0, since each fragment may name another */
	__u32 is_ipv6;  /* 1: ::ffff:a.b.c.d is not a.b.c.d here */
};

/*
 * The flows of fragmented datagrams, where sampling is by flow. Key: the
 * datagram. Value: the flow hash of its first fragment. Written and read by the
 * program alone. 16,384 x some 130 bytes: 2 MB.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LIMIT_FRAGMENTS);
	__type(key, struct datagram_key);
	__type(value, __u32);
} fragments SEC(".maps");

/*
 * The outputs that are veths. Key: the output's slot. Written by loader/veth.go,
 * read by the program.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMIT_OUTPUTS);
	__type(key, __u32);
	__type(value, struct veth);
} veths SEC(".maps");

/*
 * What became of the packets for veths. Key: the output's slot. Value: one CPU's
 * counts. Written by the programs, read by loader/vethledger.go. 2 KiB a CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LIMIT_OUTPUTS);
	__type(key, __u32);
	__type(value, struct veth_account);
} veth_accounts SEC(".maps");

/*
 * What user space keeps for its successor, so that accounts are exact however a process
 * ends. It has all of these mapped, and the program looks at none: loader/keep.go.
 *
 * The notes. Key: 0 or 1, of two that are written in turn. 128 KiB.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct note);
} notes SEC(".maps");

/*
 * How far the rings are read, and how many packets that were were for which output. A
 * row of words, of which the loader sets the length: loader/takings.go. 1 KiB and 16 bytes a CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} takings SEC(".maps");

/* The accounts of outputs. Key: one of an output, whose name is in the notes. 48 KiB. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LIMIT_BOOKS);
	__type(key, __u32);
	__type(value, struct book);
} books SEC(".maps");

/* What is not in them yet, of open files and senders. 128 KiB. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LIMIT_SHEETS);
	__type(key, __u32);
	__type(value, struct sheet);
} sheets SEC(".maps");

/* What senders have under way. 260 KiB. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LIMIT_FLIGHTS);
	__type(key, __u32);
	__type(value, struct flight);
} flights SEC(".maps");

/* Our ends of the veths. Key: the output's slot. Value: index of the interface. Written by loader/veth.go. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, LIMIT_OUTPUTS);
	__type(key, __u32);
	__type(value, __u32);
} veth_ports SEC(".maps");

/*
 * Sets of veths of which each gets all. Key: the set, a bit a slot. Value: their
 * ends, for the kernel to send a copy to each. Written by loader/veth.go.
 */
struct port_set {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, LIMIT_SHARES);
	__type(key, __u32);
	__type(value, __u32);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, LIMIT_COPY_SETS);
	__type(key, __u32);
	__array(values, struct port_set);
} copy_sets SEC(".maps");

/*
 * The CPUs that flows are moved to, and the program that frames meet there. Key:
 * CPU. Written by loader/veth.go.
 */
struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, LIMIT_LANES);
	__type(key, __u32);
	__type(value, struct bpf_cpumap_val);
} lanes SEC(".maps");

/*
 * The policy. Key: 0. Value: an array of regions of exactly the size that it
 * needs. A reload makes a new one and puts it here at once: a frame, which looks
 * here once, is judged by one policy from beginning to end, and the kernel frees
 * the old one when no program looks at it any more. Written by loader/policy.go.
 */
struct policy {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct region_lines);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct policy);
} policies SEC(".maps");

/*
 * One ring for each possible CPU, since producers that share one halve its
 * rate. Key: CPU. Value: a ring of struct packet records. The loader sets both
 * sizes and makes the rings: loader/ring.go has the arithmetic.
 */
struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");
