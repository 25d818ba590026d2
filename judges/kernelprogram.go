package judges

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// kernelProgram is a loaded program, its maps, and a ring that all CPUs share.
type kernelProgram struct {
	bpf.XdpeelObjects
	ring     *ebpf.Map
	reader   *ringbuf.Reader
	record   ringbuf.Record
	frame    []byte               // what the kernel gives back
	cpus     int                  // possible ones, each with accounts of its own
	accounts []bpf.XdpeelAccounts // as read last
	before   judgements           // the ledger as it was before the frame
	tears    bool                 // whether the kernel takes a frame in buffers of our choice
	regions  *ebpf.MapSpec        // of a policy's map
	policy   *ebpf.Map            // that is set
}

// ringSize holds the longest record several times.
const ringSize = 1 << 20

func loadKernelProgram(o mirror.Options) (p *kernelProgram, err error) {
	p = &kernelProgram{frame: make([]byte, frameMax)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	spec, err := bpf.LoadXdpeel()
	if err != nil {
		return p, err
	}
	if p.cpus, err = ebpf.PossibleCPU(); err != nil {
		return p, fmt.Errorf("count CPUs: %w", err)
	}
	rings := spec.Maps[bpf.XdpeelMapRings]
	rings.MaxEntries, rings.InnerMap.MaxEntries = uint32(p.cpus), ringSize
	if p.ring, err = ebpf.NewMap(rings.InnerMap); err != nil {
		return p, fmt.Errorf("make ring: %w", err)
	}
	for cpu := range p.cpus {
		rings.Contents = append(rings.Contents, ebpf.MapKV{Key: uint32(cpu), Value: p.ring})
	}
	p.regions = spec.Maps[bpf.XdpeelMapPolicies].InnerMap
	if err := spec.Variables[bpf.XdpeelVarCfg].Set(loader.Config(o)); err != nil {
		return p, fmt.Errorf("set configuration: %w", err)
	}
	if err := spec.LoadAndAssign(&p.XdpeelObjects, nil); err != nil {
		return p, err
	}
	if p.reader, err = ringbuf.NewReader(p.ring); err != nil {
		return p, fmt.Errorf("open ring: %w", err)
	}
	_, err = p.Xdpeel.Run(&ebpf.RunOptions{Data: make([]byte, 64), Context: xdpContext{DataEnd: mirror.EthernetLength}})
	p.tears = err == nil
	return p, p.forget()
}

func (p *kernelProgram) close() error {
	var errs []error
	if p.reader != nil {
		errs = append(errs, p.reader.Close())
	}
	if p.ring != nil {
		errs = append(errs, p.ring.Close())
	}
	if p.Xdpeel != nil {
		errs = append(errs, p.XdpeelObjects.Close())
	}
	return errors.Join(errs...)
}

// xdpContext is struct xdp_md of linux/bpf.h. Since Linux 6.18 DataEnd says how
// many bytes of the frame are in the first buffer.
type xdpContext struct {
	Data, DataEnd, DataMeta, IngressInterface, RXQueue, EgressInterface uint32
}

// judge runs the program on a frame and appends what it did.
func (p *kernelProgram) judge(f frame, out *judgements) error {
	run := ebpf.RunOptions{Data: f.Bytes, DataOut: p.frame}
	if linear := max(f.Linear, mirror.EthernetLength); linear < len(f.Bytes) && p.tears {
		run.Context = xdpContext{DataEnd: uint32(linear)}
	}
	verdict, err := p.Xdpeel.Run(&run)
	if err != nil {
		return fmt.Errorf("run program: %w", err)
	}
	if !bytes.Equal(run.DataOut, f.Bytes) {
		return fmt.Errorf("the program changed the frame to %x", run.DataOut)
	}
	outcome, err := p.outcome()
	if err != nil {
		return err
	}
	consumed, err := isConsumed(verdict)
	if err != nil {
		return err
	}
	if outcome != abi.OutcomeDelivered || !consumed {
		out.List = append(out.List, mirror.Judgement{Outcome: outcome, Consumed: consumed})
		return nil
	}
	return p.readRecord(out)
}

// outcome returns the one that was counted since the last call.
func (p *kernelProgram) outcome() (abi.Outcome, error) {
	if err := p.readAccounts(); err != nil {
		return abi.OutcomeMax, err
	}
	before, now := p.before, judgements{}
	now.addAccounts(p.accounts)
	p.before = now
	var counted []abi.Outcome
	for outcome := range abi.OutcomeMax {
		if now.Outcomes[outcome] != before.Outcomes[outcome] {
			counted = append(counted, outcome)
		}
	}
	if len(counted) != 1 || now.Outcomes[counted[0]] != before.Outcomes[counted[0]]+1 || now.Received != before.Received+1 {
		return abi.OutcomeMax, fmt.Errorf("count one frame: received went from %d to %d, outcomes from %v to %v",
			before.Received, now.Received, before.Outcomes, now.Outcomes)
	}
	return counted[0], nil
}

func (p *kernelProgram) readRecord(out *judgements) error {
	p.reader.SetDeadline(time.Unix(1, 0)) // it is there, or it never will be
	err := p.reader.ReadInto(&p.record)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("read record: nothing in the ring for a delivered packet")
	}
	if err != nil {
		return fmt.Errorf("read record: %w", err)
	}
	_, err = out.addRecord(out.keep(p.record.RawSample))
	return err
}
