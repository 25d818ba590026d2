#!/usr/bin/env bash
# Shows an IDS fed by xdpeel on this machine, with no AWS account: mirrored traffic of
# two instances arrives in one network namespace, where xdpeel strips it in the kernel
# and hands it to a veth; Suricata reads the veth's other end in another namespace, with
# a dozen rules. Prints the alerts and the ledger. Leaves nothing behind. Needs root.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" -eq 0 ] || { echo 'demo-suricata: needs root: sudo make demo-suricata' >&2; exit 1; }
scripts/install-deps.sh demo
scripts/install-suricata.sh
xdpeel=${XDPEEL:-./xdpeel}
[ -x "$xdpeel" ] || make build >/dev/null

work=$(mktemp -d)
source=xdpeel-source-$$ target=xdpeel-target-$$ ids=xdpeel-ids-$$
pids=()
clean_up() {
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
	done
	for namespace in "$source" "$target" "$ids"; do
		ip netns del "$namespace" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# await WHAT COMMAND...: tries until the command succeeds, for 20 seconds.
await() {
	local what=$1
	shift
	for _ in $(seq 200); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	echo "demo-suricata: $what: not after 20 s" >&2
	cat "$work"/*.log >&2
	exit 1
}

for namespace in "$source" "$target" "$ids"; do
	ip netns add "$namespace"
	ip netns exec "$namespace" sysctl -qw net.ipv6.conf.default.disable_ipv6=1
	ip -n "$namespace" link set lo up
done
ip -n "$source" link add mirror mtu 9001 type veth peer name ens5 mtu 9001 netns "$target"
ip -n "$source" link set mirror up
ip -n "$target" link set ens5 up

cat >"$work/xdpeel.yaml" <<YAML
interfaces: [ens5]
on_exit: detach
sessions:
  - {vni: 12345, source: 10.0.12.59, name: web-1}
  - {vni: 7340033, source: 10.0.7.20, name: db-1}
outputs:
  ids: {type: veth, interface: xdpeel0, peer: xdpeel0-ids, mtu: 9216, netns: $ids}
YAML
ip netns exec "$target" "$xdpeel" run --config "$work/xdpeel.yaml" 2>"$work/xdpeel.log" &
pids+=($!)
await 'xdpeel is ready' ip netns exec "$target" "$xdpeel" status

cat >"$work/suricata.yaml" <<YAML
%YAML 1.1
---
vars: {address-groups: {HOME_NET: "10.0.0.0/8", EXTERNAL_NET: "!\$HOME_NET"}}
af-packet:
  - {interface: xdpeel0-ids, threads: 1, cluster-id: 99, cluster-type: cluster_flow, checksum-checks: no}
stream: {midstream: true, async-oneside: true}
outputs:
  - fast: {enabled: yes, filename: fast.log}
  - stats: {enabled: yes, filename: stats, totals: yes, threads: no}
stats: {enabled: yes, interval: 1}
app-layer: {protocols: {http: {enabled: yes}, dns: {udp: {enabled: yes}}, tls: {enabled: yes}, pgsql: {enabled: yes}}}
YAML
ip netns exec "$ids" suricata -c "$work/suricata.yaml" -S scripts/demo.rules -l "$work" \
	--init-errors-fatal --runmode workers --af-packet >"$work/suricata.log" 2>&1 &
suricata=$!
pids+=("$suricata")
await 'Suricata is ready' grep -q 'Engine started' "$work/suricata.log"
echo "xdpeel feeds Suricata $(suricata -V | sed 's/.*version //; s/ .*//') on xdpeel0-ids; its rules: $(grep -c '^alert' scripts/demo.rules)"

go build -o "$work/play" ./lab/play
ip netns exec "$source" "$work/play" mirror
sleep 2 # Suricata counts once a second

echo
echo 'Alerts:'
kill "$suricata"
wait "$suricata" 2>/dev/null || true
sed -E -e 's/^[^ ]+ +\[\*\*\] \[[0-9:]+\] //' -e 's/ \[\*\*\].*\{([^}]*)\} /: \1 /' -e 's/ \[\*\*\].*//' "$work/fast.log" | sort | uniq -c
echo
echo "Suricata decoded $(awk -F'|' '/decoder.pkts/ {n=$3} END {print n+0}' "$work/stats") packets;" \
	"the kernel dropped $(awk -F'|' '/capture.kernel_drops/ {n=$3} END {print n+0}' "$work/stats"). The ledger:"
echo
ip netns exec "$target" "$xdpeel" status
