//go:build guest

package drivers

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// probe passes every frame, and keeps the length of the longest linear part of
// those that the tests sent.
type probe struct {
	program *ebpf.Program
	longest *ebpf.Map // one uint64
}

const xdpPass = 2

func loadProbe(frags bool) (*probe, error) {
	longest, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return nil, err
	}
	spec := &ebpf.ProgramSpec{Name: "probe", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.LoadMem(asm.R7, asm.R1, 0, asm.Word), // data
		asm.LoadMem(asm.R8, asm.R1, 4, asm.Word), // data_end
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.Add.Imm(asm.R1, 14),
		asm.JGT.Reg(asm.R1, asm.R8, "pass"),
		asm.LoadMem(asm.R1, asm.R7, 12, asm.Half),
		asm.JNE.Imm(asm.R1, int32(testProtocol), "pass"),
		asm.Sub.Reg(asm.R8, asm.R7),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, longest.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.JGE.Reg(asm.R1, asm.R8, "pass"),
		asm.StoreMem(asm.R0, 0, asm.R8, asm.DWord),
		asm.Mov.Imm(asm.R0, xdpPass).WithSymbol("pass"),
		asm.Return(),
	}}
	if frags {
		spec.Flags = unix.BPF_F_XDP_HAS_FRAGS
	}
	program, err := ebpf.NewProgram(spec)
	if err != nil {
		return nil, errors.Join(err, longest.Close())
	}
	return &probe{program, longest}, nil
}

func (p *probe) close() {
	p.program.Close()
	p.longest.Close()
}

// attach goes by netlink, not by a link: only there does the driver say why not.
func (p *probe) attach(to netlink.Link, m mode) error {
	return netlink.LinkSetXdpFdWithFlags(to, p.program.FD(), m.flag)
}

func detach(from netlink.Link, m mode) error {
	return netlink.LinkSetXdpFdWithFlags(from, -1, m.flag)
}

func (p *probe) longestLinear(t *testing.T) uint64 {
	t.Helper()
	var longest uint64
	if err := p.longest.Lookup(uint32(0), &longest); err != nil {
		t.Fatal(err)
	}
	return longest
}
