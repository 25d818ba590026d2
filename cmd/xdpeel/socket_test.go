package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

const live = `
sessions: [{vni: 12345, name: web-1}, {vni: any}]
outputs: {all: {type: pcapng, path: DIR/all.pcapng}, live: {type: socket, path: DIR/live.sock, readers: 3}}
`

// captureAlong starts `xdpeel capture --socket` and returns when it listens.
func (d *runningDaemon) captureAlong(t *testing.T, stdout io.Writer, args ...string) *running {
	t.Helper()
	args = append([]string{"capture", "--socket", d.path("live.sock")}, args...)
	r := d.wire.launch(t, &environment{stdout: stdout}, args...)
	r.await("listening on")
	return r
}

// threeReaders read the socket of `live`, each another part of it.
type threeReaders struct {
	d     *runningDaemon
	udp   *running // to the file udp.pcapng, 60 bytes a packet, with a ledger
	web   *running // as lines, of VNI 12345
	lines *lab.Transcript
	all   *net.UnixConn // a program that asks for everything
}

// readThrice returns when all three read.
func (d *runningDaemon) readThrice(t *testing.T) *threeReaders {
	t.Helper()
	r := &threeReaders{d: d, lines: new(lab.Transcript)}
	r.udp = d.captureAlong(t, io.Discard, "-w", d.path("udp.pcapng"), "--ledger", d.path("udp.json"), "-s", "60", "udp")
	r.web = d.captureAlong(t, r.lines, "--vni", "12345")
	r.all = rawReader(t, d.path("live.sock"), "\n")
	labtest.Eventually(t, "three read", func() bool { return len(d.statusLedger(t).Outputs["live"].Readers) == 3 })
	return r
}

