/* Structure-aware edits: each is one thing that a real or a hostile sender might do. */
#include "edits.h"

#include <string.h>

#include <linux/if_ether.h>
#include <netinet/in.h>

#include <asm/byteorder.h>

#include "layers.h"
#include "policies.h"

#define SET(kind) (1u << (kind))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BE16(x) __constant_cpu_to_be16(x)
#define PICK(dice, array) ((array)[dice_below(dice, COUNT(array))])

/* What an edit works on. */
struct edit {
	struct plan *plan;
	struct draft *draft;
	struct layers layers;
	struct dice *dice;
};

__u32 dice_below(struct dice *dice, __u32 n)
{
	__u64 z = dice->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % n;
}

static const struct layer *any_layer(struct edit *edit, __u32 kinds)
{
	return pick_layer(&edit->layers, kinds, dice_below(edit->dice, LAYERS_MAX));
}

static void fill(struct edit *edit, __u8 *bytes, __u32 size)
{
	for (__u32 i = 0; i < size; i++)
		bytes[i] = dice_below(edit->dice, 256);
}

static void insert_vlan(struct edit *edit)
{
	static const __u16 types[] = { ETH_P_8021Q, ETH_P_8021Q, ETH_P_8021AD };
	const struct layer *layer = any_layer(edit, SET(LAYER_ETHERNET) | SET(LAYER_VLAN));
	__u16 type = PICK(edit->dice, types);
	__u8 tag[4] = { type >> 8, type };

	fill(edit, tag + 2, 2);
	if (layer)
		draft_insert(edit->draft, layer->offset + layer->size - 2, tag, sizeof(tag));
}

static void remove_layer(struct edit *edit)
{
	const struct layer *layer = any_layer(edit, SET(LAYER_KINDS) - 1);

	if (layer && layer->kind == LAYER_VLAN)
		draft_remove(edit->draft, layer->offset - 2, layer->size);
	else if (layer)
		draft_remove(edit->draft, layer->offset, layer->size);
}

static void set_ethertype(struct edit *edit)
{
	static const __u16 types[] = { ETH_P_IP,     ETH_P_IPV6, ETH_P_ARP, ETH_P_8021Q, ETH_P_8021AD,
				       ETH_P_MPLS_UC, 0x6558,    0x0600,    0x05ff,      46 };
	const struct layer *layer = any_layer(edit, SET(LAYER_ETHERNET) | SET(LAYER_VLAN) | SET(LAYER_GENEVE));

	if (!layer)
		return;
	if (layer->kind == LAYER_GENEVE)
		draft_set16(edit->draft, layer->offset + 2, PICK(edit->dice, types));
	else
		draft_set16(edit->draft, layer->offset + layer->size - 2, PICK(edit->dice, types));
}

static void insert_ipv4_options(struct edit *edit)
{
	const struct layer *layer = any_layer(edit, SET(LAYER_IPV4));
	__u32 words = 1 + dice_below(edit->dice, 10);
	__u8 options[40];

	if (!layer || layer->size / 4 + words > 15)
		return;
	fill(edit, options, sizeof(options));
	if (draft_insert(edit->draft, layer->offset + layer->size, options, 4 * words))
		edit->draft->bytes[layer->offset] += words;
}

static void insert_ipv6_extension(struct edit *edit)
{
	static const __u8 kinds[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS,
				      IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_AH };
	const struct layer *layer = any_layer(edit, SET(LAYER_IPV6) | SET(LAYER_EXTENSION));
	__u32 units = dice_below(edit->dice, 3);
	__u8 header[24] = {};
	__u32 next;

	if (!layer)
		return;
	next = layer->offset + (layer->kind == LAYER_IPV6 ? 6 : 0);
	header[0] = edit->draft->bytes[next];
	header[1] = units;
	if (dice_below(edit->dice, 4) == 0)
		fill(edit, header + 2, 2);
	if (draft_insert(edit->draft, layer->offset + layer->size, header, 8 + 8 * units))
		edit->draft->bytes[next] = PICK(edit->dice, kinds);
}

