/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
//go:build ignore

/*
 * The packet generator. `generate` is run with live frames, each of which holds the
 * longest frame of the workload, and sends it into a veth pair when its time has come.
 * The kernel hands frames to the veth in lots; only then `make` makes of each frame
 * number `sequence` of the workload, so that those that a full veth refuses can be made
 * again and none is ahead of them. benchmarks/workload.go makes the same frames in Go,
 * and its test compares the two byte for byte.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MIX_MAX 16
#define LATE_MAX 50000 /* nanoseconds behind its time that the generator makes up for */

/*
 * Frames that wait for a receiver which is late, before one is lost: as many as the
 * ring of an ENA has descriptors, if nobody says otherwise (ENA_DEFAULT_RING_SIZE of
 * drivers/net/ethernet/amazon/ena/ena_netdev.h). A veth holds 256 of them
 * (VETH_RING_SIZE of drivers/net/veth.c), the generator the others.
 */
#define HELD_MAX (1024 - 256)
#define RETRY 5000 /* nanoseconds until a veth that was full is tried again */

/*
 * A size of frame. The sums are Internet checksums (RFC 1071) under way, of
 * 16-bit words as they lie in memory, with 0 where the program writes.
 */
struct size {
	__u32 frame;        /* bytes of the outer frame */
	__u32 outer_ip_sum;
	__u32 inner_ip_sum;
	__u32 udp_sum;      /* of the inner datagram and its pseudo-header */
};

struct workload {
	struct size mix[MIX_MAX]; /* frame n is of size n % mixed */
	__u32 mixed;
	__u32 flows;
	__u32 sessions;
	__be32 first_source;      /* outer source of session 0; the others follow */
	__be32 first_client;      /* inner source of flow 0; the others follow */
	__u32 first_vni;
	__u32 burst;              /* frames that leave together, as a network card hands them up */
};

/* Frozen when the program is loaded. */
volatile const struct workload cfg;

/* Read and written by user space between runs. One run at a time, on one CPU. */
struct progress {
	__u64 sequence; /* of the next frame to be made, and so the number of frames sent or lost */
	__u64 first;    /* of this run */
	__u64 limit;    /* where this run ends */
	__u64 interval; /* between frames, picoseconds; 0: as fast as it goes */
	__u64 first_at; /* CLOCK_MONOTONIC of this run's first frame, nanoseconds; 0: not yet */
	__u64 last_at;  /* of its last frame */
	__u64 began;    /* first_at, later by all that frames were put off */
	__u64 turns;    /* frames that could go off */
	__u64 lost;     /* frames that were never sent, since the receiver was too late for them */
	__u32 cpu;      /* that the generator has */
	__u32 queued;   /* frames that went off and are not made yet */
	__u32 made;     /* frames of the lot that the veth is about to be handed */
	__u32 is_full;  /* the veth was, when it was handed a lot last */
	__u32 is_late;  /* the receiver is: frames wait for it */
	__u32 _pad;
} run;

/* Where frames go. Key: 0. Value: interface index, and `make`. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} wire SEC(".maps");

/* What is in each inner UDP payload, in host byte order. */
struct stamp {
	__u64 sequence;
	__u32 flow;
	__u32 session;
	__u32 check;
} __attribute__((packed));

struct headers {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct udphdr udp;
	__be32 vxlan_flags;
	__be32 vxlan_vni;
	struct ethhdr inner_ethernet;
	struct iphdr inner_ip;
	struct udphdr inner_udp;
	struct stamp stamp;
} __attribute__((packed));

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static long is_time(__u32 turn, __u64 *due)
{
	return bpf_ktime_get_ns() >= *due;
}

static __always_inline void wait_until(__u64 due)
{
	bpf_loop(1 << 23, is_time, &due, 0);
}

/* The frame that goes off next, if none is refused. */
static __always_inline __u64 upcoming(void)
{
	return run.sequence + run.queued;
}

/* Gives frames up that would wait behind more than HELD_MAX others. */
static __always_inline void give_up(__u64 late)
{
	__u64 held = late * 1000 / run.interval;

	if (held <= HELD_MAX)
		return;
	held -= HELD_MAX;
	if (held > run.limit - upcoming())
		held = run.limit - upcoming();
	run.sequence += held;
	run.lost += held;
}

/*
 * Turns until the time of the next frame has come. If it passed long ago, since
 * something else had the CPU, all later frames are put off: to catch up would be
 * a burst that nobody asked for. But if it passed because the veth was full, frames
 * have come meanwhile, and wait.
 */
