/*
 * A sequence: a configuration and the frames that are judged under it, in
 * order, from empty maps. It is what the server is asked, what the fuzzer's
 * inputs are, and what a disagreement is saved as. Little endian, packed:
 *
 *	struct config config;                  (abi.h)
 *	then for each frame:
 *	__u32 length, linear, fault, policy;   length of the frame, of its first buffer, enum fault, number
 *	__u8 bytes[length];
 *
 * Any input is a sequence: what is out of its range is brought into it, and a
 * frame that the input ends in is as long as what is there. The policies that
 * the numbers choose among are not in it (policies.h). judges/sequence.go reads
 * and writes the same.
 */
#pragma once

#include <stddef.h>

#include "judge.h"

struct frame_header {
	__u32 length;
	__u32 linear;
	__u32 fault;
	__u32 policy;
};

struct sequence {
	struct config config;
	const __u8 *next;
	const __u8 *end;
};

/* Reads all but the frames; `data` must outlive the sequence. */
void sequence_open(struct sequence *sequence, const void *data, size_t size);

/* Reads the next frame; false: there is none. */
bool sequence_next(struct sequence *sequence, struct frame_input *frame);
