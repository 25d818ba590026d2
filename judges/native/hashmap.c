/* Open addressing over entries in order of arrival, so that emptying the map takes no longer than filling it. */
#include "hashmap.h"

#include <stdlib.h>
#include <string.h>

#include "judge.h"

static size_t value_offset(const struct hashmap *map)
{
	return (map->key_size + 7) & ~7u;
}

static __u8 *entry(const struct hashmap *map, __u32 i)
{
	return map->entries + i * (value_offset(map) + map->value_size);
}

/* Twice as many slots as there may be entries, and a power of two. */
static void make(struct hashmap *map)
{
	map->mask = 1;
	while (map->mask < 2 * map->room)
		map->mask *= 2;
	map->slots = calloc(map->mask, sizeof(*map->slots));
	map->mask--;
	map->entries = calloc(map->room, value_offset(map) + map->value_size);
	if (!map->entries || !map->slots)
		die("no memory for the map %s", map->name);
}

/* The slot that holds `key`, or the free one where it belongs. */
static __u16 *slot_of(struct hashmap *map, const void *key)
{
	__u32 hash = 0;

	if (!map->entries)
		make(map);
	for (__u32 i = 0; i < map->key_size; i++)
		hash = (hash ^ ((const __u8 *)key)[i]) * 0x9e3779b1u;
	for (__u32 slot = hash >> 8;; slot++) {
		__u16 at = map->slots[slot & map->mask];

		if (!at || !memcmp(entry(map, at - 1), key, map->key_size))
			return &map->slots[slot & map->mask];
	}
}

void *hashmap_find(struct hashmap *map, const void *key)
{
	__u16 at = *slot_of(map, key);

	return at ? entry(map, at - 1) + value_offset(map) : NULL;
}

void *hashmap_put(struct hashmap *map, const void *key, const void *value)
{
	__u16 *slot = slot_of(map, key);

	if (!*slot) {
		if (map->count == map->room)
			return NULL;
		*slot = ++map->count;
		memcpy(entry(map, *slot - 1), key, map->key_size);
	}
	return memcpy(entry(map, *slot - 1) + value_offset(map), value, map->value_size);
}

bool hashmap_entry(const struct hashmap *map, __u32 i, const void **key, const void **value)
{
	if (i >= map->count)
		return false;
	*key = entry(map, i);
	*value = entry(map, i) + value_offset(map);
	return true;
}

void hashmap_empty(struct hashmap *map)
{
	for (; map->count; map->count--)
		*slot_of(map, entry(map, map->count - 1)) = 0;
}
