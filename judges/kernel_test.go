package judges

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// liveFrames is BPF_F_TEST_XDP_LIVE_FRAMES of linux/bpf.h: the driver's way of
// running a program, many frames at a time. Only counters tell what came of it.
const liveFrames = 1 << 1

// TestLiveFrames runs the program until its ring is full and on: of every packet
// it must be known that it came, and whether it got into the ring.
func TestLiveFrames(t *testing.T) {
	needRoot(t)
	const repeat = 200_000
	program, err := loadKernelProgram(settings[0])
	if err != nil {
		t.Fatal(err)
	}
	defer program.close()
	takeAll(t, program)
	_, err = program.Xdpeel.Run(&ebpf.RunOptions{Data: egressFrame(7), Repeat: repeat, Flags: liveFrames})
	if errors.Is(err, ebpf.ErrNotSupported) {
		t.Skip("needs Linux 5.18: BPF_F_TEST_XDP_LIVE_FRAMES")
	}
	if err != nil {
		t.Fatal(err)
	}
	var said judgements
	said.reset()
	if err := program.readLedger(&said); err != nil {
		t.Fatal(err)
	}
	// An interrupted run begins anew, so there may be more frames than asked for.
	received := said.Received
	if received < repeat || said.Outcomes[abi.OutcomeDelivered] != received {
		t.Errorf("received %d of %d, outcomes %v", received, repeat, said.Outcomes)
	}
	var lost uint64
	for i := range program.accounts {
		lost += program.accounts[i].RingLost[0][abi.RingLossRingFull]
	}
	recorded := drain(t, program)
	if recorded == 0 || lost == 0 || recorded+lost != received {
		t.Errorf("%d records and %d lost of %d", recorded, lost, received)
	}
	for session, account := range said.Sessions {
		if session.VNI != 7 || account.Packets != received || account.Lost != lost {
			t.Errorf("%s: %+v, want %d packets, %d lost", session, account, received, lost)
		}
	}
}

// takeAll has the program take every packet of every session.
func takeAll(t *testing.T, program *kernelProgram) {
	t.Helper()
	policy, err := newRegions(program.regions, compiled(t, mirror.TakeAll()).images[0].Regions())
	if err != nil {
		t.Fatal(err)
	}
	defer policy.Close()
	if err := program.setPolicy(policy); err != nil {
		t.Fatal(err)
	}
}

// drain returns how many records are in the ring.
func drain(t *testing.T, program *kernelProgram) (records uint64) {
	t.Helper()
	program.reader.SetDeadline(time.Unix(1, 0))
	for {
		err := program.reader.ReadInto(&program.record)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		records++
	}
}

// TestLinuxTearsFrames tells whether this kernel lets headers lie across two
// buffers; where it does not, only the host's judge is asked about that.
func TestLinuxTearsFrames(t *testing.T) {
	needRoot(t)
	program, err := loadKernelProgram(settings[0])
	if err != nil {
		t.Fatal(err)
	}
	defer program.close()
	takeAll(t, program)
	if !program.tears {
		t.Skip("needs Linux 6.18: BPF_PROG_TEST_RUN with a first buffer of any size")
	}
	bytes := egressFrame(7)
	for linear := mirror.EthernetLength; linear <= len(bytes); linear++ {
		var said judgements
		if err := program.judge(frame{Bytes: bytes, Linear: linear}, &said); err != nil {
			t.Fatalf("%d bytes linear: %v", linear, err)
		}
		if got := said.List[0].Outcome; got != abi.OutcomeDelivered {
			t.Errorf("%d bytes linear: %s", linear, got)
		}
	}
}
