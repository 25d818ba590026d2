package loader

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// wire is a veth pair between two namespaces: what is sent at one end meets the
// program at the other.
type wire struct {
	t    *testing.T
	pair *lab.Pair
}

func newWire(t *testing.T, options lab.VethOptions) *wire {
	t.Helper()
	needRoot(t)
	near, far := labtest.NewNamespace(t), labtest.NewNamespace(t)
	options.NameA, options.NameB, options.OffloadsOff = "near", "far", true
	pair, err := lab.NewPair(near, far, options)
	if err != nil {
		t.Fatal(err)
	}
	return &wire{t, pair}
}

func newProgram(t *testing.T, o mirror.Options) *Program {
	t.Helper()
	needRoot(t)
	program, err := Load(o, mirror.TakeAll())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := program.Close(); err != nil {
			t.Error(err)
		}
	})
	return program
}

// attach attaches in end's namespace and takes the program off with the test.
func attach(t *testing.T, program *Program, end lab.End, mode Mode) (*Attachment, error) {
	t.Helper()
	var attachment *Attachment
	err := end.Namespace.Do(func() (err error) {
		attachment, err = program.Attach(end.Name, mode)
		return err
	})
	if err == nil {
		t.Cleanup(func() { attachment.Close() })
	}
	return attachment, err
}

func mustAttach(t *testing.T, program *Program, end lab.End, mode Mode) *Attachment {
	t.Helper()
	attachment, err := attach(t, program, end, mode)
	if err != nil {
		t.Fatal(err)
	}
	return attachment
}

