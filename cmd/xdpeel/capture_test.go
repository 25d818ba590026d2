package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/capfile"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/corpus"
	"github.com/xdpeel/xdpeel/loader"
)

// patience is how long a test waits for what should happen at once.
const patience = 20 * time.Second

// wire is a veth pair between two namespaces; captures run at its far end.
type wire struct{ near, far lab.End }

// newWire returns one with the MTU of a VPC.
func newWire(t *testing.T) *wire {
	t.Helper()
	return newWireOf(t, 9001)
}

func newWireOf(t *testing.T, mtu int) *wire {
	t.Helper()
	near, far := newTestNamespace(t), newTestNamespace(t)
	pair, err := lab.NewPair(near, far, lab.VethOptions{NameA: "near", NameB: "far", MTU: mtu, OffloadsOff: true})
	if err != nil {
		t.Fatal(err)
	}
	return &wire{pair.A, pair.B}
}

// newTestNamespace returns a namespace that goes with the test.
func newTestNamespace(t *testing.T) *lab.Namespace {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: attaches to an interface in a network namespace")
	}
	namespace, err := lab.NewNamespace("xdpeel-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := namespace.Close(); err != nil {
			t.Error(err)
		}
	})
	return namespace
}

// send sends frames in their order.
func (w *wire) send(t *testing.T, list ...[]byte) {
	t.Helper()
	sender, err := lab.OpenSender(w.near.Namespace, w.near.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	err = lab.OnFirstCPU(func() error {
		for _, frame := range list {
			if err := sender.Send(frame); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// running is a command line that goes on beside the test.
type running struct {
	t      *testing.T
	stderr *lab.Transcript
	stop   context.CancelFunc // what a signal does
	status chan int
}

// start starts `xdpeel capture -i far ARGS` and returns when it listens.
func (w *wire) start(t *testing.T, stdout io.Writer, args ...string) *running {
	t.Helper()
	r := w.launch(t, &environment{stdout: stdout}, append([]string{"capture", "-i", w.far.Name}, args...)...)
	r.await("listening on")
	return r
}

// launch starts a command line at the far end.
func (w *wire) launch(t *testing.T, env *environment, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{t: t, stderr: new(lab.Transcript), stop: stop, status: make(chan int, 1)}
	env.stdin, env.stderr = strings.NewReader(""), r.stderr
	go func() {
		status := -1
		err := w.far.Namespace.Do(func() error {
			status = execute(ctx, env, args)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		r.status <- status
	}()
	return r
}

// await waits until the capture has said something.
func (r *running) await(words string) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		ended := len(r.status) > 0
		if strings.Contains(r.stderr.String(), words) {
			return
		}
		if ended || time.Now().After(deadline) {
			r.t.Fatalf("xdpeel does not say %q, but %q", words, r.stderr)
		}
	}
}

// end waits for the capture to end by itself.
func (r *running) end(want int) {
	r.t.Helper()
	select {
	case status := <-r.status:
		if status != want {
			r.t.Errorf("status %d, want %d; said %q", status, want, r.stderr)
		}
	case <-time.After(patience):
		r.t.Fatalf("xdpeel does not end; said %q", r.stderr)
	}
}

func TestCaptureToFile(t *testing.T) {
	for _, mode := range []string{"native", "generic"} {
		t.Run(mode, func(t *testing.T) {
			w := newWire(t)
			outer, want := conversation()
			out, ledgerPath := filepath.Join(t.TempDir(), "out.pcapng"), filepath.Join(t.TempDir(), "ledger.json")
			capture := w.start(t, io.Discard, "--mode", mode, "-w", out, "-c", fmt.Sprint(len(outer)), "--ledger", ledgerPath)
			capture.await(mode + " mode")
			host := bytes.Repeat([]byte{2}, 60)
			w.send(t, host)
			w.send(t, outer...)
			capture.end(0)
			if diff := cmp.Diff(want, readFrames(t, out)); diff != "" {
				t.Errorf("inner frames (-want +got):\n%s", diff)
			}
			ledger := readLedger(t, ledgerPath)
			n := uint64(len(outer))
			if ledger.Interface != "far" || ledger.Mode != mode || ledger.Received != n+1 || ledger.Outcomes["host"] != 1 {
				t.Errorf("ledger %+v, want %d received, one of them the host's", ledger, n+1)
			}
			if got := ledger.Outputs["file"]; got.Offered != n || got.Delivered != n || len(got.Lost) > 0 {
				t.Errorf("output %+v, want %d offered and delivered", got, n)
			}
		})
	}
}

// What arrives after the last packet that was asked for is counted as just that.
func TestCaptureCount(t *testing.T) {
	w := newWire(t)
	outer, want := conversation()
	out, ledgerPath := filepath.Join(t.TempDir(), "out.pcapng"), filepath.Join(t.TempDir(), "ledger.json")
	capture := w.start(t, io.Discard, "-w", out, "-c", "5", "--ledger", ledgerPath)
	w.send(t, outer...)
	capture.end(0)
	if diff := cmp.Diff(want[:5], readFrames(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	got := readLedger(t, ledgerPath).Outputs["file"]
	if got.Delivered != 5 || got.Offered != 5+got.Lost["limit_reached"] {
		t.Errorf("output %+v, want 5 delivered and the rest beyond the limit", got)
	}
}

// A signal ends a capture with a whole file and the ledger. A reader of the pipe
// has each packet while the capture goes on.
func TestCaptureToPipe(t *testing.T) {
	w := newWire(t)
	outer, want := conversation()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	capture := w.start(t, write, "-w", "-")
	reader, err := capfile.NewReader(read)
	if err != nil {
		t.Fatal(err)
	}
	for i, frame := range outer {
		w.send(t, frame)
		got, err := reader.Next()
		if err != nil || !bytes.Equal(got.Data, want[i]) {
			t.Fatalf("frame %d: %v, %x; want %x", i, err, got.Data, want[i])
		}
	}
	capture.stop()
	capture.end(0)
	write.Close()
	if _, err := reader.Next(); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF: the statistics blocks are whole", err)
	}
	capture.await(fmt.Sprintf("%d frames received", len(outer)))
}

// tshark on the other end of the pipe shows what arrives.
func TestCaptureIntoTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("needs tshark")
	}
	w := newWire(t)
	outer, _ := conversation()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd := exec.CommandContext(t.Context(), tshark, "-n", "-l", "-r", "-", "-T", "fields", "-e", "frame.interface_name", "-e", "_ws.col.Protocol")
	cmd.Stdin = read
	lines := new(lab.Transcript)
	cmd.Stdout = lines
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	capture := w.start(t, write, "-w", "-")
	w.send(t, outer...)
	for deadline := time.Now().Add(patience); strings.Count(lines.String(), "\n") < len(outer); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("tshark shows %q of %d packets", lines, len(outer))
		}
	}
	capture.stop()
	capture.end(0)
	write.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("tshark: %v", err)
	}
	if first, want := strings.SplitN(lines.String(), "\n", 2)[0], "vni 12345 from 10.0.12.59\tTCP"; first != want {
		t.Errorf("first line %q, want %q", first, want)
	}
}

// A reader that goes away ends the capture, as with tcpdump.
func TestCapturePipeCloses(t *testing.T) {
	w := newWire(t)
	outer, _ := conversation()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	capture := w.start(t, write, "-w", "-")
	read.Close()
	w.send(t, outer...)
	capture.end(0)
	capture.await("frames received")
}

func TestCaptureLines(t *testing.T) {
	w := newWire(t)
	outer, _ := conversation()
	stdout := new(lab.Transcript)
	capture := w.start(t, stdout, "-c", fmt.Sprint(len(outer)))
	w.send(t, outer...)
	capture.end(0)
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if len(lines) != len(outer) {
		t.Fatalf("%d lines, want %d", len(lines), len(outer))
	}
	const want = " vni 12345 from 10.0.12.59 In  IP 198.51.100.23.51034 > 10.0.12.59.80: TCP [S], length 66"
	if !strings.HasSuffix(lines[0], want) {
		t.Errorf("first line %q, want ...%q", lines[0], want)
	}
}

func TestCaptureOneVNI(t *testing.T) {
	w := newWire(t)
	var outer, want [][]byte
	for _, event := range lab.Conversation() {
		outer = append(outer, event.Frame)
		if event.Packet.Session.VNI == 12345 {
			want = append(want, event.Packet.Data[:min(len(event.Packet.Data), 64)])
		}
	}
	out, ledgerPath := filepath.Join(t.TempDir(), "out.pcapng"), filepath.Join(t.TempDir(), "ledger.json")
	capture := w.start(t, io.Discard, "-w", out, "--vni", "12345", "-s", "64", "-c", fmt.Sprint(len(want)), "--ledger", ledgerPath)
	w.send(t, outer...)
	capture.end(0)
	if diff := cmp.Diff(want, readFrames(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	if ledger := readLedger(t, ledgerPath); len(ledger.Sessions) != 1 {
		t.Errorf("sessions %+v, want one", ledger.Sessions)
	}
}

// A full disk ends the capture: the file is whole, and every packet accounted for.
func TestCaptureFullDisk(t *testing.T) {
	w := newWire(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	outer, want := conversation()
	ledgerPath := filepath.Join(t.TempDir(), "ledger.json")
	out := filepath.Join(dir, "out.pcapng")
	capture := w.start(t, io.Discard, "-w", out, "--ledger", ledgerPath)
	for range 20 {
		w.send(t, outer...)
	}
	capture.end(1)
	capture.await("xdpeel: error: write")
	capture.await("no space left on device")
	capture.await("xdpeel: hint: ")
	frames := readFrames(t, out)
	got := readLedger(t, ledgerPath).Outputs["file"]
	if got.Delivered != uint64(len(frames)) || got.Lost["disk_full"] == 0 || got.Offered != got.Delivered+got.Lost["disk_full"] {
		t.Errorf("output %+v, want %d delivered, the rest lost to the full disk", got, len(frames))
	}
	for i, frame := range frames {
		if !bytes.Equal(frame, want[i%len(want)]) {
			t.Fatalf("frame %d is %x, want %x", i, frame, want[i%len(want)])
		}
	}
}

// An interface that goes away ends the capture, with what came before.
func TestCaptureInterfaceGoes(t *testing.T) {
	w := newWire(t)
	outer, want := conversation()
	out := filepath.Join(t.TempDir(), "out.pcapng")
	capture := w.start(t, io.Discard, "-w", out)
	w.send(t, outer...)
	err := w.near.Namespace.Do(func() error {
		iface, err := netlink.LinkByName(w.near.Name)
		if err != nil {
			return err
		}
		return netlink.LinkDel(iface)
	})
	if err != nil {
		t.Fatal(err)
	}
	capture.end(1)
	capture.await(`xdpeel: error: capture ended: interface "far": interface is gone`)
	if diff := cmp.Diff(want, readFrames(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
}

// `xdpeel detach` of another process ends the capture, with what came before.
func TestDetachEndsCapture(t *testing.T) {
	w := newWire(t)
	outer, want := conversation()
	out := filepath.Join(t.TempDir(), "out.pcapng")
	capture := w.start(t, io.Discard, "-w", out)
	w.send(t, outer...)
	if err := w.far.Namespace.Do(func() error {
		if said := xdpeel(t, "", "detach", "-i", w.far.Name); said.status != 0 || !strings.Contains(said.stderr, "off far") {
			return fmt.Errorf("detach: status %d, said %q", said.status, said.stderr)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	capture.end(1)
	capture.await("program was taken off the interface")
	if diff := cmp.Diff(want, readFrames(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
}

// captureRefused runs a capture that must not begin.
func (w *wire) captureRefused(t *testing.T, args ...string) (said spoken) {
	t.Helper()
	err := w.far.Namespace.Do(func() error {
		said = xdpeel(t, "", append([]string{"capture"}, args...)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if said.status != 1 || said.stdout != "" || !strings.Contains(said.stderr, "xdpeel: error: ") {
		t.Errorf("status %d, stdout %q, said %q", said.status, said.stdout, said.stderr)
	}
	return said
}

func TestCaptureRefusals(t *testing.T) {
	w := newWire(t)
	for _, test := range []struct{ args, want string }{
		{"-i nonesuch0", "xdpeel: error: find interface \"nonesuch0\": no such interface\nxdpeel: hint: `ip -br link` lists"},
		{"-i far -w /nonesuch/out.pcapng", "no such file or directory"},
		{"-i far -w out-%Q.pcapng", "%Q"},
	} {
		if said := w.captureRefused(t, strings.Fields(test.args)...); !strings.Contains(said.stderr, test.want) {
			t.Errorf("capture %s said %q, want %q", test.args, said.stderr, test.want)
		}
	}

	first := w.start(t, io.Discard)
	said := w.captureRefused(t, "-i", "far")
	if want := "xdpeel: hint: another xdpeel captures there. If it is the daemon, an output of type socket in its configuration lets `xdpeel capture` read along; `xdpeel detach -i far` would end it\n"; !strings.Contains(said.stderr, want) {
		t.Errorf("second capture said %q, want %q", said.stderr, want)
	}
	first.stop()
	first.end(0)
}

// Somebody else's program is named, and not offered for removal.
func TestForeignProgramIsNamed(t *testing.T) {
	var said bytes.Buffer
	sayError(&said, explainLoader(&loader.OccupiedError{
		Interface: "ens5", Holder: loader.Holder{ID: 42, Name: "somebody_elses"},
	}))
	const want = "xdpeel: error: interface \"ens5\" already carries the XDP program \"somebody_elses\" (id 42)\n" +
		"xdpeel: hint: only who put it there should take it off: `bpftool net show dev ens5` tells more\n"
	if said.String() != want {
		t.Errorf("said %q, want %q", said.String(), want)
	}
}

// binaryDirectory is where buildBinary builds; it is removed when all tests have run.
var binaryDirectory string

func TestMain(m *testing.M) {
	status := m.Run()
	if binaryDirectory != "" {
		os.RemoveAll(binaryDirectory)
	}
	os.Exit(status)
}

var builtBinary = sync.OnceValues(func() (path string, err error) {
	if binaryDirectory, err = os.MkdirTemp("", "xdpeel-test"); err != nil {
		return "", err
	}
	path = filepath.Join(binaryDirectory, "xdpeel")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, said)
	}
	return path, os.Chmod(binaryDirectory, 0o755) // others run it, too
})

// buildBinary returns the path of xdpeel, which is built once for all tests.
func buildBinary(t *testing.T) string {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A capture that is killed leaves no program behind, and its file holds what came
// until then.
func TestKilledCaptureLeavesNothing(t *testing.T) {
	w := newWire(t)
	outer, want := conversation()
	out := filepath.Join(t.TempDir(), "out.pcapng")
	cmd := exec.Command(buildBinary(t), "capture", "-i", w.far.Name, "-w", out)
	stderr := new(lab.Transcript)
	cmd.Stderr = stderr
	if err := w.far.Namespace.Start(cmd); err != nil {
		t.Fatal(err)
	}
	(&running{t: t, stderr: stderr}).await("listening on")
	w.send(t, outer...)
	for deadline := time.Now().Add(patience); len(readWhole(t, out)) < len(want); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d packets in the file, want %d", len(readWhole(t, out)), len(want))
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	err := w.far.Namespace.Do(func() error {
		iface, err := netlink.LinkByName(w.far.Name)
		if err == nil && iface.Attrs().Xdp != nil && iface.Attrs().Xdp.Attached {
			err = fmt.Errorf("program %d is left behind", iface.Attrs().Xdp.ProgId)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, readWhole(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
}

// readWhole returns the frames of a file that may yet grow.
func readWhole(t *testing.T, path string) (list [][]byte) {
	t.Helper()
	frames, err := corpus.Frames(path)
	if err != nil && !errors.As(err, new(*capfile.TornError)) {
		t.Fatal(err)
	}
	for _, frame := range frames {
		list = append(list, frame.Data)
	}
	return list
}

// Without privileges a capture says which are missing.
func TestCaptureUnprivileged(t *testing.T) {
	if os.Getuid() != 0 {
		said := xdpeel(t, "", "capture", "-i", "lo")
		if said.status != 1 || !strings.Contains(said.stderr, "CAP_BPF") {
			t.Errorf("status %d, said %q; want 1 and CAP_BPF", said.status, said.stderr)
		}
		return
	}
	binary := buildBinary(t)
	for dir := binary; dir != "/"; dir = filepath.Dir(dir) {
		if filepath.Dir(dir) != "/" && os.Chmod(dir, 0o755) != nil {
			t.Skip("cannot let nobody reach the binary")
		}
	}
	cmd := exec.Command(binary, "capture", "-i", "lo")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	said, err := cmd.CombinedOutput()
	exit := (*exec.ExitError)(nil)
	const want = "xdpeel: error: missing privilege: CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN\n" +
		"xdpeel: hint: run it as root, or grant all that it needs: setcap cap_bpf,cap_perfmon,cap_net_admin+ep $(command -v xdpeel)\n"
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || string(said) != want {
		t.Errorf("%v, said %q; want exit status 1 and %q", err, said, want)
	}
}

// The demo works as a process of its own, too, and takes its network away.
func TestDemoProcess(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	cmd := exec.Command(buildBinary(t), "demo", "-w", filepath.Join(t.TempDir(), "demo.pcapng"))
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	left, err := filepath.Glob(fmt.Sprintf("/run/netns/xdpeel-*-%d-*", cmd.Process.Pid))
	if err != nil || len(left) > 0 {
		t.Errorf("the demo has left the namespaces %v: %v", left, err)
	}
}

func TestDemo(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	out := filepath.Join(t.TempDir(), "demo.pcapng")
	said := xdpeel(t, "", "demo", "-w", out)
	_, want := conversation()
	if said.status != 0 || !strings.Contains(said.stdout, "tshark -r "+out) {
		t.Errorf("status %d, stdout %q, stderr %q", said.status, said.stdout, said.stderr)
	}
	if !strings.Contains(said.stderr, fmt.Sprintf("%d offered, %[1]d delivered, none lost", len(want))) {
		t.Errorf("ledger %q", said.stderr)
	}
	if got := readFrames(t, out); len(got) != len(want) {
		t.Errorf("%d packets, want %d", len(got), len(want))
	}
}
