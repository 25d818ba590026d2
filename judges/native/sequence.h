/*
 * A sequence: a configuration and the frames that are judged under it, in
 * order, from empty maps. It is what the server is asked, what the fuzzer's
 * inputs are, and what a disagreement is saved as. Little endian, packed:
 *
 *	struct config config;             (abi.h)
 *	__u32 count, vnis[count];         wanted VNIs, at most LIMIT_VNIS
 *	then for each frame:
 *	__u32 length, linear, fault;      length of the frame, of its first buffer, enum fault
 *	__u8 bytes[length];
 *
 * Any input is a sequence: what is out of its range is brought into it, and a
 * frame that the input ends in is as long as what is there. judges/sequence.go
 * reads and writes the same.
 */
#pragma once

#include <stddef.h>

#include "judge.h"

struct frame_header {
	__u32 length;
	__u32 linear;
	__u32 fault;
};

struct sequence {
	struct config config;
	__u32 vnis[LIMIT_VNIS];
	__u32 count;
	const __u8 *next;
	const __u8 *end;
};

/* Reads all but the frames; `data` must outlive the sequence. */
void sequence_open(struct sequence *sequence, const void *data, size_t size);

/* Reads the next frame; false: there is none. */
bool sequence_next(struct sequence *sequence, struct frame_input *frame);
