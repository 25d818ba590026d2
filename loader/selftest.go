package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// ErrNotReceiving says that a frame sent into a veth did not come to the consumer's end.
var ErrNotReceiving = errors.New("the consumer's end receives nothing")

const (
	// liveFrames has the kernel really send the frame of a test run.
	liveFrames = unix.BPF_F_TEST_XDP_LIVE_FRAMES
	// selfTestType and selfTestLength are those of the frames (bpf/ends.h).
	selfTestType   = 0x88b5
	selfTestLength = 64
	selfTestWait   = time.Second
)

// SelfTest sends a frame into the veth as the program would, and waits, at most a
// second, for the consumer's end to count it. No consumer ever sees it. It returns
// an error that wraps ErrNotReceiving if it does not get there.
func (v *Veth) SelfTest() error {
	before, err := v.selfTests()
	if err != nil {
		return err
	}
	_, err = v.probe.Run(&ebpf.RunOptions{Data: v.selfTestFrame(), Repeat: 1, Flags: liveFrames})
	if err != nil {
		return fmt.Errorf("send self-test into %q: %w", v.Name, err)
	}
	for deadline := time.Now().Add(selfTestWait); ; time.Sleep(time.Millisecond) {
		after, err := v.selfTests()
		if err != nil || after > before {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("test veth %q: %w", v.Name, ErrNotReceiving)
		}
	}
}

func (v *Veth) selfTestFrame() []byte {
	frame := make([]byte, 12, selfTestLength)
	frame = binary.BigEndian.AppendUint16(frame, selfTestType)
	frame = binary.NativeEndian.AppendUint64(frame, v.program.shop.selfTest)
	return append(frame, make([]byte, selfTestLength-len(frame))...)
}

func (v *Veth) selfTests() (uint64, error) {
	sums, err := v.program.readVeths()
	if err != nil {
		return 0, err
	}
	return sums[v.Slot].tests, nil
}
