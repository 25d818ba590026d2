package loader

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/mirror"
)

// roleVariable says what a process is that is a test's child: "maker", or "bare", on
// an interface.
const roleVariable = "XDPEEL_TEST_ROLE"

// child is this test binary in a role. The test that it runs does nothing else.
func child(role string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

func TestChild(t *testing.T) {
	role, iface, _ := strings.Cut(os.Getenv(roleVariable), " ")
	switch role {
	case "maker":
		if err := ServeMaps(); err != nil {
			t.Fatal(err)
		}
	case "bare":
		if err := bare(iface); err != nil {
			t.Fatal(err)
		}
	default:
		t.Skip("is for other tests' children")
	}
}

// bare does all that a daemon does, without capabilities once it is attached.
func bare(iface string) error {
	p, err := Load(mirror.Options{}, mirror.TakeAll())
	if err != nil {
		return err
	}
	defer p.Close()
	attachment, err := p.Attach(iface, ModeNative)
	if err != nil {
		return err
	}
	reader, err := p.NewReader()
	if err != nil {
		return err
	}
	defer reader.Close()
	maker, err := StartMapMaker(child("maker"))
	if err != nil {
		return err
	}
	if err := p.Delegate(maker); err != nil {
		return err
	}
	if err := cap.NewSet().SetProc(); err != nil {
		return err
	}
	if _, err := ebpf.NewMap(p.spec.Maps["policies"].InnerMap); !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("make a map without capabilities: %w", err)
	}
	if err := errors.Join(attachment.Check(), p.SetPolicy(mirror.TakeVNIs([]uint32{5})), attachment.Close()); err != nil {
		return err
	}
	for _, mode := range []Mode{ModeAuto, ModeGeneric} {
		again, err := p.Attach(iface, mode)
		if err != nil {
			return fmt.Errorf("attach again: %w", err)
		}
		if err := again.Close(); err != nil {
			return err
		}
	}
	_, _, err = p.Ledger()
	return err
}

// All that a daemon does once it is attached, it can do without capabilities: take
// another policy, attach again, read the ledger.
func TestWithoutCapabilities(t *testing.T) {
	needRoot(t)
	far := newWire(t, lab.VethOptions{}).pair.B
	cmd := child("bare " + far.Name)
	said := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = said, said
	if err := far.Namespace.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

// The maker makes maps of the sizes that there are, and refuses others.
func TestMapMaker(t *testing.T) {
	needRoot(t)
	maker, err := StartMapMaker(child("maker"))
	if err != nil {
		t.Fatal(err)
	}
	for regions, want := range map[int]string{1: "", 2: "", 0: "a policy has no 0 regions", abi.RegionMax + 1: "a policy has no 65 regions"} {
		m, err := maker.make(regions)
		switch {
		case want != "" && (err == nil || err.Error() != want):
			t.Errorf("%d regions: %v, want %s", regions, err, want)
		case want == "" && (err != nil || m.MaxEntries() != uint32(regions)):
			t.Errorf("%d regions: %v, %v", regions, m, err)
		}
		if err == nil {
			m.Close()
		}
	}
	if err := maker.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := maker.command.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := maker.make(1); !errors.Is(err, ErrMakerGone) {
		t.Errorf("a maker that is gone: %v", err)
	}
	maker.conn.Close()
}
