/*
 * What the judges are not asked: no policy of theirs has a veth, so no frame is
 * changed or sent elsewhere. (loader/handover_test.go compares that with the
 * reference, on the kernel.)
 */
#include <bpf/bpf_helpers.h>

#include "judge.h"

long bpf_xdp_adjust_head(struct xdp_md *ctx, int by)
{
	die("the head of a frame is moved by %d", by);
}

long bpf_xdp_adjust_tail(struct xdp_md *ctx, int by)
{
	die("the tail of a frame is moved by %d", by);
}

long bpf_xdp_adjust_meta(struct xdp_md *ctx, int by)
{
	die("a frame is given %d bytes of metadata", by);
}

long bpf_redirect_map(void *map, __u64 key, __u64 flags)
{
	die("a frame is redirected by key %llu, flags %#llx", key, flags);
}
