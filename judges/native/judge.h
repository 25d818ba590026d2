/*
 * The kernel program as a function of the host. It is compiled unchanged, with
 * sanitizers; program.c plays the kernel's maps, buffers.c its frames and ring.
 */
#pragma once

#include <stdbool.h>

#include "abi.h"

/* The longest frame: an IPv6 packet of 65,575 bytes, its link header, and something behind. */
#define FRAME_MAX (72 * 1024)

/* What goes wrong on the way to user space while one frame is judged. */
enum fault {
	FAULT_NONE,
	FAULT_RING_FULL,
	FAULT_RING_MISSING,
	FAULT_MAX,
};

struct frame_input {
	const __u8 *bytes;
	__u32 length; /* at most FRAME_MAX */
	__u32 linear; /* so many of them are in the first buffer, the rest in others */
	__u32 policy; /* that judges it: see policies_at. Another than the frame's before is a change of policy */
	enum fault fault;
};

struct run {
	int verdict;                 /* enum xdp_action */
	const struct packet *record; /* with its bytes behind it; NULL: none was submitted. Lasts until the next run */
};

/* One session's entry and account. */
struct session_state {
	struct session_key key;
	__u32 _pad;
	struct session_count count;
};

/* One unknown or denied session's entry. */
struct stranger_state {
	struct session_key key;
	__u32 _pad;
	struct stranger stranger;
};

/* Loads the program anew: its maps are empty. */
void judge_load(const struct config *config);

/* Judges one frame by the policy that it names. */
struct run judge_run(const struct frame_input *input);

/* The ledger since judge_load. */
const struct accounts *judge_accounts(void);

/* The sessions since judge_load, in order of arrival; false: there is no session i. */
bool judge_session(__u32 i, struct session_state *out);

/* Likewise, the unknown and denied sessions. */
bool judge_stranger(__u32 i, struct stranger_state *out);

/* The account of all sessions that came after the table was full. */
const struct session_count *judge_overflow(void);

/* Says what is wrong and aborts, for the sanitizers' and the fuzzer's report. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
