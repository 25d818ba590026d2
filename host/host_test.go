package host

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// newHost is a namespace with an interface "far" of a veth pair in it.
func newHost(t *testing.T) *lab.Namespace {
	t.Helper()
	labtest.NeedRoot(t, "makes network namespaces and loads the program")
	if _, kernel := loader.Missing(); kernel != nil {
		t.Skipf("needs what xdpeel needs: %v", kernel)
	}
	namespace := labtest.NewNamespace(t)
	if _, err := lab.NewPair(namespace, namespace, lab.VethOptions{NameA: "near", NameB: "far", MTU: 9001}); err != nil {
		t.Fatal(err)
	}
	return namespace
}

func inside(t *testing.T, namespace *lab.Namespace, do func() error) {
	t.Helper()
	if err := namespace.Do(do); err != nil {
		t.Fatal(err)
	}
}

func newWish(t *testing.T) Wish {
	t.Helper()
	options, err := mirror.Options{}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	return Wish{Interface: "far", Mode: loader.ModeNative, Judge: options, Policy: mirror.TakeAll()}
}

func examine(t *testing.T, namespace *lab.Namespace, w Wish) (r *Report) {
	t.Helper()
	inside(t, namespace, func() error { r = Examine(w); return nil })
	for _, f := range r.Findings {
		if f.Subject == "" || f.Found == "" || (f.Level != OK) != (f.Why != "") || (f.mend == nil) != (f.Undo == "") {
			t.Errorf("incomplete finding %+v", f)
		}
		if strings.HasPrefix(f.Found, "not found out") {
			t.Errorf("%s: %s", f.Subject, f.Found)
		}
	}
	return r
}

// about returns the findings of a subject as one text.
func (r *Report) about(s Subject) string {
	var lines []string
	for _, f := range r.Findings {
		if f.Subject == s {
			lines = append(lines, string(f.Level)+": "+f.Found)
		}
	}
	return strings.Join(lines, "\n")
}

func wantAbout(t *testing.T, r *Report, s Subject, want string) {
	t.Helper()
	if got := r.about(s); !strings.Contains(got, want) {
		t.Errorf("%s: %q, want %q", s, got, want)
	}
}

// A veth that is as it should be gives nothing to complain of.
func TestExamineGood(t *testing.T) {
	namespace := newHost(t)
	w := newWish(t)
	w.Outputs = []Output{{Name: "archive", Path: filepath.Join(t.TempDir(), "%Y.pcapng"), KeepSize: 1 << 20}}
	r := examine(t, namespace, w)
	for _, s := range []Subject{Kernel, Capabilities, Interface, Driver, MTU, Channels, Offloads, Occupant, Drops, Port, Memory} {
		wantAbout(t, r, s, "ok: ")
	}
	wantAbout(t, r, Driver, "veth")
	wantAbout(t, r, Program, "ok: the program loads: ")
	if r.Level == Failure || r.Interface != "far" {
		t.Errorf("report %+v", r)
	}
}

func TestExamineAbsentInterface(t *testing.T) {
	namespace := newHost(t)
	w := newWish(t)
	w.Interface = "nonesuch0"
	r := examine(t, namespace, w)
	wantAbout(t, r, Interface, `failure: no interface "nonesuch0"`)
	if r.Level != Failure || r.about(Driver) != "" {
		t.Errorf("report %+v", r)
	}
}

// Who else is there: a program, a tunnel device, a socket.
func TestExamineOthers(t *testing.T) {
	namespace := newHost(t)
	w := newWish(t)
	program, err := loader.Load(w.Judge, w.Policy)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	var socket net.PacketConn
	inside(t, namespace, func() (err error) {
		attachment, err := program.Attach("far", loader.ModeNative)
		if err != nil {
			return err
		}
		t.Cleanup(func() { attachment.Close() })
		device := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vxlan0"}, VxlanId: 5, Port: 4789, Learning: true}
		if err := netlink.LinkAdd(device); err != nil {
			return err
		}
		socket, err = net.ListenPacket("udp4", "0.0.0.0:6081")
		return err
	})
	defer socket.Close()
	r := examine(t, namespace, w)
	wantAbout(t, r, Occupant, "note: far carries xdpeel's program (id ")
	lines := strings.Split(r.about(Port), "\n")
	if len(lines) != 2 || lines[0] != "warning: the kernel's tunnel device vxlan0 has UDP 4789" ||
		!strings.HasPrefix(lines[1], "warning: UDP 6081 is read by ") || !strings.HasSuffix(lines[1], fmt.Sprintf(" (pid %d)", os.Getpid())) {
		t.Errorf("port: %q", lines)
	}
}

