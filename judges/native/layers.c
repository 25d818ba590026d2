/*
 * A loose reader of frames for the mutator. It is in nobody's interest that it
 * judges like the program: it only has to find most headers most of the time.
 */
#include "layers.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#include <asm/byteorder.h>

#define PORT_VXLAN 4789
#define PORT_GENEVE 6081
#define GENEVE_ETHERNET 0x6558

struct walk {
	const struct draft *draft;
	const struct config *config;
	struct layers *out;
	__u32 offset;
};

/* Takes a header of `size` bytes; false: the frame ends before, or there are too many. */
static bool take(struct walk *walk, enum layer_kind kind, __u32 size)
{
	if (walk->draft->length < walk->offset + size || walk->out->count == LAYERS_MAX)
		return false;
	walk->out->list[walk->out->count++] = (struct layer){ kind, walk->offset, size };
	walk->offset += size;
	return true;
}

/* A byte of the header ahead, 0 behind the frame's end. */
static __u8 peek(const struct walk *walk, __u32 at)
{
	at += walk->offset;
	return at < walk->draft->length ? walk->draft->bytes[at] : 0;
}

static __u16 peek16(const struct walk *walk, __u32 at)
{
	return peek(walk, at) << 8 | peek(walk, at + 1);
}

static bool is_one_of(__u16 port, const __be16 ports[LIMIT_PORTS])
{
	for (int i = 0; i < LIMIT_PORTS; i++) {
		if (ports[i] == __cpu_to_be16(port))
			return true;
	}
	return false;
}

/* Returns the EtherType of what follows. */
static __u16 walk_ethernet(struct walk *walk)
{
	__u16 type = peek16(walk, 2 * ETH_ALEN);

	if (!take(walk, LAYER_ETHERNET, ETH_HLEN))
		return 0;
	while (type == ETH_P_8021Q || type == ETH_P_8021AD) {
		type = peek16(walk, 2);
		if (!take(walk, LAYER_VLAN, 4))
			return 0;
	}
	return type;
}

/* Returns the IP protocol of what follows. */
static __u8 walk_ipv6(struct walk *walk)
{
	__u8 next = peek(walk, 6);

	if (!take(walk, LAYER_IPV6, 40))
		return 0;
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT || next == IPPROTO_DSTOPTS) {
		__u32 size = next == IPPROTO_FRAGMENT ? 8 : 8 + 8 * peek(walk, 1);

		next = peek(walk, 0);
		if (!take(walk, LAYER_EXTENSION, size))
			return 0;
	}
	return next;
}

static bool walk_to_udp(struct walk *walk, __u16 ethertype)
{
	__u8 protocol;

	if (ethertype == ETH_P_IP) {
		__u32 size = (peek(walk, 0) & 0xf) * 4;

		protocol = peek(walk, 9);
		if (size < 20 || !take(walk, LAYER_IPV4, size))
			return false;
	} else if (ethertype == ETH_P_IPV6) {
		protocol = walk_ipv6(walk);
	} else {
		return false;
	}
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_SCTP)
		take(walk, LAYER_TRANSPORT, 4);
	return protocol == IPPROTO_UDP;
}

/* Returns the protocol type of what follows. */
static __u16 walk_geneve(struct walk *walk)
{
	__u32 options = (peek(walk, 0) & 0x3f) * 4;
	__u16 protocol = peek16(walk, 2);
	__u32 end;

	if (!take(walk, LAYER_GENEVE, 8))
		return 0;
	end = walk->offset + options;
	while (walk->offset < end && take(walk, LAYER_OPTION, 4 + (peek(walk, 3) & 0x1f) * 4))
		;
	walk->offset = end;
	return protocol;
}

void find_layers(const struct draft *draft, const struct config *config, struct layers *out)
{
	struct walk walk = { .draft = draft, .config = config, .out = out };
	__u16 ethertype, port;

	out->count = 0;
	ethertype = walk_ethernet(&walk);
	while (walk_to_udp(&walk, ethertype)) {
		port = peek16(&walk, 2);
		if (!take(&walk, LAYER_UDP, 8))
			return;
		if (is_one_of(port, config->vxlan_ports) || port == PORT_VXLAN) {
			ethertype = GENEVE_ETHERNET;
			if (!take(&walk, LAYER_VXLAN, 8))
				return;
		} else if (is_one_of(port, config->geneve_ports) || port == PORT_GENEVE) {
			ethertype = walk_geneve(&walk);
		} else {
			return;
		}
		if (ethertype == GENEVE_ETHERNET)
			ethertype = walk_ethernet(&walk);
	}
}

const struct layer *pick_layer(const struct layers *layers, __u32 kinds, __u32 n)
{
	const struct layer *found[LAYERS_MAX];
	__u32 count = 0;

	for (__u32 i = 0; i < layers->count; i++) {
		if (kinds & 1u << layers->list[i].kind)
			found[count++] = &layers->list[i];
	}
	return count ? found[n % count] : NULL;
}
