//go:build guest

package systemd

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
)

const configuration = "/etc/xdpeel/xdpeel.yaml"

// everyOutput is a configuration with an output of each type.
const everyOutput = `
interfaces: [ens5]
sessions: [{vni: any}]
outputs:
  archive: {type: pcapng, path: "/var/lib/xdpeel/%Y%m%d-%H%M%S.pcapng", rotate_every: 5m}
  live: {type: socket, group: xdpeel}
  ids: {type: veth, interface: xdpeel0, peer: xdpeel0-ids, queues: 2}
  tap: {type: afpacket, interface: tap}
`

// source is the network namespace that mirrors to the machine's ens5.
var source *lab.Namespace

// wire makes ens5 and what is at its other end.
func wire(t *testing.T) {
	t.Helper()
	here, err := lab.Here()
	if err != nil {
		t.Fatal(err)
	}
	if source, err = lab.NewNamespace("source"); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.NewPair(source, here, lab.VethOptions{NameA: "mirror", NameB: "ens5", MTU: 9001}); err != nil {
		t.Fatal(err)
	}
}

// try runs a script, which ends at the first command that fails.
func try(script string) (string, error) {
	said, err := exec.Command("sh", "-ec", script).CombinedOutput()
	return string(said), err
}

func shell(t *testing.T, script string) string {
	t.Helper()
	said, err := try(script)
	if err != nil {
		log, _ := try("journalctl -u xdpeel --no-pager | tail -30")
		t.Fatalf("%s: %v: %s\nthe unit's log:\n%s", script, err, said, log)
	}
	return said
}

// property returns what systemd says of the unit.
func property(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(shell(t, "systemctl show --property "+name+" --value xdpeel"))
}

func killMain(t *testing.T, signal syscall.Signal) {
	t.Helper()
	pid, err := strconv.Atoi(property(t, "MainPID"))
	if err != nil || pid == 0 {
		t.Fatalf("the unit has no process: %v", err)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
}

// configure replaces the text of the configuration, and leaves its owner and mode.
func configure(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(configuration, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

// dropIn has the unit go by these lines as well from the next start on.
func dropIn(t *testing.T, lines string) {
	t.Helper()
	const dir = "/etc/systemd/system/xdpeel.service.d"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/test.conf", []byte("[Service]\n"+lines+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	shell(t, "systemctl daemon-reload")
}

// reading is of `xdpeel status --json` what the tests look at.
type reading struct {
	Received uint64
	Outcomes map[string]uint64
	Outputs  map[string]struct {
		Offered, Delivered uint64
		Lost               map[string]uint64
	}
	Interfaces []struct{ Attached bool }
	Failing    map[string]string `json:"failing_outputs"`
	Config     struct{ Generation uint64 }
}

func ledger(t *testing.T) (r reading) {
	t.Helper()
	if err := json.Unmarshal([]byte(shell(t, "xdpeel status --json")), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func eventually(t *testing.T, what string, patience time.Duration, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			log, _ := try("journalctl -u xdpeel --no-pager | tail -50")
			t.Fatalf("%s: not after %v\n%s", what, patience, log)
		}
	}
}

// load sends numbered packets, from one CPU, until it is told to end.
type load struct {
	t      *testing.T
	stop   chan struct{}
	once   sync.Once // stop is closed
	done   sync.WaitGroup
	before reading
	sent   uint64
}

func startLoad(t *testing.T) *load {
	t.Helper()
	l := &load{t: t, stop: make(chan struct{}), before: ledger(t)}
	sender, err := lab.OpenSender(source, "mirror")
	if err != nil {
		t.Fatal(err)
	}
	from := frames.Peer{MAC: frames.MAC{2, 1}, Address: netip.MustParseAddr("10.0.12.59"), Port: 1}
	to := frames.Peer{MAC: frames.MAC{2, 2}, Address: lab.Target, Port: 2}
	send := func() error {
		defer sender.Close()
		for ; ; time.Sleep(time.Millisecond) {
			select {
			case <-l.stop:
				return nil
			default:
			}
			inner := frames.UDPFrame(from, to, binary.BigEndian.AppendUint64(nil, l.sent))
			if err := sender.Send(frames.Wrap(inner, 7, from.Address, lab.Target)); err != nil {
				return err
			}
			l.sent++
		}
	}
	l.done.Go(func() {
		if err := lab.OnFirstCPU(send); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { l.end() }) // a test that fails sends none to the next
	return l
}

// end ends the load, if that still goes, and returns it.
func (l *load) end() *load {
	l.once.Do(func() { close(l.stop) })
	l.done.Wait()
	return l
}

// expectAll fails unless every output but the socket has delivered all of the load.
func expectAll(t *testing.T, l *load) {
	t.Helper()
	expectConsumers(t, l, "archive", "ids", "tap")
	expectSums(t)
}

// expectConsumers fails unless these outputs have delivered all of the load.
func expectConsumers(t *testing.T, l *load, outputs ...string) {
	t.Helper()
	if l.sent == 0 {
		t.Fatal("nothing was sent")
	}
	delivered := func(r reading) (all bool) {
		all = r.Outcomes["delivered"]-l.before.Outcomes["delivered"] == l.sent
		for _, name := range outputs {
			all = all && r.Outputs[name].Delivered-l.before.Outputs[name].Delivered == l.sent
		}
		return all
	}
	var last reading
	for range 100 {
		if last = ledger(t); delivered(last) {
			t.Logf("%d packets", l.sent)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("%d packets were sent; the ledger before %+v, and now %+v", l.sent, l.before, last)
}

// expectSums fails unless the ledger adds up.
func expectSums(t *testing.T) {
	t.Helper()
	r := ledger(t)
	sum := uint64(0)
	for _, count := range r.Outcomes {
		sum += count
	}
	if sum != r.Received {
		t.Errorf("%d received, %d of an outcome", r.Received, sum)
	}
	for name, output := range r.Outputs {
		sum := output.Delivered
		for _, count := range output.Lost {
			sum += count
		}
		if sum != output.Offered {
			t.Errorf("output %q: %+v", name, output)
		}
	}
}