// What a real nft says of rules that drop, in its own words.
func TestExamineFirewall(t *testing.T) {
	namespace := newHost(t)
	labtest.Need(t, "nft")
	rules := exec.Command("nft", "-f", "-")
	rules.Stdin = strings.NewReader(`
table inet filter {
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established accept
		tcp dport { 22, 9000-9100 } accept
		udp dport 6081 accept
	}
}
table ip raw {
	chain early {
		type filter hook prerouting priority -300;
		udp dport 4000-5000 counter drop
	}
	chain forward {
		type filter hook forward priority 0; policy drop;
	}
}`)
	rules.Stderr = os.Stderr
	if err := namespace.Start(rules); err != nil {
		t.Fatal(err)
	}
	if err := rules.Wait(); err != nil {
		t.Fatal(err)
	}
	w := newWish(t)
	w.Pages = []string{"127.0.0.1:9478", "0.0.0.0:9479", "10.0.0.1:9050"}
	got := examine(t, namespace, w).about(Firewall)
	want := "note: no rule accepts, and the policy of inet filter input drops UDP 4789\n" +
		"note: a rule of ip raw early drops UDP 4789\n" +
		"warning: no rule accepts, and the policy of inet filter input drops TCP 9479"
	if got != want {
		t.Errorf("said\n%s\nwant\n%s", got, want)
	}
}

// Mending does what the remedy says, and the next examination finds nothing. What
// belongs to the whole machine is not mended here.
func TestMend(t *testing.T) {
	namespace := newHost(t)
	directory := filepath.Join(t.TempDir(), "a", "b")
	w := newWish(t)
	w.Mode = loader.ModeGeneric
	w.Outputs = []Output{{Name: "archive", Path: directory + "/%Y.pcapng", KeepSize: 1 << 20}}
	inside(t, namespace, func() error {
		far, err := netlink.LinkByName("far")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetDown(far); err != nil {
			return err
		}
		return withEthtool(func(tool *ethtool.Ethtool) error {
			return tool.Change("far", map[string]bool{"rx-udp-gro-forwarding": true})
		})
	})
	r := examine(t, namespace, w)
	wantAbout(t, r, Interface, "warning: far is down")
	wantAbout(t, r, Offloads, "warning: the kernel merges UDP packets")
	wantAbout(t, r, Disk, "failure: ")
	var ours []Finding
	for _, f := range r.Findings {
		if f.Subject == Interface || f.Subject == Offloads || f.Subject == Disk {
			ours = append(ours, f)
		}
	}
	r.Findings = ours
	var mended []Mended
	inside(t, namespace, func() error { mended = r.Mend(); return nil })
	want := []Mended{
		{Interface, "ip link set dev far up", "ip link set dev far down", ""},
		{Offloads, "ethtool -K far rx-udp-gro-forwarding off", "ethtool -K far rx-udp-gro-forwarding on", ""},
		{Disk, "mkdir -p -m 750 " + directory, "rmdir " + directory, ""},
	}
	if len(mended) != len(want) {
		t.Fatalf("mended %+v, want %+v", mended, want)
	}
	for i := range want {
		if mended[i] != want[i] {
			t.Errorf("mended %+v, want %+v", mended[i], want[i])
		}
	}
	r = examine(t, namespace, w)
	for _, s := range []Subject{Interface, Offloads, Disk} {
		if got := r.about(s); strings.Contains(got, "failure") || strings.Contains(got, "is down") || strings.Contains(got, "merges UDP") {
			t.Errorf("%s: %s", s, got)
		}
	}
}

// A remedy that fails says so, and the others are applied all the same.
func TestMendFails(t *testing.T) {
	r := &Report{Findings: []Finding{
		diskFacts{directory: "/proc/nonesuch", absent: true}.judge()[0],
		diskFacts{directory: filepath.Join(t.TempDir(), "d"), absent: true}.judge()[0],
		{Level: Note, Found: "nothing to be done"},
	}}
	mended := r.Mend()
	if len(mended) != 2 || mended[0].Error == "" || mended[1].Error != "" {
		t.Errorf("mended %+v", mended)
	}
}

// The interface's counters are read whatever namespace the asking thread is in.
func TestCounterReader(t *testing.T) {
	namespace := newHost(t)
	var reader *CounterReader
	inside(t, namespace, func() (err error) { reader, err = NewCounterReader(); return err })
	defer reader.Close()
	counters, err := reader.Read("far")
	if _, known := counters.Dropped["rx_queue_N_drops"]; err != nil || !known {
		t.Errorf("%+v, %v; want a veth's", counters, err)
	}
	if counters, err := reader.Read("nonesuch0"); err != nil || len(counters.Dropped) > 0 {
		t.Errorf("absent interface: %+v, %v", counters, err)
	}
}
