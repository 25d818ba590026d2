/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What stands between an IPv6 header and what it carries. */
#pragma once

#include <linux/types.h>

#include <bpf/bpf_endian.h>

#include "abi.h"
#include "frame.h"

/* IPv6 extension headers that may precede UDP (RFC 8200). */
#define IPV6_HOP_BY_HOP 0
#define IPV6_ROUTING 43
#define IPV6_FRAGMENT 44
#define IPV6_DESTINATION 60

/* The offset part of an IPv6 fragment header's third and fourth byte (RFC 8200, 4.5). */
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 0x0001

enum fragment {
	FRAGMENT_NONE,
	FRAGMENT_FIRST, /* has the UDP header */
	FRAGMENT_LATER, /* has no ports */
};

/* Where a chain of IPv6 headers leads. */
struct chain {
	__u32 end;              /* behind the last extension header that was walked */
	__u32 id;               /* of the last fragment header walked, as read */
	__u8 next;              /* the first header that is no extension header, or that could not be walked */
	__u8 walked;            /* extension headers */
	__u8 last;              /* kind of the last one */
	enum fragment fragment; /* any fragment header, an atomic one too, makes the packet a fragment */
	bool is_atomic;         /* the last one was atomic: the whole datagram */
};

static __always_inline bool is_extension(__u8 header)
{
	return header == IPV6_HOP_BY_HOP || header == IPV6_ROUTING || header == IPV6_FRAGMENT ||
	       header == IPV6_DESTINATION;
}

/* How an IPv6 extension header begins (RFC 8200). */
struct extension {
	__u8 next;
	__u8 length;     /* in units of 8 bytes, less the first */
	__be16 fragment; /* of a fragment header: offset and flags */
};

/*
 * Walks the extension headers from `offset`, at most LIMIT_IPV6_EXTENSIONS, in a
 * frame of `length` bytes. What is behind a later fragment's header is that
 * fragment's payload. A function that the verifier proves once.
 */
__noinline int walk_extensions(struct xdp_md *ctx, __u32 length, __u32 next, __u32 offset, struct chain *out)
{
	struct frame frame = { .ctx = ctx, .length = length };
	const struct extension *extension;
	struct extension room FRAME_ROOM;
	const __be32 *id;
	__be32 id_room FRAME_ROOM;

	if (!out)
		return 0;
	out->end = offset;
	out->next = next;
#pragma clang loop unroll(disable)
	for (int i = 0; i < LIMIT_IPV6_EXTENSIONS; i++) {
		if (!is_extension(out->next) || out->fragment == FRAGMENT_LATER)
			break;
		extension = frame_at(&frame, out->end, &room, sizeof(room));
		if (!extension)
			break;
		out->last = out->next;
		out->walked++;
		if (out->next == IPV6_FRAGMENT) {
			out->fragment = extension->fragment & bpf_htons(IPV6_FRAGMENT_OFFSET) ? FRAGMENT_LATER :
												FRAGMENT_FIRST;
			out->is_atomic = !(extension->fragment & bpf_htons(IPV6_FRAGMENT_OFFSET | IPV6_MORE_FRAGMENTS));
			id = frame_at(&frame, out->end + 4, &id_room, sizeof(id_room));
			out->id = id ? *id : 0;
			out->end += 8;
		} else {
			out->end += 8 + 8 * extension->length;
		}
		out->next = extension->next;
	}
	return 0;
}
