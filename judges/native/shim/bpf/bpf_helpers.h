/*
 * Stands in for libbpf's header of this name where the kernel program is built
 * for the host. The helpers have the kernel's signatures (bpf-helpers(7)) and
 * are defined in program.c (maps), buffers.c (frames and ring) and handover.c.
 */
#pragma once

#include <stddef.h>

#include <linux/bpf.h>
#include <linux/types.h>

/* A map's declaration says its type and sizes as members that are never read. */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
#define __array(name, value) typeof(value) *name[]

/* There is no loader here to look for sections. */
#define SEC(name)

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif

void *bpf_map_lookup_elem(void *map, const void *key);
long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags);

void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags);
void bpf_ringbuf_submit(void *record, __u64 flags);
void bpf_ringbuf_discard(void *record, __u64 flags);

long bpf_xdp_load_bytes(struct xdp_md *ctx, __u32 offset, void *to, __u32 size);
__u64 bpf_xdp_get_buff_len(struct xdp_md *ctx);
long bpf_xdp_adjust_head(struct xdp_md *ctx, int by);
long bpf_xdp_adjust_tail(struct xdp_md *ctx, int by);
long bpf_xdp_adjust_meta(struct xdp_md *ctx, int by);
long bpf_redirect_map(void *map, __u64 key, __u64 flags);

__u64 bpf_ktime_get_ns(void);
__u64 bpf_ktime_get_coarse_ns(void);
__u32 bpf_get_smp_processor_id(void);
long bpf_loop(__u32 times, void *callback, void *context, __u64 flags);
