package loader

import (
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/mirror"
)

// Rehearsal is what loading the program without attaching it told.
type Rehearsal struct {
	Instructions uint32        // that the verifier went through; 0: this kernel does not say
	Compiled     bool          // to machine code, not interpreted
	Took         time.Duration // maps, verifier and all
}

// Rehearse loads all that a daemon of these options and this policy would load,
// attaches nothing, and frees it. Its errors are Load's.
func Rehearse(o mirror.Options, policy *mirror.Policy) (r *Rehearsal, err error) {
	begun := time.Now()
	p, err := Load(o, policy)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	program, err := p.load(withFragments)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	info, err := program.Info()
	if err != nil {
		return nil, fmt.Errorf("look at program: %w", err)
	}
	r = &Rehearsal{Took: time.Since(begun)}
	r.Instructions, _ = info.VerifiedInstructions()
	size, err := info.JitedSize()
	r.Compiled = err == nil && size > 0
	return r, nil
}

// Missing returns what xdpeel needs and cannot have here: a *CapabilityError and
// an error that wraps ErrKernel, each nil if nothing of its kind is missing.
func Missing() (capability, kernel error) {
	return checkCapabilities(), checkKernel()
}

// KernelRelease returns the running kernel's release, as "6.1.0-18-amd64".
func KernelRelease() string { return kernelRelease() }

// HolderOf returns the XDP program that an interface carries, or nil.
func HolderOf(iface netlink.Link) (*Holder, error) { return holderOf(iface) }
