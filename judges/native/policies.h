/*
 * The policies that frames are judged by, as loader/tables has compiled them.
 * Little endian, packed:
 *
 *	__u32 count;                    of policies, 1 to POLICIES_MAX
 *	then for each policy:
 *	__u32 regions;                  1 to REGION_MAX
 *	then for each region:
 *	__u32 lines; struct line lines[lines];    the others are zero
 *
 * Nobody but judges/policies.go writes this: tables that are wrong are the end of
 * the process. A fuzzer chooses among policies and does not touch them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "abi.h"

#define POLICIES_MAX 16

/* A policy: what the kernel has as an array of regions. */
struct image {
	struct region_lines *regions[REGION_MAX];
	__u32 count;
};

/* Replaces all policies. */
void policies_load(const void *data, size_t size);

/* The policy of a number, which may be any. */
const struct image *policies_at(__u32 number);

/* Whether a policy has packets of unknown sessions dropped. */
bool policies_drop_unknown(__u32 number);
