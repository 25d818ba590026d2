package host

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/loader"
)

// said is a finding in short: its level, its remedy and, in brackets, its undoing.
func said(findings []Finding) (lines []string) {
	for _, f := range findings {
		line := string(f.Level)
		if f.Remedy != "" {
			line += ": " + f.Remedy
		}
		if f.Undo != "" {
			line += " [" + f.Undo + "]"
		}
		if f.Found == "" || (f.Level != OK) != (f.Why != "") || (f.mend == nil) != (f.Undo == "") {
			line += fmt.Sprintf(" INCOMPLETE %+v", f)
		}
		lines = append(lines, line)
	}
	return lines
}

func feature(active, available bool) ethtool.FeatureState {
	return ethtool.FeatureState{Active: active, Available: available}
}

// judgement is what is said of made-up facts: what is good, and each thing that is not.
type judgement struct {
	name string
	got  []Finding
	want []string
}

func checkJudgements(t *testing.T, judgements []judgement) {
	t.Helper()
	for _, test := range judgements {
		if diff := cmp.Diff(test.want, said(test.got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// What drivers say of themselves.
var (
	nativeXDP     = xdpFeatures{bits: xdpBasic}
	fragmentedXDP = xdpFeatures{bits: xdpBasic | xdpFragments}
	noXDP         = xdpFeatures{}
)

// ena is an interface of EC2.
func ena(version string, channels, mtu int) *nic {
	return &nic{
		name: "ens5", driver: "ena", version: version, mtu: mtu, xdp: nativeXDP,
		channels: ethtool.Channels{MaxCombined: 8, CombinedCount: uint32(channels)},
	}
}

func withFeatures(driver string, generic bool, features map[string]ethtool.FeatureState) *nic {
	return &nic{name: "eth0", kind: "device", driver: driver, generic: generic, features: features}
}

// What the kernel is set to, and the directory of pins.
func TestJudgeKernel(t *testing.T) {
	t.Parallel()
	checkJudgements(t, []judgement{
		{"jit", jitFacts{enabled: 1, known: true}.judge(), []string{"ok"}},
		{"jit unseen", jitFacts{}.judge(), []string{"ok"}},
		{"jit off", jitFacts{known: true}.judge(), []string{"warning: sysctl -w net.core.bpf_jit_enable=1 [sysctl -w net.core.bpf_jit_enable=0]"}},
		{"jit hardened", jitFacts{enabled: 1, harden: 2, known: true}.judge(), []string{"warning: sysctl -w net.core.bpf_jit_harden=1 [sysctl -w net.core.bpf_jit_harden=2]"}},
		{"unprivileged", judgeUnprivileged(2), []string{"ok"}},
		{"unprivileged may", judgeUnprivileged(0), []string{"note: sysctl -w kernel.unprivileged_bpf_disabled=2 [sysctl -w kernel.unprivileged_bpf_disabled=0]"}},
		{"no pins", pinFacts{}.judge(), []string{"ok"}},
		{"bpffs", pinFacts{directory: "/sys/fs/bpf/xdpeel", mounted: true}.judge(), []string{"ok"}},
		{"no bpffs", pinFacts{directory: "/sys/fs/bpf/xdpeel"}.judge(), []string{"warning: mount -t bpf bpf /sys/fs/bpf [umount /sys/fs/bpf]"}},
		{"no bpffs elsewhere", pinFacts{directory: "/run/x"}.judge(), []string{"failure: mount -t bpf bpf DIRECTORY, or the key pins with one under /sys/fs/bpf"}},
		{"bpffs closed", pinFacts{directory: "/sys/fs/bpf/xdpeel", mounted: true, refused: unix.EACCES}.judge(),
			[]string{"failure: systemd-tmpfiles --create xdpeel.conf (deploy/systemd/xdpeel.tmpfiles), or run it as root"}},
	})
}

// An interface that is up or not, and whose driver knows XDP or not.
func TestJudgeDriver(t *testing.T) {
	t.Parallel()
	checkJudgements(t, []judgement{
		{"up", (&nic{name: "ens5", up: true, carrier: true}).judge(), []string{"ok"}},
		{"down", (&nic{name: "ens5"}).judge(), []string{"warning: ip link set dev ens5 up [ip link set dev ens5 down]"}},
		{"no carrier", (&nic{name: "ens5", up: true}).judge(), []string{"warning"}},
		{"native", (&nic{xdp: nativeXDP}).judgeDriver(loader.ModeAuto), []string{"ok"}},
		{"native unwanted", (&nic{xdp: nativeXDP}).judgeDriver(loader.ModeGeneric), []string{"note: mode: auto in the configuration"}},
		{"not native", (&nic{xdp: noXDP}).judgeDriver(loader.ModeAuto), []string{"warning"}},
		{"not native, wanted", (&nic{xdp: noXDP}).judgeDriver(loader.ModeNative), []string{"failure: mode: auto in the configuration, or --mode auto"}},
		{"known by name", (&nic{driver: "ena", kernel: release{6, 1}}).judgeDriver(loader.ModeNative), []string{"ok"}},
		{"known of a later kernel", (&nic{driver: "vmxnet3", kernel: release{6, 1}}).judgeDriver(loader.ModeAuto), []string{"warning"}},
		{"known of this kernel", (&nic{driver: "vmxnet3", kernel: release{6, 12}}).judgeDriver(loader.ModeAuto), []string{"ok"}},
		{"not known by name", (&nic{driver: "e1000"}).judgeDriver(loader.ModeAuto), []string{"warning"}},
	})
}

// An MTU that fits what the driver can receive, or not.
func TestJudgeMTU(t *testing.T) {
	t.Parallel()
	checkJudgements(t, []judgement{
		{"MTU in a buffer", ena("6.1.0", 4, 3494).judgeMTU(loader.ModeNative), []string{"ok"}},
		{"MTU over a buffer", ena("6.1.0", 4, 9001).judgeMTU(loader.ModeAuto), []string{"warning: ip link set dev ens5 mtu 3494 [ip link set dev ens5 mtu 9001]"}},
		{"MTU over a buffer, native", ena("6.1.0", 4, 9001).judgeMTU(loader.ModeNative), []string{"failure: ip link set dev ens5 mtu 3494 [ip link set dev ens5 mtu 9001]"}},
		{"MTU over a buffer, generic", ena("6.1.0", 4, 9001).judgeMTU(loader.ModeGeneric), []string{"ok"}},
		{"MTU with fragments", (&nic{mtu: 9001, xdp: fragmentedXDP}).judgeMTU(loader.ModeNative), []string{"ok"}},
		{"MTU of an ENA that knows them", (&nic{mtu: 9001, kernel: release{6, 1}, driver: "ena", version: "2.14.0g"}).judgeMTU(loader.ModeNative), []string{"ok"}},
		{"MTU of an ENA that does not", (&nic{name: "e", mtu: 9001, kernel: release{6, 1}, driver: "ena", version: "2.13.3g"}).judgeMTU(loader.ModeAuto), []string{"warning: ip link set dev e mtu 3494 [ip link set dev e mtu 9001]"}},
		{"MTU small", (&nic{name: "e", mtu: 1500}).judgeMTU(loader.ModeAuto), []string{"note: ip link set dev e mtu 9001"}},
		{"buffers known of a later kernel", (&nic{name: "e", mtu: 9001, driver: "virtio_net", kernel: release{6, 1}}).judgeMTU(loader.ModeAuto),
			[]string{"warning: ip link set dev e mtu 3494 [ip link set dev e mtu 9001]"}},
		{"buffers known of this kernel", (&nic{mtu: 9001, driver: "virtio_net", kernel: release{7, 0}}).judgeMTU(loader.ModeAuto), []string{"ok"}},
	})
}

// Channels, of which ENA needs half for itself, and the receive ring.
func TestJudgeChannels(t *testing.T) {
	t.Parallel()
	checkJudgements(t, []judgement{
		{"half the channels", ena("6.1.0", 4, 1500).judgeChannels(loader.ModeNative), []string{"ok"}},
		{"all channels", ena("6.1.0", 8, 1500).judgeChannels(loader.ModeAuto), []string{"warning: ethtool -L ens5 combined 4 [ethtool -L ens5 combined 8]"}},
		{"all channels, native", ena("2.16.1g", 8, 1500).judgeChannels(loader.ModeNative), []string{"failure: ethtool -L ens5 combined 4 [ethtool -L ens5 combined 8]"}},
		{"all channels of 2.17", ena("2.17.0g", 8, 1500).judgeChannels(loader.ModeNative), []string{"ok"}},
		{"all channels, generic", ena("6.1.0", 8, 1500).judgeChannels(loader.ModeGeneric), []string{"ok"}},
		{"no channels", (&nic{}).judgeChannels(loader.ModeAuto), []string{"ok"}},
		{"receive ring", (&nic{ring: ethtool.Ring{RxPending: 4096, RxMaxPending: 16384}}).judgeReceiveRing(), []string{"ok"}},
		{"receive ring small", (&nic{name: "e", ring: ethtool.Ring{RxPending: 1024, RxMaxPending: 2048}}).judgeReceiveRing(), []string{"note: ethtool -G e rx 2048 [ethtool -G e rx 1024]"}},
		{"receive ring unknown", (&nic{}).judgeReceiveRing(), []string{"ok"}},
	})
}

// Offloads that merge packets before xdpeel sees them, or take their tags off.
func TestJudgeOffloads(t *testing.T) {
	t.Parallel()
	checkJudgements(t, []judgement{
		{"no offloads", withFeatures("", true, nil).judgeOffloads(loader.ModeAuto), []string{"ok"}},
		{"LRO", withFeatures("", false, map[string]ethtool.FeatureState{"rx-lro": feature(true, true)}).judgeOffloads(loader.ModeNative),
			[]string{"failure: ethtool -K eth0 lro off [ethtool -K eth0 lro on]"}},
		{"LRO fixed", withFeatures("", false, map[string]ethtool.FeatureState{"rx-lro": feature(true, false)}).judgeOffloads(loader.ModeAuto),
			[]string{"warning: ethtool -K eth0 lro off"}},
		{"GRO in hardware", withFeatures("", false, map[string]ethtool.FeatureState{"rx-gro-hw": feature(true, true)}).judgeOffloads(loader.ModeAuto),
			[]string{"warning: ethtool -K eth0 rx-gro-hw off [ethtool -K eth0 rx-gro-hw on]"}},
		{"LRO, generic", withFeatures("", true, map[string]ethtool.FeatureState{"rx-lro": feature(true, true)}).judgeOffloads(loader.ModeAuto), []string{"ok"}},
		{"GRO in hardware of virtio", withFeatures("virtio_net", false, map[string]ethtool.FeatureState{"rx-gro-hw": feature(true, true)}).judgeOffloads(loader.ModeNative), []string{"ok"}},
		{"GRO of the host", withFeatures("virtio_net", false, map[string]ethtool.FeatureState{"rx-gro-hw": feature(true, false)}).judgeOffloads(loader.ModeNative),
			[]string{"failure: guest offloads off on the host (QEMU: guest_tso4=off,guest_tso6=off,guest_csum=off)"}},
		{"forwarding, native", withFeatures("", false, map[string]ethtool.FeatureState{"rx-udp-gro-forwarding": feature(true, true)}).judgeOffloads(loader.ModeAuto), []string{"ok"}},
		{"forwarding, generic", withFeatures("", true, map[string]ethtool.FeatureState{"rx-udp-gro-forwarding": feature(true, true)}).judgeOffloads(loader.ModeAuto),
			[]string{"warning: ethtool -K eth0 rx-udp-gro-forwarding off [ethtool -K eth0 rx-udp-gro-forwarding on]"}},
		{"tags", withFeatures("", false, map[string]ethtool.FeatureState{"rx-vlan-hw-parse": feature(true, true)}).judgeOffloads(loader.ModeAuto), []string{"note"}},
	})
}

// Who else is on the interface or its ports, and what drops packets before they come.
func TestJudgeOthers(t *testing.T) {
	t.Parallel()
	checkJudgements(t, []judgement{
		{"free", judgeOccupant("ens5", nil), []string{"ok"}},
		{"ours", judgeOccupant("ens5", &loader.Holder{ID: 7, Name: "xdpeel", Ours: true}), []string{"note: xdpeel detach -i ens5"}},
		{"others", judgeOccupant("ens5", &loader.Holder{ID: 7, Name: "cil_xdp_entry"}), []string{"failure: bpftool net show dev ens5"}},
		{"hidden", judgeOccupant("ens5", &loader.Holder{ID: 7, Hidden: true}), []string{"failure: sudo xdpeel doctor -i ens5"}},
		{"port free", judgePorts("ens5", nil, true), []string{"ok"}},
		{"socket", judgePorts("ens5", []listener{{port: 4789, holder: "suricata (pid 1)"}}, false), []string{"warning"}},
		{"device", judgePorts("ens5", []listener{{port: 4789, device: "vxlan0"}}, false), []string{"warning: ip link del vxlan0"}},
		{"device, generic", judgePorts("ens5", []listener{{port: 4789, device: "vxlan0"}}, true), []string{"warning: ip link del vxlan0, or ethtool -K ens5 gro off"}},
		{"firewall", judgeFirewall(nil), []string{"ok"}},
		{"firewall, udp", judgeFirewall([]dropRule{{chain: "ip f i", protocol: "udp", port: 4789}}), []string{"note"}},
		{"firewall, tcp", judgeFirewall([]dropRule{{chain: "ip f i", protocol: "tcp", port: 9479, policy: true}}), []string{"warning: nft insert rule ip f i tcp dport 9479 accept"}},
	})
}

// What the kernel, the card and AWS have dropped.
func TestJudgeDrops(t *testing.T) {
	t.Parallel()
	checkJudgements(t, []judgement{
		{"backlog", backlogFacts{budget: 300, settable: true, polled: 1e6, squeezed: 3}.judge(), []string{"ok"}},
		{"backlog dropped", backlogFacts{budget: 300, settable: true, backlog: 1000, dropped: 1}.judge(), []string{"note: sysctl -w net.core.netdev_max_backlog=10000"}},
		{"budget", backlogFacts{budget: 300, settable: true, polled: 1e6, squeezed: 101}.judge(), []string{"warning: sysctl -w net.core.netdev_budget=600 [sysctl -w net.core.netdev_budget=300]"}},
		{"drops", Counters{Dropped: map[string]uint64{"rx_drops": 0}, Allowances: map[string]uint64{"pps": 0}}.judge(), []string{"ok"}},
		{"drops of the card and of AWS", Counters{Dropped: map[string]uint64{"rx_drops": 2}, Allowances: map[string]uint64{"pps": 1, "bw_in": 0}}.judge(), []string{"warning", "note"}},
	})
}

// Memory that suffices or not, and a program that loads or not.
func TestJudgeMemory(t *testing.T) {
	t.Parallel()
	checkJudgements(t, []judgement{
		{"memory", memoryFacts{need: 200 << 20, available: 1 << 30, limit: math.MaxInt64}.judge(), []string{"ok"}},
		{"memory limited", memoryFacts{need: 200 << 20, available: 1 << 30, limit: 200 << 20}.judge(), []string{"ok"}},
		{"memory refused", memoryFacts{need: 200<<20 + 1, available: 1 << 30, limit: 200 << 20}.judge(),
			[]string{"failure: MemoryMax=201M in the unit, or a smaller buffer in the configuration"}},
		{"memory scarce", memoryFacts{need: 200 << 20, available: 199 << 20, limit: math.MaxInt64}.judge(),
			[]string{"warning: a smaller buffer in the configuration, or a larger instance"}},
		{"program", judgeProgram(&loader.Rehearsal{Compiled: true}, nil), []string{"ok"}},
		{"program interpreted", judgeProgram(&loader.Rehearsal{}, nil), []string{"warning: sysctl -w net.core.bpf_jit_enable=1"}},
		{"program refused", judgeProgram(nil, errors.New("no")), []string{"failure"}},
	})
}

// The disk that an output writes to, and the clock.
func TestJudgeDisk(t *testing.T) {
	t.Parallel()
	checkJudgements(t, []judgement{
		{"disk", diskFacts{output: Output{KeepSize: 1}, size: 1 << 40, free: 1 << 39}.judge(), []string{"ok"}},
		{"disk endless", diskFacts{size: 1 << 40, free: 1 << 39}.judge(), []string{"note: rotate_size and keep_size in the configuration"}},
		{"disk full", diskFacts{directory: "/d", size: 1 << 40, free: 1 << 30}.judge(), []string{"warning: df -h /d"}},
		{"disk kept free", diskFacts{output: Output{Keeps: true}, size: 1 << 40, free: 1 << 39}.judge(), []string{"ok"}},
		{"disk small", diskFacts{output: Output{KeepSize: 2 << 40}, size: 1 << 40, free: 1 << 39}.judge(), []string{"warning: a smaller keep_size"}},
		{"directory absent", diskFacts{directory: "/d", absent: true}.judge(), []string{"failure: mkdir -p -m 750 /d [rmdir /d]"}},
		{"directory closed", diskFacts{directory: "/d", refused: unix.EROFS}.judge(), []string{"failure: chown xdpeel: /d (whoever xdpeel runs as)"}},
		{"clock", clockFacts{true, time.Millisecond}.judge(), []string{"ok"}},
		{"clock coarse", clockFacts{true, time.Second}.judge(), []string{"note"}},
		{"clock alone", clockFacts{}.judge(), []string{"warning: systemctl enable --now chronyd (on EC2: server 169.254.169.123, the Amazon Time Sync Service)"}},
	})
}

// What the loader says of the kernel and of capabilities.
func TestJudgeMissing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		judge func(error) ([]Finding, error)
		err   error
		want  string
	}{
		{judgeCapabilities, nil, "ok"},
		{judgeCapabilities, &loader.CapabilityError{Missing: []string{"CAP_BPF", "CAP_NET_ADMIN"}}, "failure: setcap cap_bpf,cap_perfmon,cap_net_admin+ep $(command -v xdpeel)"},
		{func(err error) ([]Finding, error) { return judgeKernel("6.1", err) }, nil, "ok"},
		{func(err error) ([]Finding, error) { return judgeKernel("5.10", err) }, fmt.Errorf("%w: no loop", loader.ErrKernel),
			"failure: boot a newer kernel: Amazon Linux 2023, Debian 12 and Ubuntu 22.04 with linux-aws have one"},
	} {
		findings, err := test.judge(test.err)
		if err != nil || strings.Join(said(findings), "; ") != test.want {
			t.Errorf("%v: %v, %v; want %s", test.err, said(findings), err, test.want)
		}
		if _, err := test.judge(errors.New("cannot be asked")); err == nil {
			t.Error("what cannot be asked is judged")
		}
	}
}

func TestSoftnet(t *testing.T) {
	t.Parallel()
	var f backlogFacts
	text := "00001000 00000002 00000003 00000000 00000000\n00000010 00000000 00000001 00000000 00000000\n"
	if err := f.readSoftnet(text); err != nil || f.polled != 0x1010 || f.dropped != 2 || f.squeezed != 4 {
		t.Errorf("%+v, %v", f, err)
	}
	if err := f.readSoftnet("x\n"); err == nil {
		t.Error("nonsense is read")
	}
}

func TestReadSockets(t *testing.T) {
	t.Parallel()
	const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  118: 00000000:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 0000000000000000 0
  130: 0100007F:17C1 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 23456 2 0000000000000000 0
`
	want := []udpSocket{{4789, 0}, {6081, 23456}}
	if got := readSockets(text); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestDirectoryOf(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/d/a.pcapng": "/d", "/d/%Y.pcapng": "/d", "/d/%Y/%m/x.pcapng": "/d", "/d/web-%H.pcapng": "/d", "a%d": ".", "/d/x/web": "/d/x",
	} {
		if got := directoryOf(path); got != want {
			t.Errorf("%s is in %s, want %s", path, got, want)
		}
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1:9478": false, "[::1]:9478": false, "localhost:1": false, "0.0.0.0:9479": true, ":9479": true, "10.0.0.1:9479": true, "x": false,
	} {
		if _, got := reachable(address); got != want {
			t.Errorf("%s is reachable: %v, want %v", address, got, want)
		}
	}
}

// Counters are taken by their driver's names of them, and those of queues added up.
func TestPick(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		driver string
		stats  map[string]uint64
		want   Counters
	}{
		{"ena", map[string]uint64{"rx_drops": 3, "bw_in_allowance_exceeded": 5, "conntrack_allowance_available": 9, "made_up_allowance_exceeded": 1, "queue_0_rx_cnt": 7},
			Counters{Dropped: map[string]uint64{"rx_drops": 3}, Allowances: map[string]uint64{"bw_in": 5}}},
		{"virtio_net", map[string]uint64{"rx_drops": 5, "rx0_drops": 2, "rx1_drops": 3, "rx0_xdp_drops": 9},
			Counters{Dropped: map[string]uint64{"rxN_drops": 5}, Allowances: map[string]uint64{}}},
		{"veth", map[string]uint64{"rx_queue_0_drops": 1, "rx_queue_11_drops": 1, "rx_queue_0_xdp_drops": 8},
			Counters{Dropped: map[string]uint64{"rx_queue_N_drops": 2}, Allowances: map[string]uint64{}}},
		{"e1000", map[string]uint64{"bw_in_allowance_exceeded": 5},
			Counters{Dropped: map[string]uint64{"rx_missed_errors": 42}, Allowances: map[string]uint64{}}},
	} {
		var got Counters
		got.pick(test.driver, test.stats, 42)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.driver, diff)
		}
	}
}
