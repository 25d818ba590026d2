/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps: for each its key, its value, who writes and who reads it, and what it
 * costs. Those of veths are in vethmaps.h, those that only user space looks at in
 * keepmaps.h; one that holds what has no room on the stack is in headers.h.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"

/* What is known of a session beside its counts. */
struct session {
	struct session_key key;
	__u32 account;  /* its index, here and in session_counts; 0: there is no such session */
	__u64 mac;      /* of the mirrored interface, learned, its first octet the lowest; 0: not yet */
	__u64 resolved; /* generation << 32 | place of its policy: written and read as one */
	__u64 _pad[3];  /* to 64 bytes, so that none lies in more lines of a cache than it must */
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
 * The sessions seen. Key: the session's account. Written and read by the program
 * alone: when it meets a session, learns its MAC, or meets it under a new policy.
 * 16,384 x 64 bytes: 1 MB.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMIT_SESSIONS);
	__type(key, __u32);
	__type(value, struct session);
} sessions SEC(".maps");

/*
 * The accounts of the sessions seen. Key: who mirrored. Written by the program when it
 * meets a session, read by loader/ledger.go. 16,384 x some 80 bytes: 1.3 MB.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LIMIT_SESSIONS);
	__type(key, struct session_key);
	__type(value, __u32);
} session_accounts SEC(".maps");

/* The accounts of the sessions that a CPU saw last, each in the cell of its key's hash; 0: of none. */
struct recent {
	__u16 accounts[LIMIT_RECENT];
};

/*
 * Where the program looks before it searches session_accounts. Key: 0. Value: one
 * CPU's cells. Written and read by the program alone. 8 KiB a CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct recent);
} recent SEC(".maps");

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
 * rate. Key: CPU. Value: a ring of struct packet records, so small that the CPU's
 * caches hold it. The loader sets all sizes and makes the rings: loader/ringsize.go
 * has the arithmetic.
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

/*
 * Where records go while a CPU's ring is full, because its reader is late. Key: CPU.
 * Value: a larger ring; none on a host of so many CPUs that rings are small anyway.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct ring);
} spills SEC(".maps");
