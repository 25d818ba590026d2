package loader

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
)

// Holder is the XDP program that an interface carries.
type Holder struct {
	ID   ebpf.ProgramID
	Name string // as the kernel knows it, at most 15 bytes
	Ours bool   // it is xdpeel's
	// Hidden is of one that this process may not look at, which takes CAP_SYS_ADMIN:
	// nothing but the ID is known.
	Hidden bool
}

// OccupiedError says that an interface carries an XDP program already.
type OccupiedError struct {
	Interface string
	Holder    Holder
}

func (e *OccupiedError) Error() string {
	if e.Holder.Hidden {
		return fmt.Sprintf("interface %q already carries an XDP program (id %d); whose it is takes CAP_SYS_ADMIN to tell", e.Interface, e.Holder.ID)
	}
	return fmt.Sprintf("interface %q already carries the XDP program %q (id %d)", e.Interface, e.Holder.Name, e.Holder.ID)
}

// MayGo says whether the program may go away by itself: it is xdpeel's, or may be, and
// nobody may hold it any more.
func (e *OccupiedError) MayGo() bool { return e.Holder.Ours || e.Holder.Hidden }

// HolderOf returns the XDP program that an interface carries, or nil.
func HolderOf(iface netlink.Link) (*Holder, error) {
	current, err := netlink.LinkByIndex(iface.Attrs().Index)
	if err != nil {
		return nil, fmt.Errorf("ask for interface %q: %w", iface.Attrs().Name, err)
	}
	xdp := current.Attrs().Xdp
	if xdp == nil || !xdp.Attached {
		return nil, nil
	}
	holder := &Holder{ID: ebpf.ProgramID(xdp.ProgId)}
	program, err := ebpf.NewProgramFromID(holder.ID)
	if errors.Is(err, os.ErrNotExist) {
		return holder, nil
	}
	if errors.Is(err, unix.EPERM) {
		holder.Hidden = true
		return holder, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at XDP program %d: %w", holder.ID, err)
	}
	defer program.Close()
	info, err := program.Info()
	if err != nil {
		return nil, fmt.Errorf("look at XDP program %d: %w", holder.ID, err)
	}
	holder.Name, holder.Ours = info.Name, isOurs(info)
	return holder, nil
}

// isOurs tells xdpeel's program from another of that name: it uses our maps.
func isOurs(info *ebpf.ProgramInfo) bool {
	if info.Name != bpf.XdpeelProgXdpeel {
		return false
	}
	wanted := map[string]bool{bpf.XdpeelMapLedger: true, bpf.XdpeelMapSessionCounts: true, bpf.XdpeelMapRings: true}
	ids, _ := info.MapIDs()
	for _, id := range ids {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			continue
		}
		if info, err := m.Info(); err == nil {
			delete(wanted, info.Name)
		}
		m.Close()
	}
	return len(wanted) == 0
}