static __always_inline void await(void)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 due;

	if (!run.first_at)
		run.first_at = run.began = now;
	if (run.is_full) {
		run.is_full = 0;
		run.is_late = 1;
		wait_until(now + RETRY);
		now = bpf_ktime_get_ns();
	}
	due = run.began + (upcoming() - run.first) * run.interval / 1000;
	if (run.is_late && now > due) {
		give_up(now - due);
		return;
	}
	run.is_late = 0;
	if (now > due + LATE_MAX)
		run.began += now - due;
	else if (run.interval)
		wait_until(due);
}

static __always_inline __u32 check_of(const struct stamp *stamp)
{
	__u64 mixed = (stamp->sequence + 1) * 0x9e3779b97f4a7c15ull;

	mixed ^= ((__u64)stamp->flow << 32 | stamp->session) * 0xc2b2ae3d27d4eb4full;
	return mixed >> 32;
}

static __always_inline void write_outer(struct headers *headers, const volatile struct size *size,
					const struct stamp *stamp, __be32 source)
{
	headers->ip.tot_len = bpf_htons(size->frame - ETH_HLEN);
	headers->ip.saddr = source;
	headers->ip.check = fold((__u64)size->outer_ip_sum + source);
	headers->udp.source = bpf_htons(0xff80 | (stamp->flow & 0x7f));
	headers->udp.len = bpf_htons(size->frame - ETH_HLEN - sizeof(struct iphdr));
	/* Frames come back from whom they were sent to, who may have written over what he stripped. */
	headers->vxlan_flags = bpf_htonl(1 << 27);
	headers->vxlan_vni = bpf_htonl((cfg.first_vni + stamp->session) << 8);
}

static __always_inline void write_inner(struct headers *headers, const volatile struct size *size,
					const struct stamp *stamp, __be32 client, __be32 server)
{
	__u32 length = size->frame - __builtin_offsetof(struct headers, inner_ip);

	headers->inner_ip.tot_len = bpf_htons(length);
	headers->inner_ip.saddr = client;
	headers->inner_ip.daddr = server;
	headers->inner_ip.check = fold((__u64)size->inner_ip_sum + client + server);
	headers->inner_udp.len = bpf_htons(length - sizeof(struct iphdr));
	headers->stamp = *stamp;
	headers->inner_udp.check = fold((__u64)size->udp_sum + client + server + (__u32)stamp->sequence +
					(stamp->sequence >> 32) + stamp->flow + stamp->session + stamp->check);
}

static __always_inline bool write_frame(struct xdp_md *ctx, __u64 sequence)
{
	const volatile struct size *size = &cfg.mix[sequence % cfg.mixed % MIX_MAX];
	struct stamp stamp = { .sequence = sequence, .flow = sequence % cfg.flows };
	struct headers *headers;
	__be32 source, client;

	if (cfg.mixed > 1 && bpf_xdp_adjust_tail(ctx, (int)size->frame - (int)bpf_xdp_get_buff_len(ctx)))
		return false;
	headers = (void *)(long)ctx->data;
	if ((void *)(headers + 1) > (void *)(long)ctx->data_end)
		return false;
	stamp.session = stamp.flow % cfg.sessions;
	stamp.check = check_of(&stamp);
	source = bpf_htonl(bpf_ntohl(cfg.first_source) + stamp.session);
	client = bpf_htonl(bpf_ntohl(cfg.first_client) + stamp.flow);
	write_outer(headers, size, &stamp, source);
	write_inner(headers, size, &stamp, client, source);
	return true;
}

/*
 * Of frames that a program has changed, the kernel restores the length; of others it does
 * not, though `make` may have cut them. So those of a mix have a byte too much to be cut.
 */
static __always_inline bool restore(struct xdp_md *ctx)
{
	return cfg.mixed == 1 || !bpf_xdp_adjust_tail(ctx, -1);
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	bool begins_burst = run.turns++ % cfg.burst == 0;

	if (upcoming() >= run.limit)
		return XDP_DROP;
	run.cpu = bpf_get_smp_processor_id();
	if (begins_burst || run.is_full)
		await();
	if (upcoming() + 1 >= run.limit)
		run.last_at = bpf_ktime_get_ns();
	if (upcoming() >= run.limit || !restore(ctx))
		return XDP_DROP;
	run.queued++;
	return bpf_redirect_map(&wire, 0, 0);
}

SEC("xdp/devmap")
int make(struct xdp_md *ctx)
{
	run.queued--;
	if (!write_frame(ctx, run.sequence))
		return XDP_ABORTED;
	run.sequence++;
	run.made++;
	return XDP_PASS;
}

/* The veth has been handed a lot. Those that it refused, which are the last, are made again. */
SEC("raw_tracepoint/xdp_devmap_xmit")
int handed(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 accepted = ctx->args[2];

	if (bpf_get_smp_processor_id() != run.cpu || accepted > run.made)
		return 0;
	if (run.interval && accepted < run.made) {
		run.sequence -= run.made - accepted;
		run.is_full = 1;
	}
	run.made = 0;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
