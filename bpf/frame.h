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
#define FRAME_ALIGNMENT 8

/* What a header is copied to where it does not lie in the first buffer. */
#define FRAME_ROOM __attribute__((aligned(FRAME_ALIGNMENT)))

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
 * Has the CPU fetch the byte at `offset` of the first buffer, and does not wait for it: what
 * a card or another CPU has written is in no near cache, and each line that is asked for
 * only once the one before has come costs its own wait.
 */
static __always_inline void frame_fetch(const struct frame *frame, __u32 offset)
{
	const void *data = (void *)(long)frame->ctx->data;
	__u8 byte;

	if (data + offset + sizeof(byte) > (void *)(long)frame->ctx->data_end)
		return;
	byte = *(const volatile __u8 *)(data + offset);
	asm volatile("" : : "r"(byte));
}

/* Whether a frame is in several buffers. */
static __always_inline bool is_in_parts(const struct frame *frame)
{
	void *data = (void *)(long)frame->ctx->data;
	void *data_end = (void *)(long)frame->ctx->data_end;

	return frame->length > FRAME_OFFSET_MAX || data + frame->length > data_end;
}

/*
 * The `size` bytes at `offset`: where they lie, or in `room`, a FRAME_ROOM of that size.
 * NULL if the frame does not hold them. `size` is a constant of at most 64.
 */
static __always_inline const void *frame_at(const struct frame *frame, __u32 offset, void *room, __u32 size)
{
	void *data = (void *)(long)frame->ctx->data;
	void *data_end = (void *)(long)frame->ctx->data_end;

	if (offset > FRAME_OFFSET_MAX - 64 || offset + size > frame->length)
		return NULL;
	/*
	 * Claims the stack that the helper may write to. Without it the verifier of
	 * Linux 6.18 follows a length in there back to before the call, finds no
	 * stack, and gives up ("verifier bug: stack slot 5, total slots 0").
	 */
	*(volatile __u8 *)room = 0;
	if (data + offset + size <= data_end)
		return __builtin_assume_aligned(data + offset, FRAME_ALIGNMENT);
	return bpf_xdp_load_bytes(frame->ctx, offset, room, size) ? NULL :
								    __builtin_assume_aligned(room, FRAME_ALIGNMENT);
}