static void set_fragment(struct edit *edit)
{
	static const __u16 fields[] = { 0, 0x2000, 0x4000, 0x2001, 1, 0x1fff, 0x8000 };
	const struct layer *layer = any_layer(edit, SET(LAYER_IPV4));

	if (layer)
		draft_set16(edit->draft, layer->offset + 6, PICK(edit->dice, fields));
}

/* Where the length field of an IPv4, IPv6 or UDP header is. */
static __u32 length_field(const struct layer *layer)
{
	return layer->offset + (layer->kind == LAYER_IPV4 ? 2 : 4);
}

static void nudge_length(struct edit *edit)
{
	static const __u16 lengths[] = { 0, 7, 8, 19, 20, 0xffff };
	const struct layer *layer = any_layer(edit, SET(LAYER_IPV4) | SET(LAYER_IPV6) | SET(LAYER_UDP));

	if (!layer)
		return;
	if (dice_below(edit->dice, 4) == 0)
		draft_set16(edit->draft, length_field(layer), PICK(edit->dice, lengths));
	else
		draft_add16(edit->draft, length_field(layer), (int)dice_below(edit->dice, 41) - 20);
}

static void set_port(struct edit *edit)
{
	static const __u16 ports[] = { 4789, 6081, 8472, 53, 0 };
	const struct layer *layer = any_layer(edit, SET(LAYER_UDP));

	if (layer)
		draft_set16(edit->draft, layer->offset + 2, PICK(edit->dice, ports));
}

/* What the rules of a filter look at: the values are those of judges/cast.go, or near them. */
static void set_ports(struct edit *edit)
{
	static const __u16 ports[] = { 0, 1, 22, 53, 80, 443, 444, 1023, 1024, 8080, 65534, 65535 };
	const struct layer *layer = any_layer(edit, SET(LAYER_UDP) | SET(LAYER_TRANSPORT));

	if (layer)
		draft_set16(edit->draft, layer->offset + 2 * dice_below(edit->dice, 2), PICK(edit->dice, ports));
}

static void set_protocol(struct edit *edit)
{
	static const __u8 protocols[] = { IPPROTO_TCP,    IPPROTO_UDP,  IPPROTO_SCTP, IPPROTO_ICMP,
					  IPPROTO_ICMPV6, IPPROTO_GRE, IPPROTO_HOPOPTS };
	const struct layer *layer = any_layer(edit, SET(LAYER_IPV4) | SET(LAYER_IPV6) | SET(LAYER_EXTENSION));
	__u32 at;

	if (!layer)
		return;
	at = layer->kind == LAYER_IPV4 ? 9 : layer->kind == LAYER_IPV6 ? 6 : 0;
	edit->draft->bytes[layer->offset + at] = PICK(edit->dice, protocols);
}

/* Flags, version, lengths and VNI: any byte of a tunnel's header or option. */
static void edit_tunnel(struct edit *edit)
{
	static const __u8 bytes[] = { 0, 1, 2, 8, 0x3f, 0x40, 0x88, 0xff };
	const struct layer *layer = any_layer(edit, SET(LAYER_VXLAN) | SET(LAYER_GENEVE) | SET(LAYER_OPTION));

	if (layer)
		edit->draft->bytes[layer->offset + dice_below(edit->dice, layer->size)] = PICK(edit->dice, bytes);
}

static void insert_geneve_option(struct edit *edit)
{
	static const __u16 classes[] = { 0x0108, 0x0108, 0x0108, 0x0107, 0xffff };
	const struct layer *geneve = any_layer(edit, SET(LAYER_GENEVE));
	__u8 option[4 + 4 * 4];
	__u32 words = dice_below(edit->dice, 5);
	__u16 class = PICK(edit->dice, classes);

	if (!geneve)
		return;
	fill(edit, option, sizeof(option));
	option[0] = class >> 8;
	option[1] = class;
	option[2] = 1 + dice_below(edit->dice, 3) / 2;
	option[3] = (option[3] & 0xe0) | words;
	if (dice_below(edit->dice, 2)) {
		option[2] = 1;
		option[3] = words = 2;
	}
	if (dice_below(edit->dice, 8) == 0)
		option[3] = dice_below(edit->dice, 256);
	if (draft_insert(edit->draft, geneve->offset + geneve->size, option, 4 + 4 * words))
		edit->draft->bytes[geneve->offset] += 1 + words;
}

