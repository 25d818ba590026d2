/* Where the layers of a draft are, as well as a broken frame lets one guess. */
#pragma once

#include "draft.h"

#define LAYERS_MAX 48

enum layer_kind {
	LAYER_ETHERNET,  /* both addresses and the type */
	LAYER_VLAN,      /* control and the type behind it */
	LAYER_IPV4,      /* with its options */
	LAYER_IPV6,      /* the fixed header */
	LAYER_EXTENSION, /* one IPv6 extension header */
	LAYER_UDP,
	LAYER_TRANSPORT, /* the ports of TCP or SCTP */
	LAYER_VXLAN,
	LAYER_GENEVE,    /* the fixed header */
	LAYER_OPTION,    /* one GENEVE option */
	LAYER_KINDS,
};

struct layer {
	enum layer_kind kind;
	__u32 offset;
	__u32 size; /* all of it is in the draft */
};

struct layers {
	struct layer list[LAYERS_MAX];
	__u32 count;
};

/* A port of both is VXLAN's; if `config` knows it not, 4789 and 6081 are what AWS means by them. */
void find_layers(const struct draft *draft, const struct config *config, struct layers *out);

/* The n-th layer (modulo how many there are) that is of one of `kinds`, a set of 1 << kind; NULL: none is. */
const struct layer *pick_layer(const struct layers *layers, __u32 kinds, __u32 n);