// end has all three end, and returns the stream of the third.
func (r *threeReaders) end(t *testing.T) (stream []byte) {
	t.Helper()
	for _, capture := range []*running{r.udp, r.web} {
		capture.stop()
		capture.end(0)
	}
	if err := r.all.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	stream, err := io.ReadAll(r.all)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// checkUDP compares the first one's file and ledger with what came, and returns how many
// packets it had of that.
func (r *threeReaders) checkUDP(t *testing.T, inner [][]byte) (had uint64) {
	t.Helper()
	var want [][]byte
	for _, frame := range inner {
		if frame[23] == 17 { // IPv4's protocol
			want = append(want, frame[:min(len(frame), 60)])
		}
	}
	if diff := cmp.Diff(want, readFrames(t, r.d.path("udp.pcapng"))); diff != "" {
		t.Errorf("udp (-want +got):\n%s", diff)
	}
	ledger := readLedger(t, r.d.path("udp.json"))
	n, had := uint64(len(inner)), uint64(len(want))
	if ledger.Mode != "joined" || ledger.Received != n || ledger.Outcomes["filtered"] != n-had || ledger.Outputs["file"].Delivered != had {
		t.Errorf("ledger of the capture %+v, want %d of %d packets", ledger, had, n)
	}
	return had
}

// checkWeb sees that the second had packets of its VNI alone, and returns how many.
func (r *threeReaders) checkWeb(t *testing.T, inner [][]byte) (had uint64) {
	t.Helper()
	lines := strings.Count(r.lines.String(), "\n")
	if lines != strings.Count(r.lines.String(), "vni 12345 ") || lines == 0 || lines == len(inner) {
		t.Errorf("%d lines of %d packets, want those of VNI 12345", lines, len(inner))
	}
	return uint64(lines)
}

// Each reader has what it asked for, and what it was offered, had and lost stands
// in its file, in its ledger and in the daemon's.
func TestRunSocket(t *testing.T) {
	w := newWire(t)
	d := w.run(t, live)
	outer, inner := conversation()
	n := uint64(len(inner))
	w.send(t, outer...) // nobody reads
	labtest.Eventually(t, "nobody has them", func() bool { return d.statusLedger(t).Outputs["live"].Lost[mirror.LossNoReader] == n })

	readers := d.readThrice(t)
	if text := refusal(t, d.path("live.sock")); text != "xdpeel: error: there are 3 readers already\n" {
		t.Errorf("a fourth reader is told %q", text)
	}
	w.send(t, outer...)
	labtest.Eventually(t, "the readers have all", func() bool {
		list := d.statusLedger(t).Outputs["live"].Readers
		return len(list) == 3 && list[0].Offered+list[1].Offered+list[2].Offered == 3*n
	})
	if said := d.status(t); !strings.Contains(said, `reads "udp"`) {
		t.Errorf("status says %q, want the readers", said)
	}
	path := d.path("all-live.pcapng")
	if err := os.WriteFile(path, readers.end(t), 0o644); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(inner, readFrames(t, path)); diff != "" {
		t.Errorf("the stream of all (-want +got):\n%s", diff)
	}
	checkStatistics(t, path, n)

	want := mirror.OutputAccount{Offered: 4 * n, Delivered: readers.checkUDP(t, inner) + readers.checkWeb(t, inner) + n}
	want.Lose(mirror.LossNoReader, n)
	want.Lose(mirror.LossReaderFiltered, 3*n-want.Delivered)
	final := d.finish(t)
	if diff := cmp.Diff(want, final.Outputs["live"]); diff != "" {
		t.Errorf("account of the socket (-want +got):\n%s", diff)
	}
	if got := final.Outputs["all"]; got.Delivered != 2*n {
		t.Errorf("account of the file %+v, want %d delivered", got, 2*n)
	}
	if _, err := os.Lstat(d.path("live.sock")); err == nil {
		t.Error("the socket is left behind")
	}
}

// rawReader connects as any program may, and says what it wants.
func rawReader(t *testing.T, path, wish string) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(labtest.Patience))
	if _, err := conn.Write([]byte(wish)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func refusal(t *testing.T, path string) string {
	t.Helper()
	text, err := io.ReadAll(rawReader(t, path, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkStatistics has tshark read the statistics blocks, and sums them up.
func checkStatistics(t *testing.T, path string, received uint64) {
	t.Helper()
	labtest.Need(t, "tshark")
	text, err := exec.Command("tshark", "-X", "read_format:MIME Files Format", "-V", "-r", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint64{
		"Number of Received Packets": received, "Number of Dropped Packets": 0,
		"Number of Accepted Packets": received, "Number of Packets Delivered to the User": received,
	} {
		sum, blocks := uint64(0), 0
		for _, found := range regexp.MustCompile(name+` = (\d+)\n`).FindAllStringSubmatch(string(text), -1) {
			n, _ := strconv.ParseUint(found[1], 10, 64)
			sum += n
			blocks++
		}
		if sum != want || blocks == 0 {
			t.Errorf("%s: tshark finds %d in %d blocks, want %d", name, sum, blocks, want)
		}
	}
}

// A reader that stands still loses its own packets, and one that dies its own.
func TestRunSocketStalledReader(t *testing.T) {
	w := newWire(t)
	d := w.run(t, "buffer: 4MiB\n"+live)
	stalled := rawReader(t, d.path("live.sock"), "{}\n")
	dying := rawReader(t, d.path("live.sock"), "{\"filter\": \"ip or not ip\"}\n")
	labtest.Eventually(t, "they read", func() bool { return len(d.statusLedger(t).Outputs["live"].Readers) == 2 })
	sender := labtest.OpenSender(t, w.near.Namespace, w.near.Name)
	frame := frames.Wrap(make([]byte, 1000), 1, netip.MustParseAddr("10.0.0.1"), lab.Target)
	const sent = 20000
	for i := range uint64(sent) {
		binary.BigEndian.PutUint64(frame[len(frame)-8:], i)
		if err := sender.Send(frame); err != nil {
			t.Fatal(err)
		}
		if i%1000 == 999 {
			labtest.Eventually(t, "the file has all", func() bool { return d.statusLedger(t).Outputs["all"].Delivered == i+1 })
		}
		if i == sent/2 {
			dying.Close()
		}
	}
	dropped := d.checkStalled(t, stalled, sent)
	labtest.Eventually(t, "the readers are gone", func() bool { return len(d.statusLedger(t).Outputs["live"].Readers) == 0 })
	ledger := d.finish(t)
	account := ledger.Outputs["live"]
	sum := account.Delivered
	for _, n := range account.Lost {
		sum += n
	}
	if account.Offered != sum || account.Lost[mirror.LossQueueFull] < dropped || ledger.Outputs["all"].Delivered != sent || len(ledger.Outputs["all"].Lost) > 0 {
		t.Errorf("accounts %+v and %+v", account, ledger.Outputs["all"])
	}
}

// checkStalled reads all that is left for a reader that stood still: its statistics say what
// it lost, and the newest packets are there.
func (d *runningDaemon) checkStalled(t *testing.T, stalled *net.UnixConn, sent uint64) (dropped uint64) {
	t.Helper()
	if err := stalled.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	stream, err := io.ReadAll(stalled)
	if err != nil {
		t.Fatal(err)
	}
	path := d.path("stalled.pcapng")
	if err := os.WriteFile(path, stream, 0o644); err != nil {
		t.Fatal(err)
	}
	got := numbersIn(t, path)
	received, dropped := statisticsIn(t, stream)
	if received != sent || dropped != sent-uint64(len(got)) || dropped == 0 {
		t.Errorf("statistics say %d received and %d dropped, with %d packets in the stream of %d", received, dropped, len(got), sent)
	}
	if got[len(got)-1] != sent-1 {
		t.Errorf("the last packet is %d, want the newest", got[len(got)-1])
	}
	return dropped
}

// statisticsIn are the counts of the only interface statistics block.
func statisticsIn(t *testing.T, stream []byte) (received, dropped uint64) {
	t.Helper()
	for len(stream) > 0 {
		kind, size := binary.LittleEndian.Uint32(stream), binary.LittleEndian.Uint32(stream[4:])
		if kind == 5 {
			return binary.LittleEndian.Uint64(stream[24:]), binary.LittleEndian.Uint64(stream[36:])
		}
		stream = stream[size:]
	}
	t.Fatal("the stream has no statistics")
	return 0, 0
}

// `xdpeel capture -i` reads along with the daemon that has the interface, by the
// socket where it looks for one, and its pipe goes to tshark as ever.
func TestCaptureJoinsDaemon(t *testing.T) {
	w := newWire(t)
	directory := filepath.Join(t.TempDir(), "xdpeel")
	d := &runningDaemon{wire: w, dir: t.TempDir(), runtime: directory}
	d.start(t, daemonConfig("sessions: [{vni: any}]\noutputs: {all: {type: pcapng, path: DIR/all.pcapng}, live: {type: socket, mode: '0600'}}\n"))
	info, err := os.Stat(filepath.Join(directory, "far.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v: socket %v, want one of mode 0600", err, info)
	}
	pipe := new(lab.Transcript)
	r := w.launch(t, &environment{stdout: pipe, runtime: directory}, "capture", "-i", "far", "-w", "-", "-c", "7")
	r.await("through the daemon's socket " + filepath.Join(directory, "far.sock") + ",")
	outer, inner := conversation()
	w.send(t, outer...)
	r.end(0)
	if said := r.stderr.String(); !strings.Contains(said, "far, joined: ") || !strings.Contains(said, "7 delivered") {
		t.Errorf("said %q", said)
	}
	path := d.path("piped.pcapng")
	if err := os.WriteFile(path, []byte(pipe.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(inner[:7], readFrames(t, path)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	if _, err := exec.LookPath("tshark"); err == nil {
		tshark := exec.Command("tshark", "-r", "-")
		tshark.Stdin = bytes.NewReader([]byte(pipe.String()))
		if text, err := tshark.Output(); err != nil || strings.Count(string(text), "\n") != 7 {
			t.Errorf("%v: tshark reads %s", err, text)
		}
	}
	refused := w.launch(t, &environment{stdout: io.Discard, runtime: directory}, "capture", "-i", "far", "--mode", "generic")
	refused.end(2)
	if want := "--mode cannot be chosen here"; !strings.Contains(refused.stderr.String(), want) {
		t.Errorf("said %q, want %q", refused.stderr, want)
	}

	// A capture ends when the output that it reads goes.
	along := w.launch(t, &environment{stdout: io.Discard, runtime: directory}, "capture", "-i", "far")
	along.await("listening on")
	d.write(t, daemonConfig(everything))
	d.hangups <- syscall.SIGHUP
	along.end(1)
	if want := "the daemon has ended the stream"; !strings.Contains(along.stderr.String(), want) {
		t.Errorf("said %q, want %q", along.stderr, want)
	}
	d.finish(t)
}

// A socket that is opened anew keeps its name; what a daemon that was killed left is
// replaced, and what is no socket or another's is not.
func TestSocketNames(t *testing.T) {
	s := newOutputsUnderTest(t)
	path := filepath.Join(s.dir, "live.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	change := func(keys string) error {
		c := s.parseText("outputs: {live: {type: socket, path: " + path + keys + "}}\n")
		opened, err := s.open(c, nobody{})
		if err == nil {
			s.settle(c, opened, new(loader.SlotAccounts))
		}
		return err
	}
	for _, keys := range []string{"", ", readers: 2", ", readers: 3, mode: '0666'"} {
		if err := change(keys); err != nil {
			t.Fatal(err)
		}
		s.closers.Wait()
		if conn, err := net.Dial("unix", path); err != nil {
			t.Errorf("%q: %v", keys, err)
		} else {
			conn.Close()
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(path + "*"); len(files) > 0 {
		t.Errorf("left %v behind", files)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s = newOutputsUnderTest(t)
	if err := change(""); err == nil || !strings.Contains(err.Error(), "is there and no socket") {
		t.Errorf("%v, want a refusal of a file", err)
	}
}
