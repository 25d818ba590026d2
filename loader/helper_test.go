package loader

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/loader/pair"
	"github.com/xdpeel/xdpeel/mirror"
)

// roleVariable says what a process is that is a test's child: "helper", or "bare", on
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
	case "helper":
		if err := ServeHelper(); err != nil {
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
	if err := p.Delegate(child("helper")); err != nil {
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
	if err := bareVeth(p); err != nil {
		return err
	}
	if socket, err := p.PacketSocket(); err != nil {
		return err
	} else if err := unix.Close(socket); err != nil {
		return err
	}
	_, _, err = p.Ledger()
	return err
}

// bareVeth has a veth made, tested, adopted and removed, and another's left alone.
func bareVeth(p *Program) error {
	o := namedVeth()
	v, err := p.OpenVeth(o)
	if err != nil {
		return err
	}
	if err := errors.Join(v.SelfTest(), v.SelfTest(), p.SetPolicy(copying(slotOfVeth)), v.Close()); err != nil {
		return err
	}
	o.MTU = 1500
	if v, err = p.OpenVeth(o); err != nil {
		return err
	}
	if !v.pair.Adopted || v.State() != (pair.State{Up: true, PeerUp: true}) {
		return fmt.Errorf("the veth is not adopted, or not up: %+v", v.State())
	}
	if err := errors.Join(v.SelfTest(), v.Remove()); err != nil {
		return err
	}
	if !v.State().Gone {
		return errors.New("the veth is still there")
	}
	o.Name = "lo"
	if _, err := p.OpenVeth(o); !errors.Is(err, pair.ErrForeign) {
		return fmt.Errorf("a veth in another interface's place: %w", err)
	}
	return nil
}

func namedVeth() VethOptions {
	o := vethOptions(slotOfVeth, wireMTU)
	o.Name, o.Peer, o.Queues = "xdpeel0", "xdpeel0-ids", 1
	return o
}

// copying is a policy by which a slot and the next get copies.
func copying(slot int) *mirror.Policy {
	set := mirror.OutputSet(0b11 << slot)
	return &mirror.Policy{Veths: set, Sessions: []mirror.SessionPolicy{{AnyVNI: true, Outputs: set, Sharing: abi.SharingCopy}}}
}

// All that a daemon does once it is attached, it can do without capabilities: take
// another policy, attach again, have veths made, tested and removed, read the ledger.
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

// newHelper returns the helper of a program.
func newHelper(t *testing.T) *helper {
	t.Helper()
	needRoot(t)
	p := newProgram(t, mirror.Options{})
	if err := p.Delegate(child("helper")); err != nil {
		t.Fatal(err)
	}
	return p.helper
}

// The helper makes maps of the sizes that there are, and refuses what there is not.
func TestHelper(t *testing.T) {
	h := newHelper(t)
	for regions, want := range map[int]string{1: "", 2: "", 0: "a policy has no 0 regions", abi.RegionMax + 1: "a policy has no 65 regions"} {
		m, err := h.policyMap(regions)
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
	for want, change := range map[string]func(o *VethOptions){
		"there is no slot 32":                                    func(o *VethOptions) { o.Slot = abi.LimitOutputs },
		`"a/b" is no name for an interface`:                      func(o *VethOptions) { o.Name = "a/b" },
		`"" is no name for an interface`:                         func(o *VethOptions) { o.Peer = "" },
		`"../x" is no name for a network namespace`:              func(o *VethOptions) { o.PeerNamespace = "../x" },
		`open network namespace "/proc/self/exe": there is none`: func(o *VethOptions) { o.PeerNamespace = "/proc/self/exe" },
		`veth "xdpeel0" has no 0 queues`:                         func(o *VethOptions) { o.Queues = 0 },
		`veth "xdpeel0" has no MTU of 67`:                        func(o *VethOptions) { o.MTU = 67 },
	} {
		o := namedVeth()
		change(&o)
		if _, err := h.buildVeth(o, 0b11); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A helper that was killed is gone; one that hears what is not in the protocol ends.
func TestHelperGone(t *testing.T) {
	for name, end := range map[string]func(h *helper) error{
		"killed":  func(h *helper) error { return h.command.Process.Kill() },
		"short":   func(h *helper) error { _, err := h.conn.Write([]byte{1}); return err },
		"unknown": func(h *helper) error { return send(h.conn, &request{Kind: 99}, nil) },
		"endless": func(h *helper) error {
			return send(h.conn, &request{Kind: requestRemoveVeth, Name: [16]byte{15: 1}}, nil)
		},
		"a socket": func(h *helper) error { return send(h.conn, &request{Kind: requestCopySetMap}, []int{1}) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHelper(t)
			if err := end(h); err != nil {
				t.Fatal(err)
			}
			select {
			case <-h.gone:
			case <-time.After(20 * time.Second):
				t.Fatal("it is still there")
			}
			if _, err := h.policyMap(1); !errors.Is(err, ErrHelperGone) {
				t.Errorf("a helper that is gone: %v", err)
			}
		})
	}
}