/* What a Gateway Load Balancer does: the IP packet goes into a GENEVE, whose IP packet takes its place. */
static void wrap_in_geneve(struct edit *edit)
{
	static const __u8 wrapping[36] = {
		0x45, 0, 0, 0, 0, 0, 0, 0, 64, IPPROTO_UDP, 0, 0, 10, 0, 0, 9, 10, 0, 0, 8,
		0xc0, 0, 6081 >> 8, 6081 & 0xff, 0, 0, 0, 0,
	};
	const struct layer *ip = pick_layer(&edit->layers, SET(LAYER_IPV4) | SET(LAYER_IPV6), 0);

	if (!ip || !draft_insert(edit->draft, ip->offset, wrapping, sizeof(wrapping)))
		return;
	draft_set16(edit->draft, ip->offset + 30, ip->kind == LAYER_IPV4 ? ETH_P_IP : ETH_P_IPV6);
	draft_set16(edit->draft, ip->offset - 2, ETH_P_IP);
}

/* Gives one packet an address that another has, so that a direction is known by it. */
static void copy_ip_address(struct edit *edit)
{
	__u32 kind = dice_below(edit->dice, 2) ? LAYER_IPV4 : LAYER_IPV6;
	const struct layer *from = any_layer(edit, SET(kind)), *to = any_layer(edit, SET(kind));
	__u32 size = kind == LAYER_IPV4 ? 4 : 16;
	__u32 source = kind == LAYER_IPV4 ? 12 : 8;

	if (!from)
		return;
	memmove(edit->draft->bytes + to->offset + source + dice_below(edit->dice, 2) * size,
		edit->draft->bytes + from->offset + source, size);
}

static void copy_mac(struct edit *edit)
{
	const struct layer *from = any_layer(edit, SET(LAYER_ETHERNET)), *to = any_layer(edit, SET(LAYER_ETHERNET));

	if (!from)
		return;
	memmove(edit->draft->bytes + to->offset + dice_below(edit->dice, 2) * ETH_ALEN,
		edit->draft->bytes + from->offset + dice_below(edit->dice, 2) * ETH_ALEN, ETH_ALEN);
}

/* Somewhere in the frame: mostly a few bytes from where a layer begins. */
static __u32 any_place(struct edit *edit)
{
	const struct layer *layer = any_layer(edit, SET(LAYER_KINDS) - 1);
	__u32 place;

	if (!layer || dice_below(edit->dice, 4) == 0)
		return dice_below(edit->dice, edit->draft->length + 1);
	place = layer->offset + dice_below(edit->dice, layer->size + 4);
	return place < edit->draft->length ? place : edit->draft->length;
}

static void cut(struct edit *edit)
{
	draft_remove(edit->draft, any_place(edit), DRAFT_ROOM);
}

static void append_trailer(struct edit *edit)
{
	static const __u8 trailer[16];

	draft_insert(edit->draft, edit->draft->length, trailer, 1 + dice_below(edit->dice, sizeof(trailer)));
}

static void set_linear(struct edit *edit)
{
	edit->draft->linear = dice_below(edit->dice, 4) ? any_place(edit) : edit->draft->length;
}

static void set_fault(struct edit *edit)
{
	edit->draft->fault = dice_below(edit->dice, FAULT_MAX);
}

static void repair(struct edit *edit)
{
	repair_lengths(edit->draft, &edit->plan->config);
}

static void edit_bytes(struct edit *edit)
{
	struct draft *draft = edit->draft;

	draft->length = mutate_bytes(draft->bytes, draft->length, DRAFT_ROOM);
	if (draft->linear > draft->length)
		draft->linear = draft->length;
}

