/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps: for each its key, its value, who writes and who reads it, and what it costs. */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"

/* What is known of a session beside its counts. */
struct session {
	__u64 mac;     /* of the mirrored interface, learned, as mac_of gives it; 0: not yet */
	__u32 account; /* its index in session_counts */
	__u32 _pad;
};

/*
 * The ledger of every frame. Key: 0. Value: one CPU's counts. Written by the
 * program, read by loader/ledger.go. 200 bytes a CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct accounts);
} ledger SEC(".maps");

/*
 * The sessions seen. Key: who mirrored. Written by the program when it meets a
 * session or learns its MAC, read by loader/ledger.go. 16,384 x some 100 bytes:
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
 * program, read by loader/ledger.go. 16,384 x 32 bytes: 0.5 MB a CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LIMIT_SESSIONS);
	__type(key, __u32);
	__type(value, struct session_count);
} session_counts SEC(".maps");

/*
 * The VNIs that are taken, if only some are. Key: VNI, host byte order. The
 * value says nothing. Written by loader/program.go before the program is
 * attached, read by the program.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LIMIT_VNIS);
	__type(key, __u32);
	__type(value, __u8);
} wanted_vnis SEC(".maps");

/*
 * One ring for each possible CPU, since producers that share one halve its
 * rate. Key: CPU. Value: a ring of struct packet records. The loader sets both
 * sizes and makes the rings: loader/rings.go has the arithmetic.
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
