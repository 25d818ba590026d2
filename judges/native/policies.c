/* Regions are of 4 MiB and mostly empty, so they are kept and cleaned as far as they were used. */
#include "policies.h"

#include <stdlib.h>
#include <string.h>

#include "judge.h"

#define REGIONS_KEPT 256

static struct image images[POLICIES_MAX];
static __u32 image_count;

static struct {
	struct region_lines *region;
	__u32 lines; /* that are in use */
} pool[REGIONS_KEPT];
static __u32 pooled; /* regions in use */

static const __u8 *next;
static size_t left;

static void take(void *to, size_t size)
{
	if (size > left)
		die("read policies: they end early");
	memcpy(to, next, size);
	next += size;
	left -= size;
}

static __u32 take_count(__u32 most)
{
	__u32 count;

	take(&count, sizeof(count));
	if (!count || count > most)
		die("read policies: a count of %u, at most %u are allowed", count, most);
	return count;
}

static struct region_lines *take_region(void)
{
	__u32 lines = take_count(REGION_LINES), before;
	struct region_lines *region;

	if (pooled == REGIONS_KEPT)
		die("read policies: more than %u regions", REGIONS_KEPT);
	if (!pool[pooled].region)
		pool[pooled].region = calloc(1, sizeof(*region));
	region = pool[pooled].region;
	if (!region)
		die("no memory for a region");
	take(region->lines, lines * sizeof(region->lines[0]));
	before = pool[pooled].lines;
	if (before > lines)
		memset(region->lines + lines, 0, (before - lines) * sizeof(region->lines[0]));
	pool[pooled++].lines = lines;
	return region;
}

void policies_load(const void *data, size_t size)
{
	next = data;
	left = size;
	pooled = 0;
	image_count = take_count(POLICIES_MAX);
	for (__u32 i = 0; i < image_count; i++) {
		images[i].count = take_count(REGION_MAX);
		for (__u32 j = 0; j < images[i].count; j++)
			images[i].regions[j] = take_region();
	}
	if (left)
		die("read policies: %zu bytes too many", left);
}

const struct image *policies_at(__u32 number)
{
	if (!image_count)
		die("there is no policy to judge by");
	return &images[number % image_count];
}

bool policies_drop_unknown(__u32 number)
{
	const struct region_lines *region = policies_at(number)->regions[0];

	return ((const struct policy_head *)&region->lines[REGION_HEAD_LINE])->drop_unknown;
}
