/* A hash map of the kernel's, as far as the program uses one: entries are looked up and added, all are removed at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

struct hashmap {
	const char *name;
	__u32 key_size;
	__u32 value_size; /* of 8-byte alignment */
	__u32 room;       /* entries, at most */
	__u32 count;
	__u8 *entries;    /* key, padding, value: in order of arrival */
	__u16 *slots;     /* 0: free, else 1 + number of the entry */
	__u32 mask;       /* slots, less one */
};

/* The value of `key`, or NULL. It stays where it is until hashmap_empty. */
void *hashmap_find(struct hashmap *map, const void *key);

/* Adds or, if the key is known, changes an entry; NULL, and nothing done, if there is no room. */
void *hashmap_put(struct hashmap *map, const void *key, const void *value);

/* The i-th entry that was added; false: there is none. */
bool hashmap_entry(const struct hashmap *map, __u32 i, const void **key, const void **value);

void hashmap_empty(struct hashmap *map);
