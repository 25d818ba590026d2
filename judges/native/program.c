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
#include "judge.h"

#define SLOTS (4 * LIMIT_SESSIONS) /* a power of two */

struct entry {
	struct session_key key;
	struct session value;
	__u32 slot;
};

static struct {
	struct accounts accounts;
	__u32 given;
	struct entry sessions[LIMIT_SESSIONS];
	__u32 session_count;
	__u16 slots[SLOTS]; /* 0: free, else 1 + index in sessions */
	struct session_count counts[LIMIT_SESSIONS];
	__u32 vnis[LIMIT_VNIS];
	__u32 vni_count;
	enum fault fault;
} maps;

static void *array_value(const void *key, __u32 entries, void *values, __u32 size)
{
	__u32 index;

	memcpy(&index, key, sizeof(index));
	return index < entries ? (__u8 *)values + (size_t)index * size : NULL;
}

/* The slot that holds `key`, or the free one where it belongs. */
static __u32 slot_of(const struct session_key *key)
{
	__u32 hash = key->vni;

	for (int i = 0; i < 4; i++)
		hash = (hash ^ key->source[i]) * 0x9e3779b1u;
	for (__u32 slot = hash >> 16;; slot++) {
		__u16 at = maps.slots[slot % SLOTS];

		if (!at || !memcmp(&maps.sessions[at - 1].key, key, sizeof(*key)))
			return slot % SLOTS;
	}
}

static void *find_entry(const struct session_key *key)
{
	__u16 at = maps.slots[slot_of(key)];

	return at ? &maps.sessions[at - 1].value : NULL;
}

static void *find_vni(const __u32 *vni)
{
	for (__u32 i = 0; i < maps.vni_count; i++) {
		if (maps.vnis[i] == *vni)
			return &maps.vnis[i];
	}
	return NULL;
}

void *bpf_map_lookup_elem(void *map, const void *key)
{
	static struct ring ring;
	__u32 cpus = maps.fault == FAULT_RING_MISSING ? 0 : 1;

	if (map == &ledger)
		return array_value(key, 1, &maps.accounts, sizeof(maps.accounts));
	if (map == &sessions)
		return find_entry(key);
	if (map == &accounts_given)
		return array_value(key, 1, &maps.given, sizeof(maps.given));
	if (map == &session_counts)
		return array_value(key, LIMIT_SESSIONS, maps.counts, sizeof(maps.counts[0]));
	if (map == &wanted_vnis)
		return find_vni(key);
	if (map == &rings)
		return array_value(key, cpus, &ring, sizeof(ring));
	die("lookup in a map that program.c does not know");
}

long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags)
{
	struct entry *entry;
	__u32 slot;

	if (map != &sessions || flags != BPF_NOEXIST)
		die("update of a map that the program only reads, or flags %#llx", flags);
	slot = slot_of(key);
	if (maps.slots[slot])
		return -EEXIST;
	if (maps.session_count == LIMIT_SESSIONS)
		return -E2BIG;
	entry = &maps.sessions[maps.session_count++];
	memcpy(&entry->key, key, sizeof(entry->key));
	memcpy(&entry->value, value, sizeof(entry->value));
	entry->slot = slot;
	maps.slots[slot] = maps.session_count;
	return 0;
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

static void empty_maps(void)
{
	for (__u32 i = 0; i < maps.session_count; i++)
		maps.slots[maps.sessions[i].slot] = 0;
	memset(maps.counts, 0, (maps.given + 1) * sizeof(maps.counts[0]));
	memset(&maps.accounts, 0, sizeof(maps.accounts));
	maps.session_count = 0;
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

void judge_load(const struct config *config, const __u32 *vnis, __u32 count)
{
	if (count > LIMIT_VNIS)
		die("%u VNIs wanted", count);
	set_config(config);
	empty_maps();
	memcpy(maps.vnis, vnis, count * sizeof(*vnis));
	maps.vni_count = count;
}

struct run judge_run(const struct frame_input *input)
{
	struct xdp_md *ctx = map_frame(input);
	struct run run;

	maps.fault = input->fault;
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
	if (i >= maps.session_count)
		return false;
	*out = (struct session_state){
		.key = maps.sessions[i].key,
		.count = maps.counts[maps.sessions[i].value.account],
	};
	return true;
}

const struct session_count *judge_overflow(void)
{
	return &maps.counts[0];
}
