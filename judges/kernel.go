package judges

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/mirror"
)

// kernel is the program in the kernel, run a frame at a time by
// BPF_PROG_TEST_RUN. It knows no frames of fewer than 14 bytes.
type kernel struct {
	programs map[string]*kernelProgram // by configuration
	policies kernelPolicies
	key      []byte
}

// kernelPrograms is how many configurations stay loaded: each holds a ring.
const kernelPrograms = 32

// openKernel returns a judge that loads the program when it is asked. It needs
// root.
func openKernel() *kernel {
	return &kernel{programs: make(map[string]*kernelProgram)}
}

// Name returns "kernel".
func (k *kernel) Name() string { return "kernel" }

// Close unloads the programs.
func (k *kernel) Close() error {
	errs := []error{k.policies.close()}
	for key, program := range k.programs {
		errs = append(errs, program.close())
		delete(k.programs, key)
	}
	return errors.Join(errs...)
}

// turns is how often a kernel has judged, so that workers come to different CPUs.
var turns atomic.Uint32

// Judge implements [judge]. It stays on one CPU: sampling by packet counts on each by
// itself, and no other judge knows on which one a frame was.
func (k *kernel) Judge(s *sequence, out *judgements) error {
	return lab.OnNthCPU(int(turns.Add(1)), func() error { return k.judgeAll(s, out) })
}

func (k *kernel) judgeAll(s *sequence, out *judgements) error {
	out.reset()
	program, err := k.program(s.Options)
	if err != nil {
		return err
	}
	if err := program.forget(); err != nil {
		return err
	}
	if err := k.policies.take(s.Policies); err != nil {
		return err
	}
	for i, frame := range s.Frames {
		if err := k.judge(program, frame, out); err != nil {
			return fmt.Errorf("frame %d of %d bytes: %w", i, len(frame.Bytes), err)
		}
	}
	return program.readLedger(out)
}

// judge has a program judge a frame by the frame's policy.
func (k *kernel) judge(program *kernelProgram, f frame, out *judgements) error {
	policy, err := k.policies.at(k.policies.of.index(f.Policy), program.regions)
	if err != nil {
		return err
	}
	if err := program.setPolicy(policy); err != nil {
		return err
	}
	return program.judge(f, out)
}

// program returns the program that is loaded with o.
func (k *kernel) program(o mirror.Options) (*kernelProgram, error) {
	key, err := (&sequence{Options: o}).AppendBinary(k.key[:0])
	if err != nil {
		return nil, err
	}
	k.key = key
	if program := k.programs[string(key)]; program != nil {
		return program, nil
	}
	if len(k.programs) == kernelPrograms {
		if err := k.Close(); err != nil {
			return nil, err
		}
	}
	program, err := loadKernelProgram(o)
	if err != nil {
		return nil, fmt.Errorf("load program: %w", err)
	}
	k.programs[string(key)] = program
	return program, nil
}
