/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hands a copy of the inner frame to user space, through the ring of this CPU. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "config.h"
#include "frame.h"
#include "headers.h"
#include "maps.h"

/*
 * Room for a record of `size` (a constant) bytes in the ring, or else in what is behind it;
 * NULL if both are full. The reader puts the records of both in order by their times.
 */
static __always_inline void *reserve(void *ring, __u64 size)
{
	void *record = bpf_ringbuf_reserve(ring, size, 0);
	__u32 cpu;

	if (record)
		return record;
	cpu = bpf_get_smp_processor_id();
	ring = bpf_map_lookup_elem(&spills, &cpu);
	return ring ? bpf_ringbuf_reserve(ring, size, 0) : NULL;
}

static __always_inline enum ring_loss copy_out(void *ring, const struct frame *frame, const struct packet *packet,
					       __u32 bytes, __u32 room)
{
	struct packet *record = reserve(ring, sizeof(*record) + room);
	__u32 last = bytes - 1;

	if (!record)
		return RING_LOSS_RING_FULL;
	*record = *packet;
	/*
	 * Both bounds of the length in one comparison: the verifier of Linux 6.1
	 * learns none from `bytes != 0`. Of no bytes, `last` is past any room.
	 */
	asm volatile("" : "+r"(last));
	if (last < room && bpf_xdp_load_bytes(frame->ctx, packet->offset, record + 1, last + 1)) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		return RING_LOSS_COPY_FAILED;
	}
	bpf_ringbuf_submit(record, 0);
	return RING_LOSS_MAX;
}

/* How much of the inner frame is kept: as little as anybody says. */
static __always_inline __u32 snap(const struct packet *packet, const struct session_policy *wanted,
				  const struct headers *headers)
{
	__u32 length = packet->arrived;

	if (length > cfg.snap_length)
		length = cfg.snap_length;
	if (length > wanted->snap_length)
		length = wanted->snap_length;
	if (wanted->snap_headers && headers && length > headers->end)
		length = headers->end;
	return length;
}

/* Fills time, outputs and captured. RING_LOSS_MAX: the record is in the ring, or only veths get the packet. */
static __always_inline enum ring_loss deliver(const struct frame *frame, const struct session_policy *wanted,
					      const struct headers *headers, struct packet *packet)
{
	__u32 cpu, bytes;
	void *ring;

	packet->outputs = wanted->outputs & ~wanted->veths;
	if (wanted->veths && !packet->outputs)
		return RING_LOSS_MAX;
	cpu = bpf_get_smp_processor_id();
	ring = bpf_map_lookup_elem(&rings, &cpu);
	if (!ring)
		return RING_LOSS_RING_MISSING;
	packet->time = bpf_ktime_get_ns();
	packet->captured = snap(packet, wanted, headers);
	bytes = packet->captured;
	/* The made-up header is not copied. That it is always there is not for the verifier to know. */
	if (packet->ethertype)
		bytes = bytes > ETH_HLEN ? bytes - ETH_HLEN : 0;
	if (bytes <= ROOM_HEADERS)
		return copy_out(ring, frame, packet, bytes, ROOM_HEADERS);
	if (bytes <= ROOM_SMALL)
		return copy_out(ring, frame, packet, bytes, ROOM_SMALL);
	if (bytes <= ROOM_MIDDLE)
		return copy_out(ring, frame, packet, bytes, ROOM_MIDDLE);
	if (bytes <= ROOM_ETHERNET)
		return copy_out(ring, frame, packet, bytes, ROOM_ETHERNET);
	if (bytes <= ROOM_JUMBO)
		return copy_out(ring, frame, packet, bytes, ROOM_JUMBO);
	return copy_out(ring, frame, packet, bytes, ROOM_ANY);
}