// carries returns the id of the program on an interface, 0 for none.
func carries(t *testing.T, end lab.End) (id uint32) {
	t.Helper()
	err := end.Namespace.Do(func() error {
		iface, err := netlink.LinkByName(end.Name)
		if err == nil && iface.Attrs().Xdp != nil {
			id = iface.Attrs().Xdp.ProgId
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// foreignProgram is somebody else's: it passes every frame.
func foreignProgram(t *testing.T, name string) *ebpf.Program {
	t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program
}

func attachForeign(t *testing.T, program *ebpf.Program, end lab.End, flags link.XDPAttachFlags) {
	t.Helper()
	err := end.Namespace.Do(func() error {
		attached, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: end.Index, Flags: flags})
		if err == nil {
			t.Cleanup(func() { attached.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAttachModes(t *testing.T) {
	for _, test := range []struct{ wish, want Mode }{
		{ModeAuto, ModeNative}, {ModeNative, ModeNative}, {ModeGeneric, ModeGeneric},
	} {
		t.Run(string(test.wish), func(t *testing.T) {
			far := newWire(t, lab.VethOptions{}).pair.B
			attachment := mustAttach(t, newProgram(t, mirror.Options{}), far, test.wish)
			if attachment.Mode != test.want || len(attachment.Refusals) > 0 {
				t.Errorf("mode %s after %v, want %s", attachment.Mode, attachment.Refusals, test.want)
			}
			if err := attachment.Check(); err != nil {
				t.Errorf("check of a good attachment: %v", err)
			}
			if err := attachment.Close(); err != nil {
				t.Error(err)
			}
			if id := carries(t, far); id != 0 {
				t.Errorf("program %d is left behind", id)
			}
		})
	}
}

// The loopback interface has no native XDP: generic mode it is, and the reason is told.
func TestAttachFallsBackToGeneric(t *testing.T) {
	needRoot(t)
	end := lab.End{Namespace: labtest.NewNamespace(t), Name: "lo"}
	attachment := mustAttach(t, newProgram(t, mirror.Options{}), end, ModeAuto)
	if attachment.Mode != ModeGeneric || len(attachment.Refusals) != 2 {
		t.Fatalf("mode %s after %v, want generic after two refusals", attachment.Mode, attachment.Refusals)
	}
	if said := attachment.Refusals[0].String(); !strings.Contains(said, "does not support XDP in native mode") {
		t.Errorf("refusal %q does not give the kernel's words", said)
	}

	_, err := attach(t, newProgram(t, mirror.Options{}), end, ModeNative)
	if occupied := (*OccupiedError)(nil); !errors.As(err, &occupied) || !occupied.Holder.Ours {
		t.Errorf("second attach: %v, want *OccupiedError that names xdpeel's own", err)
	}
}

// A driver that takes no jumbo frames in one buffer says so, and how to mend it.
func TestAttachRefusalNamesTheRemedy(t *testing.T) {
	far := newWire(t, lab.VethOptions{MTU: 9001}).pair.B
	program := newProgram(t, mirror.Options{})
	single := attempt{ModeNative, withoutFragments, link.XDPDriverMode}
	err := far.Namespace.Do(func() error {
		iface, err := netlink.LinkByName(far.Name)
		if err != nil {
			return err
		}
		_, refusal, err := program.try(iface, single)
		if err != nil {
			return err
		}
		if refusal == nil {
			return errors.New("attached, want a refusal")
		}
		if want := "veth: Peer MTU is too large to set XDP"; refusal.Reason != want {
			return fmt.Errorf("reason %q, want %q", refusal.Reason, want)
		}
		if want := "ip link set dev PEER mtu 3494"; refusal.Remedy != want {
			return fmt.Errorf("remedy %q, want %q", refusal.Remedy, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if id := carries(t, far); id != 0 {
		t.Errorf("asking for the reason left program %d on the interface", id)
	}
	if attachment := mustAttach(t, program, far, ModeAuto); attachment.Mode != ModeNative {
		t.Errorf("mode %s, want native: veth takes jumbo frames in several buffers", attachment.Mode)
	}
}

func TestForeignProgramIsLeftAlone(t *testing.T) {
	for _, flags := range []link.XDPAttachFlags{link.XDPDriverMode, link.XDPGenericMode} {
		for _, mode := range []Mode{ModeAuto, ModeNative, ModeGeneric} {
			t.Run(fmt.Sprintf("flags %d, %s", flags, mode), func(t *testing.T) {
				far := newWire(t, lab.VethOptions{}).pair.B
				// Even one of xdpeel's name is foreign without xdpeel's maps.
				attachForeign(t, foreignProgram(t, "xdpeel"), far, flags)
				id := carries(t, far)
				_, err := attach(t, newProgram(t, mirror.Options{}), far, mode)
				occupied := (*OccupiedError)(nil)
				if !errors.As(err, &occupied) || occupied.Holder != (Holder{ID: ebpf.ProgramID(id), Name: "xdpeel", Ours: false}) {
					t.Errorf("attach: %v, want *OccupiedError of foreign program %d", err, id)
				}
				var holder *Holder
				err = far.Namespace.Do(func() (err error) {
					holder, err = Detach(far.Name, t.TempDir())
					return err
				})
				if err != nil || holder == nil || holder.Ours {
					t.Errorf("detach: %+v, %v; want a foreign holder and no error", holder, err)
				}
				if got := carries(t, far); got != id {
					t.Errorf("interface carries program %d, want the foreign %d", got, id)
				}
			})
		}
	}
}

func TestDetach(t *testing.T) {
	far := newWire(t, lab.VethOptions{}).pair.B
	detach := func() (holder *Holder, err error) {
		err = far.Namespace.Do(func() (err error) {
			holder, err = Detach(far.Name, t.TempDir())
			return err
		})
		return holder, err
	}
	if holder, err := detach(); holder != nil || err != nil {
		t.Errorf("detach from a bare interface: %v, %v", holder, err)
	}
	attachment := mustAttach(t, newProgram(t, mirror.Options{}), far, ModeAuto)
	if holder, err := detach(); err != nil || holder == nil || !holder.Ours {
		t.Errorf("detach: %+v, %v; want xdpeel's own", holder, err)
	}
	if id := carries(t, far); id != 0 {
		t.Errorf("program %d is left", id)
	}
	if err := attachment.Check(); !errors.Is(err, ErrTakenOff) {
		t.Errorf("check: %v, want ErrTakenOff", err)
	}
	if err := attachment.Close(); err != nil {
		t.Errorf("close after it was taken off: %v", err)
	}
}

func TestInterfaceGone(t *testing.T) {
	w := newWire(t, lab.VethOptions{})
	attachment := mustAttach(t, newProgram(t, mirror.Options{}), w.pair.B, ModeAuto)
	err := w.pair.A.Namespace.Do(func() error {
		iface, err := netlink.LinkByName(w.pair.A.Name)
		if err != nil {
			return err
		}
		return netlink.LinkDel(iface)
	})
	if err != nil {
		t.Fatal(err)
	}
	labtest.Eventually(t, "the interface is missed", func() bool { return attachment.Check() != nil })
	if err := attachment.Check(); !errors.Is(err, ErrGone) {
		t.Errorf("check: %v, want ErrGone", err)
	}
	if err := attachment.Close(); err != nil {
		t.Errorf("close after the interface went: %v", err)
	}
}

func TestNoSuchInterface(t *testing.T) {
	program := newProgram(t, mirror.Options{})
	if _, err := program.Attach("nonesuch0", ModeAuto); !errors.Is(err, ErrNoInterface) {
		t.Errorf("attach: %v, want ErrNoInterface", err)
	}
	if _, err := Detach("nonesuch0", t.TempDir()); !errors.Is(err, ErrNoInterface) {
		t.Errorf("detach: %v, want ErrNoInterface", err)
	}
}

// Without a capability, loading says which one is missing.
func TestMissingCapabilities(t *testing.T) {
	needRoot(t)
	done := make(chan error)
	go func() {
		// The thread has lost its capabilities for good, so it is not unlocked and ends.
		done <- withoutCapabilities(func() error {
			_, err := Load(mirror.Options{}, mirror.TakeAll())
			return err
		})
	}()
	capability := (*CapabilityError)(nil)
	if err := <-done; !errors.As(err, &capability) {
		t.Fatalf("load: %v, want *CapabilityError", err)
	}
	if got, want := strings.Join(capability.Missing, " "), "CAP_BPF CAP_PERFMON CAP_NET_ADMIN"; got != want {
		t.Errorf("missing %q, want %q", got, want)
	}
}

func withoutCapabilities(f func() error) error {
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return err
	}
	return f()
}
