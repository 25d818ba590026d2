/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps of the outputs that are veths. */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"

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
