/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps in which user space keeps what its successor needs, so that accounts are exact
 * however a process ends. It has all of them mapped, and the program looks at none:
 * loader/keep.go.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"

/* The notes. Key: 0 or 1, of two that are written in turn. 128 KiB. */
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
