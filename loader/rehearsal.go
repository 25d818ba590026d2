package loader

import (
	"errors"
	"fmt"
	"time"

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