void repair_lengths(struct draft *draft, const struct config *config)
{
	struct layers layers;

	find_layers(draft, config, &layers);
	for (__u32 i = 0; i < layers.count; i++) {
		const struct layer *layer = &layers.list[i];
		__u32 rest = draft->length - layer->offset;

		if (layer->kind == LAYER_IPV4 || layer->kind == LAYER_UDP)
			draft_set16(draft, length_field(layer), rest);
		else if (layer->kind == LAYER_IPV6)
			draft_set16(draft, length_field(layer), rest - layer->size);
	}
}

void make_draft(struct draft *draft)
{
	static const __u8 packet[] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0, /* Ethernet */
		0x45, 0, 0, 84, 0, 0, 0, 0, 64, IPPROTO_UDP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
		0xc0, 0, 4789 >> 8, 4789 & 0xff, 0, 64, 0, 0,
		8, 0, 0, 0, 0, 0, 7, 0, /* VXLAN */
		2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 4, 0x08, 0,
		0x45, 0, 0, 34, 0, 0, 0, 0, 64, IPPROTO_TCP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 3,
	};

	memset(draft, 0, sizeof(*draft));
	memcpy(draft->bytes, packet, sizeof(packet));
	draft->length = draft->linear = sizeof(packet) + 14;
}

static void edit_order(struct plan *plan, struct dice *dice)
{
	struct draft *to = &plan->frames[dice_below(dice, PLAN_FRAMES)];

	if (plan->frame_count < PLAN_FRAMES)
		to = &plan->frames[plan->frame_count++];
	if (plan->frame_count == 1 || dice_below(dice, 8) == 0)
		make_draft(to);
	else
		*to = plan->frames[dice_below(dice, plan->frame_count)];
	if (dice_below(dice, 3) == 0)
		plan->frame_count = 1 + dice_below(dice, plan->frame_count);
}

/* All frames are judged by one policy, or those from some frame on by another. */
static void edit_policies(struct plan *plan, struct dice *dice)
{
	__u32 policy = dice_below(dice, POLICIES_MAX);
	__u32 from = dice_below(dice, 2) ? 0 : dice_below(dice, PLAN_FRAMES);

	for (__u32 i = from; i < plan->frame_count; i++)
		plan->frames[i].policy = policy;
}

/* Few settings, so that the kernel need not load a program for every input. */
static void edit_settings(struct plan *plan, struct dice *dice)
{
	static const __u32 snap_lengths[] = { LIMIT_SNAP_LENGTH, ETH_HLEN, ETH_HLEN + 1, 128 };
	static const __be16 vxlan[2][LIMIT_PORTS] = { { BE16(4789) }, { BE16(8472), BE16(4789), BE16(6081) } };
	static const __be16 geneve[LIMIT_PORTS] = { BE16(6081) };

	plan->config.snap_length = PICK(dice, snap_lengths);
	memcpy(plan->config.vxlan_ports, PICK(dice, vxlan), sizeof(plan->config.vxlan_ports));
	memcpy(plan->config.geneve_ports, geneve, sizeof(geneve));
}

void edit_plan(struct plan *plan, struct dice *dice)
{
	static void (*const edits[])(struct edit *) = {
		insert_vlan,   remove_layer,   set_ethertype,        insert_ipv4_options, insert_ipv6_extension,
		set_fragment,  nudge_length,   set_port,             edit_tunnel,         insert_geneve_option,
		copy_mac,      wrap_in_geneve, copy_ip_address,      cut,                 append_trailer,
		set_linear,    set_fault,      repair,               edit_bytes,          set_ports,
		set_protocol,
	};
	struct edit edit = { .plan = plan, .dice = dice };
	__u32 kind = dice_below(dice, COUNT(edits) + 6);

	if (!plan->config.vxlan_ports[0] || kind == COUNT(edits)) {
		edit_settings(plan, dice);
		return;
	}
	if (!plan->frame_count || kind > COUNT(edits) + 2) {
		edit_order(plan, dice);
		return;
	}
	if (kind > COUNT(edits)) {
		edit_policies(plan, dice);
		return;
	}
	edit.draft = &plan->frames[dice_below(dice, plan->frame_count)];
	find_layers(edit.draft, &plan->config, &edit.layers);
	edits[kind](&edit);
	if (dice_below(dice, 2))
		repair(&edit);
}
