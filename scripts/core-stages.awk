# Says where the receiving core's time goes of `xdpeel capture` in the benchmarks, out of what
# `perf script -F comm,pid,ip,sym` prints, which it wants to be named twice: docs/performance.md.
BEGIN { RS = "" }
# The threads that receive for xdpeel, not for others.
NR == FNR { if (/napi_threaded_poll/ && /bpf_prog_[0-9a-f]+_xdpeel/) ours[$2]; next }
$2 in ours && /bpf_ringbuf_|bpf_xdp_load_bytes/ { n["ring, writing"]++; next }
$2 in ours && /bpf_prog_/ { n["program"]++; next }
$2 in ours && /veth_poll/ { n["veth and its frames"]++; next }
$2 in ours && /napi_threaded_poll/ { n["NAPI thread, switching"]++; next }
$1 ~ /^xdpeel/ && /irq_work|Reader\)\.wait/ { n["waking and waiting"]++; next }
/Reader\)\.Read/ { n["ring, reading"]++; next }
/pump/ && /vfs_write/ { n["file, writing"]++; next }
/pump/ && /File\)\.(Write|Flush)/ { n["file, blocks"]++; next }
END {
	for (s in n) all += n[s]
	for (s in n) printf "%-24s %4.1f %%\n", s, 100 * n[s] / all
}
