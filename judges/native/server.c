/*
 * Judges sequences for a process at the other end of its standard input and
 * output. Little endian, packed. Question: __u32 size, then policies of so many
 * bytes, or none if those of the question before still stand; __u32 size, then a
 * sequence of so many bytes. Answer: __u32 size, then for each frame a struct answer and, if
 * it was recorded, a struct packet and the captured bytes; then struct accounts,
 * the overflow's struct session_count, __u32 count and so many struct
 * session_state, __u32 count and so many struct stranger_state. judges/native.go
 * is the other end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_ether.h>

#include "check.h"
#include "policies.h"
#include "sequence.h"

struct answer {
	__u8 outcome;
	__u8 verdict; /* enum xdp_action */
	__u8 recorded;
	__u8 _pad;
};

struct buffer {
	__u8 *bytes;
	size_t used;
	size_t room;
};

static void reserve(struct buffer *buffer, size_t size)
{
	if (buffer->used + size <= buffer->room)
		return;
	buffer->room = 2 * (buffer->used + size);
	buffer->bytes = realloc(buffer->bytes, buffer->room);
	if (!buffer->bytes)
		die("no memory for %zu bytes", buffer->room);
}

static void append(struct buffer *buffer, const void *bytes, size_t size)
{
	reserve(buffer, size);
	memcpy(buffer->bytes + buffer->used, bytes, size);
	buffer->used += size;
}

static void answer_frame(struct buffer *out, const struct frame_input *input)
{
	struct run run = judge_run(input);
	struct answer answer = { .verdict = run.verdict, .recorded = run.record != NULL };
	__u32 bytes;

	answer.outcome = check_run(input, &run);
	append(out, &answer, sizeof(answer));
	if (!run.record)
		return;
	bytes = run.record->captured - (run.record->ethertype ? ETH_HLEN : 0);
	append(out, run.record, sizeof(*run.record) + bytes);
}

static void answer_ledger(struct buffer *out)
{
	struct session_state session;
	struct stranger_state stranger;
	__u32 count = 0;

	append(out, judge_accounts(), sizeof(struct accounts));
	append(out, judge_overflow(), sizeof(struct session_count));
	while (judge_session(count, &session))
		count++;
	append(out, &count, sizeof(count));
	for (__u32 i = 0; judge_session(i, &session); i++)
		append(out, &session, sizeof(session));
	count = 0;
	while (judge_stranger(count, &stranger))
		count++;
	append(out, &count, sizeof(count));
	for (__u32 i = 0; judge_stranger(i, &stranger); i++)
		append(out, &stranger, sizeof(stranger));
}

static void answer(struct buffer *out, const struct buffer *question)
{
	static struct sequence sequence;
	struct frame_input input;

	sequence_open(&sequence, question->bytes, question->used);
	judge_load(&sequence.config);
	check_start(&sequence.config);
	while (sequence_next(&sequence, &input))
		answer_frame(out, &input);
	check_end();
	answer_ledger(out);
}

/* False at the end of the input, which may come before the first byte only. */
static bool read_all(void *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(STDIN_FILENO, (__u8 *)to + done, size - done);

		if (n < 0 || (!n && done))
			die("read question: %s", n ? strerror(errno) : "end of input");
		if (!n)
			return false;
		done += n;
	}
	return true;
}

/* Reads a size and as many bytes; false at the end of the input. */
static bool read_sized(struct buffer *into)
{
	__u32 size;

	if (!read_all(&size, sizeof(size)))
		return false;
	into->used = 0;
	reserve(into, size);
	if (size && !read_all(into->bytes, size))
		die("read question: end of input");
	into->used = size;
	return true;
}

static void write_all(const void *from, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(STDOUT_FILENO, (const __u8 *)from + done, size - done);

		if (n < 0)
			die("write answer: %s", strerror(errno));
		done += n;
	}
}

int main(void)
{
	struct buffer question = {}, out = {};
	__u32 size = 0;

	while (read_sized(&question)) {
		if (question.used)
			policies_load(question.bytes, question.used);
		if (!read_sized(&question))
			die("read question: end of input");
		out.used = 0;
		append(&out, &size, sizeof(size));
		answer(&out, &question);
		size = out.used - sizeof(size);
		memcpy(out.bytes, &size, sizeof(size));
		write_all(out.bytes, out.used);
	}
	free(question.bytes);
	free(out.bytes);
	return EXIT_SUCCESS;
}
