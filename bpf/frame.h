/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bytes of a frame, wherever they lie. A driver may spread a jumbo frame
 * over several buffers and promises nothing about what the first one holds, so
 * a header is copied out: straight from the first buffer where that holds it,
 * else by the kernel.
 */
#pragma once

#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* Frames longer than this are nobody's: the kernel's own helpers reach no further. */
#define FRAME_OFFSET_MAX 0xffff

/*
 * What clang may assume of a header's address, so that it loads words and not
 * bytes. Headers are not aligned so, but the machines that this runs on do not mind.
 */
#define FRAME_ALIGNMENT 4

struct frame {
	struct xdp_md *ctx;
	__u32 length; /* bytes that are the frame's, of all buffers together; none behind is ever read */
};

static __always_inline struct frame frame_of(struct xdp_md *ctx)
{
	return (struct frame){ .ctx = ctx, .length = bpf_xdp_get_buff_len(ctx) };
}

/* The first `end` bytes of a frame. */
static __always_inline struct frame frame_until(const struct frame *frame, __u32 end)
{
	return (struct frame){ .ctx = frame->ctx, .length = end };
}

/*
 * Copies `size` bytes at `offset` to `to`; false if the frame does not hold
 * them. `size` is a constant of at most 64.
 */
static __always_inline bool frame_read(const struct frame *frame, __u32 offset, void *to, __u32 size)
{
	void *data = (void *)(long)frame->ctx->data;
	void *data_end = (void *)(long)frame->ctx->data_end;

	if (offset > FRAME_OFFSET_MAX - 64 || offset + size > frame->length)
		return false;
	/*
	 * Claims the stack that the helper may write to. Without it the verifier of
	 * Linux 6.18 follows a length in there back to before the call, finds no
	 * stack, and gives up ("verifier bug: stack slot 5, total slots 0").
	 */
	*(volatile __u8 *)to = 0;
	if (data + offset + size <= data_end) {
		__builtin_memcpy(to, __builtin_assume_aligned(data + offset, FRAME_ALIGNMENT), size);
		return true;
	}
	return bpf_xdp_load_bytes(frame->ctx, offset, to, size) == 0;
}
