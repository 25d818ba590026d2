//go:build guest

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// actVariable makes the test binary a guest's payload: it holds what to do there.
const actVariable = "GUEST_TEST_ACT"

// TestMain makes the test binary all that a guest consists of: its init, and
// what runs in it.
func TestMain(m *testing.M) {
	if os.Getpid() == firstProcess {
		guestMain()
		return
	}
	if act := os.Getenv(actVariable); act != "" {
		os.Exit(perform(act))
	}
	os.Exit(m.Run())
}

// perform is the payload.
func perform(act string) int {
	switch act {
	case "exit 7":
		return 7
	case "signal":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "panic":
		os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
	case "sleep":
		time.Sleep(time.Hour)
	case "report":
		return report()
	case "send":
		return send()
	}
	return 0
}

// report prints what the guest holds.
func report() int {
	directory, _ := os.Getwd()
	added, _ := os.ReadFile("below/added")
	fmt.Println("directory", directory, "added", string(added), "arguments", os.Args[1:], "user", os.Getuid())
	interfaces, _ := filepath.Glob("/sys/class/net/*/device/driver")
	var drivers []string
	for _, link := range interfaces {
		driver, _ := os.Readlink(link)
		drivers = append(drivers, filepath.Base(driver))
	}
	slices.Sort(drivers)
	fmt.Println("drivers", drivers)
	return 0
}

// send sends a frame through each pair of cards, which come in the order of
// knownNICs, and prints which arrived.
func send() int {
	for pair := range knownNICs {
		from, to := fmt.Sprintf("eth%d", 2*pair), fmt.Sprintf("eth%d", 2*pair+1)
		fmt.Printf("%s to %s: %v\n", from, to, sendFrame(from, to))
	}
	return 0
}

// etherTypeTest is IEEE 802's for local experiments: no one else speaks it.
const etherTypeTest = 0x88b5

func sendFrame(from, to string) error {
	sender, err := openPacketSocket(from)
	if err != nil {
		return err
	}
	receiver, err := openPacketSocket(to)
	if err != nil {
		return err
	}
	frame := append(bytes.Repeat([]byte{0xff}, 6), 2, 0, 0, 0, 0, 1, etherTypeTest>>8, etherTypeTest&0xff)
	frame = append(frame, bytes.Repeat([]byte(from), 300)...)
	if _, err := unix.Write(sender, frame); err != nil {
		return err
	}
	got := make([]byte, 2*len(frame))
	n, err := unix.Read(receiver, got)
	if err == nil && !bytes.Equal(got[:n], frame) {
		err = fmt.Errorf("got %d bytes that were not sent", n)
	}
	return err
}

// openPacketSocket sets an interface up and returns a socket that reads
// etherTypeTest from it, for two seconds.
func openPacketSocket(name string) (int, error) {
	device, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	if err := setUp(name); err != nil {
		return 0, err
	}
	protocol := uint16(etherTypeTest>>8 | etherTypeTest&0xff<<8) // network byte order
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(protocol))
	if err != nil {
		return 0, err
	}
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}); err != nil {
		return 0, err
	}
	return socket, unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: device.Index})
}

// guest returns a machine that runs the test binary itself, on the kernel that
// $XDPEEL_VM_KERNEL names.
func guest(t *testing.T, act string) *machine {
	t.Helper()
	kernel := os.Getenv("XDPEEL_VM_KERNEL")
	if kernel == "" {
		t.Skip("needs XDPEEL_VM_KERNEL, a directory of fetch-kernel.sh: scripts/vm/matrix.sh --self-test sets it")
	}
	labtest.Need(t, "qemu-system-x86_64")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &machine{
		kernel: kernel, accel: defaultAccel, memory: defaultMemory, timeout: 2 * time.Minute,
		binary: self, env: []string{actVariable + "=" + act}, dir: "/there",
	}
}

func TestGuestExitCode(t *testing.T) {
	tests := []struct {
		act     string
		timeout time.Duration
		code    int
		err     string // part of it
		console string // likewise
	}{
		{act: "exit 0", code: 0, console: "Power down"},
		{act: "exit 7", code: 7},
		{act: "signal", code: 128 + 9},
		{act: "panic", code: exitGuestFailed, err: "without a verdict", console: "Kernel panic"},
		{act: "sleep", timeout: 15 * time.Second, code: exitGuestFailed, err: "no end after 15s"},
	}
	for _, test := range tests {
		t.Run(test.act, func(t *testing.T) {
			m := guest(t, test.act)
			if test.timeout > 0 {
				m.timeout = test.timeout
			}
			var console bytes.Buffer
			code, err := m.run(t.Context(), io.Discard, &console)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if got := fmt.Sprint(err); (err == nil) != (test.err == "") || !strings.Contains(got, test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if !strings.Contains(console.String(), test.console) {
				t.Errorf("no %q among the kernel's messages:\n%s", test.console, console.String())
			}
		})
	}
}

func TestGuestHolds(t *testing.T) {
	m := guest(t, "report")
	m.args = []string{"one", "two"}
	added := filepath.Join(t.TempDir(), "added")
	if err := os.WriteFile(added, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.files = []file{{from: added, to: "/there/below/added"}}
	m.nics = knownNICs
	var stdout, console bytes.Buffer
	if code, err := m.run(t.Context(), &stdout, &console); code != 0 || err != nil {
		t.Fatalf("exit code %d, error %v; kernel's messages:\n%s", code, err, console.String())
	}
	want := "directory /there added content arguments [one two] user 0\n" +
		"drivers [virtio_net virtio_net virtio_net virtio_net vmxnet3 vmxnet3]\n"
	if stdout.String() != want {
		t.Errorf("got %q, want %q", stdout.String(), want)
	}
}

func TestGuestCardsAreWired(t *testing.T) {
	m := guest(t, "send")
	m.nics = knownNICs
	var stdout bytes.Buffer
	if code, err := m.run(t.Context(), &stdout, io.Discard); code != 0 || err != nil {
		t.Fatalf("exit code %d, error %v", code, err)
	}
	want := "eth0 to eth1: <nil>\neth2 to eth3: <nil>\neth4 to eth5: <nil>\n"
	if stdout.String() != want {
		t.Errorf("got %q, want %q", stdout.String(), want)
	}
}
