/* What buffers.c gives to program.c: a frame where the program may read it, and a ring of one record. */
#pragma once

#include <linux/bpf.h>

#include "judge.h"

/* Lays out a frame for the program; unmap_frame makes it unreadable again. */
struct xdp_md *map_frame(const struct frame_input *input);
void unmap_frame(void);

/* The record that was submitted since map_frame, or NULL. Dies if one was reserved and then forgotten. */
const struct packet *submitted_record(void);
