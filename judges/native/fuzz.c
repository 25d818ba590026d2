/*
 * The libFuzzer program: judges sequences and checks what must hold of any
 * frame. Its corpus can be put before the other judges: see judges/run, -replay.
 * The policies are those of the file "policies" beside the program.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "edits.h"
#include "policies.h"
#include "sequence.h"

#define EDITS_AT_ONCE 4

size_t LLVMFuzzerMutate(__u8 *data, size_t size, size_t room);

__u32 mutate_bytes(__u8 *bytes, __u32 size, __u32 room)
{
	return LLVMFuzzerMutate(bytes, size, room);
}

/* Reads a whole file into memory that is the caller's to free. */
static __u8 *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	__u8 *bytes = NULL;
	long end = -1;

	if (file && !fseek(file, 0, SEEK_END))
		end = ftell(file);
	if (end > 0 && !fseek(file, 0, SEEK_SET))
		bytes = malloc(end);
	if (!bytes || fread(bytes, 1, end, file) != (size_t)end)
		die("read %s: %s", path, strerror(errno));
	fclose(file);
	*size = end;
	return bytes;
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
	const char *program = (*arguments)[0], *name = strrchr(program, '/');
	int directory = name ? name - program + 1 : 0;
	char path[4096];
	__u8 *bytes;
	size_t size;

	(void)count;
	if (snprintf(path, sizeof(path), "%.*spolicies", directory, program) >= (int)sizeof(path))
		die("find policies: the path of %s is too long", program);
	bytes = read_file(path, &size);
	policies_load(bytes, size);
	free(bytes);
	return 0;
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	static struct sequence sequence;
	struct frame_input input;

	sequence_open(&sequence, data, size);
	judge_load(&sequence.config);
	check_start(&sequence.config);
	while (sequence_next(&sequence, &input)) {
		struct run run = judge_run(&input);

		check_run(&input, &run);
	}
	check_end();
	return 0;
}

size_t LLVMFuzzerCustomMutator(__u8 *data, size_t size, size_t room, unsigned int seed)
{
	static struct plan plan;
	struct dice dice = { seed };

	plan_read(&plan, data, size);
	for (__u32 i = 1 + dice_below(&dice, EDITS_AT_ONCE); i; i--)
		edit_plan(&plan, &dice);
	return plan_write(&plan, data, room);
}

/* Takes each frame from the one or the other. */
size_t LLVMFuzzerCustomCrossOver(const __u8 *data, size_t size, const __u8 *other_data, size_t other_size, __u8 *out,
				 size_t room, unsigned int seed)
{
	static struct plan plan, other;
	struct dice dice = { seed };

	plan_read(&plan, data, size);
	plan_read(&other, other_data, other_size);
	for (__u32 i = 0; i < other.frame_count; i++) {
		if (dice_below(&dice, 2))
			continue;
		plan.frames[i] = other.frames[i];
		if (i == plan.frame_count)
			plan.frame_count++;
	}
	return plan_write(&plan, out, room);
}
