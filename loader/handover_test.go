package loader

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/cases"
)

// xdpRedirect is the verdict of linux/bpf.h on a frame that is sent elsewhere.
const xdpRedirect = 4

// slotOfVeth is the slot of the only veth in tests.
const slotOfVeth = 3

// toVeth is the policy that takes every packet, to the veth and to other outputs.
func toVeth(others mirror.OutputSet) *mirror.Policy {
	return &mirror.Policy{
		Veths:    1 << slotOfVeth,
		Sessions: []mirror.SessionPolicy{{AnyVNI: true, Outputs: 1<<slotOfVeth | others, VLAN: 100}},
	}
}

// pretendVeth has a slot be a veth of a great MTU that leads to an interface.
func pretendVeth(t *testing.T, program *Program, slot int, value bpf.XdpeelVeth) {
	t.Helper()
	err := errors.Join(program.maps.Veths.Put(uint32(slot), value), program.lead(slot, 1)) // 1 is lo, which takes no frame here
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever is delivered leaves for the veth as the inner frame, byte for byte, and
// exactly one counter moves; whatever is not stays as it came.
func TestHandover(t *testing.T) {
	for name, tagged := range map[string]uint32{"plain": 0, "tagged": 1} {
		t.Run(name, func(t *testing.T) {
			kernel := newKernelJudge(t, mirror.Options{}, toVeth(0))
			pretendVeth(t, kernel.program, slotOfVeth, bpf.XdpeelVeth{FrameMax: 1 << 16, Tagged: tagged})
			reference, err := mirror.NewDecapsulator(mirror.Options{}, toVeth(0))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range onWire(append(cases.All(), cases.Prefixes()...)) {
				judgement := reference.Judge(c.Frame, len(c.Frame))
				want, wantVerdict, wantOffered := c.Frame, uint32(xdpPass), uint64(0)
				if judgement.Outcome == abi.OutcomeDelivered {
					want = judgement.AppendHandover(nil, c.Frame, uint16(tagged)*100)
					wantVerdict, wantOffered = xdpRedirect, 1
				}
				before := vethSumOf(t, kernel.program, slotOfVeth)
				if wantOffered == 1 && len(c.Frame) > firstBuffer && !knowsFragments() {
					want, wantVerdict = c.Frame, xdpDrop
					before.lost[abi.VethLossInParts]++
				}
				verdict, got := kernel.handOver(c.Frame)
				after := vethSumOf(t, kernel.program, slotOfVeth)
				if verdict != wantVerdict || !bytes.Equal(got, want) {
					t.Errorf("%s: verdict %d, frame of %d bytes; want %d, %d bytes\n got %x\nwant %x",
						c.Name, verdict, len(got), wantVerdict, len(want), got, want)
				}
				before.offered += wantOffered
				if before != after {
					t.Errorf("%s: account %+v, want %+v", c.Name, after, before)
				}
			}
		})
	}
}

// handOver puts one frame to the program and returns what is left of it.
func (k *kernelJudge) handOver(frame []byte) (verdict uint32, left []byte) {
	k.t.Helper()
	options := &ebpf.RunOptions{Data: frame, DataOut: make([]byte, len(frame)+256)}
	err := lab.OnFirstCPU(func() (err error) {
		verdict, err = k.run.Run(options)
		return err
	})
	if err != nil {
		k.t.Fatalf("run the program for a frame of %d bytes: %v", len(frame), err)
	}
	return verdict, options.DataOut
}

func vethSumOf(t *testing.T, program *Program, slot int) vethSum {
	t.Helper()
	sums, err := program.readVeths()
	if err != nil {
		t.Fatal(err)
	}
	return sums[slot]
}

// What cannot be sent is counted by its reason, and consumed all the same.
func TestHandoverLosses(t *testing.T) {
	inner := frames.UDPFrame(client, instance, frames.Payload(1000))
	frame := frames.Wrap(inner, 7, source, target)
	for reason, veth := range map[abi.VethLoss]*bpf.XdpeelVeth{
		abi.VethLossTooLong:     {FrameMax: uint32(len(inner) - 1)},
		abi.VethLossNoInterface: {},
	} {
		t.Run(reason.String(), func(t *testing.T) {
			kernel := newKernelJudge(t, mirror.Options{}, toVeth(0))
			pretendVeth(t, kernel.program, slotOfVeth, *veth)
			if verdict, left := kernel.handOver(frame); verdict != xdpDrop || !bytes.Equal(left, frame) {
				t.Errorf("verdict %d, %d bytes left; want the frame dropped, whole", verdict, len(left))
			}
			accounts := new(SlotAccounts)
			if err := kernel.program.readVethAccounts(accounts); err != nil {
				t.Fatal(err)
			}
			want := mirror.OutputAccount{Offered: 1, Lost: map[mirror.Loss]uint64{mirror.Loss(reason.String()): 1}}
			if diff := cmp.Diff(want, accounts[slotOfVeth]); diff != "" {
				t.Errorf("account (-want +got):\n%s", diff)
			}
		})
	}
}

// A session may have a veth and the ring at once: a copy goes to the ring, cut to
// the snap length, and the frame itself, whole, to the veth.
func TestHandoverAndRing(t *testing.T) {
	policy := toVeth(mirror.FirstOutput)
	policy.Sessions[0].Snap = mirror.Snap{Bytes: 64}
	kernel := newKernelJudge(t, mirror.Options{}, policy)
	pretendVeth(t, kernel.program, slotOfVeth, bpf.XdpeelVeth{FrameMax: 1 << 16})
	inner := frames.UDPFrame(client, instance, frames.Payload(1000))
	verdict, left := kernel.handOver(frames.Wrap(inner, 7, source, target))
	if verdict != xdpRedirect || !bytes.Equal(left, inner) {
		t.Errorf("verdict %d, %d bytes; want the inner frame redirected", verdict, len(left))
	}
	kernel.reader.merge(kernel.batch, 1<<63)
	if len(kernel.batch.Packets) != 1 {
		t.Fatalf("%d packets in the ring, want 1", len(kernel.batch.Packets))
	}
	packet := kernel.batch.Packets[0]
	if !bytes.Equal(packet.Data, inner[:64]) || packet.Length != len(inner) || packet.Outputs != mirror.FirstOutput {
		t.Errorf("packet %+v, want the first 64 bytes, for the first output alone", packet)
	}
}

// Both directions of 10,000 flows, over three veths that share them: each flow goes
// to the one that the reference says, and the veths are within 10 % of even.
func TestBalance(t *testing.T) {
	const flows = 10_000
	slots := []int{2, 5, 9}
	policy := &mirror.Policy{Veths: 1<<2 | 1<<5 | 1<<9, Sessions: []mirror.SessionPolicy{{AnyVNI: true, Outputs: 1<<2 | 1<<5 | 1<<9}}}
	kernel := newKernelJudge(t, mirror.Options{}, policy)
	for _, slot := range slots {
		pretendVeth(t, kernel.program, slot, bpf.XdpeelVeth{FrameMax: 1 << 16})
	}
	reference, err := mirror.NewDecapsulator(mirror.Options{}, policy)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[int]uint64)
	for flow := range flows {
		there := frames.Peer{MAC: client.MAC, Address: client.Address, Port: uint16(1024 + flow)}
		for _, inner := range [][]byte{frames.UDPFrame(there, instance, nil), frames.UDPFrame(instance, there, nil)} {
			frame := frames.Wrap(inner, 7, source, target)
			judgement := reference.Judge(frame, len(frame))
			if len(judgement.Veths.Slots()) != 1 {
				t.Fatalf("flow %d goes to veths %v", flow, judgement.Veths.Slots())
			}
			want[judgement.Veths.Slots()[0]]++
			kernel.handOver(frame)
		}
		for _, slot := range slots {
			if want[slot]%2 != 0 {
				t.Fatalf("the directions of flow %d go to two veths", flow)
			}
		}
	}
	for _, slot := range slots {
		got := vethSumOf(t, kernel.program, slot).offered
		if got != want[slot] {
			t.Errorf("veth in slot %d was offered %d packets, want %d", slot, got, want[slot])
		}
		if even := uint64(2 * flows / len(slots)); got < even*9/10 || got > even*11/10 {
			t.Errorf("veth in slot %d has %d packets of %d: not within 10 %% of even", slot, got, 2*flows)
		}
	}
}
