/*
 * The kernel program itself, and its maps. Maps are told apart by their
 * addresses; the values live here, those of per-CPU maps for the one CPU.
 */
#include "../../bpf/xdpeel.bpf.c"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "buffers.h"
#include "hashmap.h"
#include "judge.h"
#include "policies.h"

static struct {
	struct accounts accounts;
	__u32 given;
	struct session sessions[LIMIT_SESSIONS];
	struct recent recent;
	struct session_count counts[LIMIT_SESSIONS];
	struct headers scratch;
	const struct image *policy;
	enum fault fault;
} maps;

#define HASHMAP(map, key_type, value_type, entries)                                                   \
	{ .name = #map, .key_size = sizeof(key_type), .value_size = sizeof(value_type), .room = entries }

/*
 * The kernel's LRU maps have the least recently used entry make room for another.
 * Here a full one is the end: a sequence that fills it is none that the judges
 * could agree on, since the kernel's idea of the least recently used is its own.
 */
static struct hashmap session_entries = HASHMAP(session_accounts, struct session_key, __u32, LIMIT_SESSIONS);
static struct hashmap stranger_entries = HASHMAP(strangers, struct session_key, struct stranger, LIMIT_STRANGERS);
static struct hashmap fragment_entries = HASHMAP(fragments, struct datagram_key, __u32, LIMIT_FRAGMENTS);

static void *array_value(const void *key, __u32 entries, void *values, __u32 size)
{
	__u32 index;

	memcpy(&index, key, sizeof(index));
	return index < entries ? (__u8 *)values + (size_t)index * size : NULL;
}

/* The map of regions that is in `policies` is told from the others by the address of its image. */
static void *region_of(const void *key)
{
	__u32 index;

	memcpy(&index, key, sizeof(index));
	return index < maps.policy->count ? maps.policy->regions[index] : NULL;
}

static struct hashmap *hashmap_of(const void *map)
{
	if (map == &session_accounts)
		return &session_entries;
	if (map == &strangers)
		return &stranger_entries;
	if (map == &fragments)
		return &fragment_entries;
	return NULL;
}

void *bpf_map_lookup_elem(void *map, const void *key)
{
	static struct ring ring;
	__u32 cpus = maps.fault == FAULT_RING_MISSING ? 0 : 1;

	if (map == &ledger)
		return array_value(key, 1, &maps.accounts, sizeof(maps.accounts));
	if (map == &accounts_given)
		return array_value(key, 1, &maps.given, sizeof(maps.given));
	if (map == &sessions)
		return array_value(key, LIMIT_SESSIONS, maps.sessions, sizeof(maps.sessions[0]));
	if (map == &recent)
		return array_value(key, 1, &maps.recent, sizeof(maps.recent));
	if (map == &session_counts)
		return array_value(key, LIMIT_SESSIONS, maps.counts, sizeof(maps.counts[0]));
	if (map == &scratch)
		return array_value(key, 1, &maps.scratch, sizeof(maps.scratch));
	if (map == &policies)
		return array_value(key, 1, (void *)maps.policy, sizeof(*maps.policy));
	if (map == maps.policy)
		return region_of(key);
	if (map == &rings || map == &spills)
		return array_value(key, cpus, &ring, sizeof(ring));
	if (hashmap_of(map))
		return hashmap_find(hashmap_of(map), key);
	die("lookup in a map that program.c does not know");
}

long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags)
{
	struct hashmap *entries = hashmap_of(map);

	if (!entries || flags != (entries == &fragment_entries ? BPF_ANY : BPF_NOEXIST))
		die("update of a map that the program only reads, or flags %#llx", flags);
	if (flags == BPF_NOEXIST && hashmap_find(entries, key))
		return -EEXIST;
	if (hashmap_put(entries, key, value))
		return 0;
	if (entries != &session_entries)
		die("the map %s is full", entries->name);
	return -E2BIG;
}

__u32 bpf_get_smp_processor_id(void)
{
	return 0;
}

__u64 bpf_ktime_get_ns(void)
{
	static __u64 now;

	return ++now;
}

__u64 bpf_ktime_get_coarse_ns(void)
{
	return bpf_ktime_get_ns();
}

long bpf_loop(__u32 times, void *callback, void *context, __u64 flags)
{
	long (*step)(__u32 index, void *context) = callback;
	__u32 i = 0;

	if (flags)
		die("bpf_loop with flags %#llx", flags);
	while (i < times && !step(i++, context))
		;
	return i;
}

static void empty_maps(void)
{
	hashmap_empty(&session_entries);
	hashmap_empty(&stranger_entries);
	hashmap_empty(&fragment_entries);
	memset(maps.sessions, 0, (maps.given + 1) * sizeof(maps.sessions[0]));
	memset(&maps.recent, 0, sizeof(maps.recent));
	memset(maps.counts, 0, (maps.given + 1) * sizeof(maps.counts[0]));
	memset(&maps.accounts, 0, sizeof(maps.accounts));
	maps.given = 0;
}

/* Constants to the program, but not to its loader, who sets them and then freezes them. */
static void set_config(const struct config *config)
{
	unsigned long address = (unsigned long)&cfg;
	unsigned long page = address & -(unsigned long)getpagesize();
	size_t size = address + sizeof(cfg) - page;

	/* Else the compiler knows that it points to a constant, and drops the copy. */
	asm volatile("" : "+r"(address));
	if (!memcmp((void *)address, config, sizeof(cfg)))
		return;
	if (mprotect((void *)page, size, PROT_READ | PROT_WRITE) < 0)
		die("thaw the config: %s", strerror(errno));
	memcpy((void *)address, config, sizeof(cfg));
	if (mprotect((void *)page, size, PROT_READ) < 0)
		die("freeze the config: %s", strerror(errno));
}

void judge_load(const struct config *config)
{
	set_config(config);
	empty_maps();
}

struct run judge_run(const struct frame_input *input)
{
	struct xdp_md *ctx = map_frame(input);
	struct run run;

	maps.fault = input->fault;
	maps.policy = policies_at(input->policy);
	/* What the frame before left there is nobody's. */
	memset(&maps.scratch, 0xa5, sizeof(maps.scratch));
	run.verdict = xdpeel(ctx);
	unmap_frame();
	run.record = submitted_record();
	return run;
}

const struct accounts *judge_accounts(void)
{
	return &maps.accounts;
}

bool judge_session(__u32 i, struct session_state *out)
{
	const void *key, *value;

	if (!hashmap_entry(&session_entries, i, &key, &value))
		return false;
	*out = (struct session_state){
		.key = *(const struct session_key *)key,
		.count = maps.counts[*(const __u32 *)value],
	};
	return true;
}

bool judge_stranger(__u32 i, struct stranger_state *out)
{
	const void *key, *value;

	if (!hashmap_entry(&stranger_entries, i, &key, &value))
		return false;
	*out = (struct stranger_state){
		.key = *(const struct session_key *)key,
		.stranger = *(const struct stranger *)value,
	};
	return true;
}

const struct session_count *judge_overflow(void)
{
	return &maps.counts[0];
}
