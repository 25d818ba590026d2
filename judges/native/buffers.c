/*
 * The frame's buffers and the ring, so that any access beyond them is caught.
 *
 * struct xdp_md holds 32-bit pointers, so the first buffer lies below 4 GiB. It
 * is mapped twice: the program sees a mapping it cannot write to, in which
 * everything but the frame is poisoned for AddressSanitizer.
 */
#define _GNU_SOURCE
#include "buffers.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sanitizer/asan_interface.h>

#include <bpf/bpf_helpers.h>

#define GUARD 4096
#define RECORD_MAX (sizeof(struct packet) + 65536)

/* The kernel's helpers refuse offsets and sizes beyond (net/core/filter.c, bpf_xdp_pointer). */
#define XDP_POINTER_MAX 0xffff

enum record_state {
	RECORD_NONE,
	RECORD_RESERVED,
	RECORD_SUBMITTED,
};

static __u8 *readable; /* the program's mapping, FRAME_MAX bytes */
static __u8 *writable; /* ours, of the same memory */
static const struct frame_input *current;
static struct xdp_md context;

static _Alignas(8) __u8 record[RECORD_MAX];
static __u64 record_size;
static enum record_state record_state;

void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	abort();
}

static void make_buffers(void)
{
	int fd = memfd_create("frame", 0);
	__u8 *low;

	if (fd < 0 || ftruncate(fd, FRAME_MAX) < 0)
		die("create frame memory: %s", strerror(errno));
	low = mmap(NULL, FRAME_MAX + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED)
		die("map frame memory below 4 GiB: %s", strerror(errno));
	readable = mmap(low + GUARD, FRAME_MAX, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	writable = mmap(NULL, FRAME_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (readable == MAP_FAILED || writable == MAP_FAILED)
		die("map frame memory: %s", strerror(errno));
	close(fd);
	ASAN_POISON_MEMORY_REGION(readable, FRAME_MAX);
	ASAN_POISON_MEMORY_REGION(record, RECORD_MAX);
}

struct xdp_md *map_frame(const struct frame_input *input)
{
	if (!readable)
		make_buffers();
	if (input->length > FRAME_MAX || input->linear > input->length)
		die("frame of %u bytes, %u linear", input->length, input->linear);
	current = input;
	memcpy(writable, input->bytes, input->linear);
	ASAN_UNPOISON_MEMORY_REGION(readable, input->linear);
	context.data = (__u32)(unsigned long)readable;
	context.data_end = context.data + input->linear;
	ASAN_POISON_MEMORY_REGION(record, record_size);
	record_size = 0;
	record_state = RECORD_NONE;
	return &context;
}

void unmap_frame(void)
{
	ASAN_POISON_MEMORY_REGION(readable, current->linear);
	if (record_state == RECORD_RESERVED)
		die("a record was reserved and neither submitted nor discarded");
}

const struct packet *submitted_record(void)
{
	if (record_state != RECORD_SUBMITTED)
		return NULL;
	ASAN_UNPOISON_MEMORY_REGION(record, record_size);
	return (const struct packet *)record;
}

__u64 bpf_xdp_get_buff_len(struct xdp_md *ctx)
{
	(void)ctx;
	return current->length;
}

long bpf_xdp_load_bytes(struct xdp_md *ctx, __u32 offset, void *to, __u32 size)
{
	__u32 first;

	(void)ctx;
	if (offset > XDP_POINTER_MAX || size > XDP_POINTER_MAX)
		return -EFAULT;
	if (offset + size > current->length)
		return -EINVAL;
	first = offset < current->linear ? current->linear - offset : 0;
	if (first > size)
		first = size;
	memcpy(to, writable + offset, first);
	memcpy((__u8 *)to + first, current->bytes + offset + first, size - first);
	return 0;
}

void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags)
{
	(void)ring;
	if (record_state != RECORD_NONE || size > RECORD_MAX || flags)
		die("reservation of %llu bytes, flags %#llx", size, flags);
	if (current->fault == FAULT_RING_FULL)
		return NULL;
	record_size = size;
	record_state = RECORD_RESERVED;
	ASAN_UNPOISON_MEMORY_REGION(record, size);
	return record;
}

static void end_reservation(void *of, enum record_state state)
{
	if (of != record || record_state != RECORD_RESERVED)
		die("submitted or discarded what was not reserved");
	ASAN_POISON_MEMORY_REGION(record, record_size);
	record_state = state;
}

void bpf_ringbuf_submit(void *of, __u64 flags)
{
	(void)flags;
	end_reservation(of, RECORD_SUBMITTED);
}

void bpf_ringbuf_discard(void *of, __u64 flags)
{
	(void)flags;
	end_reservation(of, RECORD_NONE);
}
