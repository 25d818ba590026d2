package loader

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Ledger reads the program's accounts. While the program is attached, frames
// that are being judged may be in one sum and not yet in another; after
// [Attachment.Close] the sums are exact.
//
// The ring to user space is not an output by itself: the SlotAccounts are what the
// kernel knows of the outputs.
func (p *Program) Ledger() (*mirror.Ledger, *SlotAccounts, error) {
	ledger := mirror.NewLedger("", "")
	slots := new(SlotAccounts)
	// Before the frames: what they say was delivered is there by then, or lost.
	if err := p.readVethAccounts(slots); err != nil {
		return nil, nil, err
	}
	if err := p.readFrames(ledger, slots); err != nil {
		return nil, nil, err
	}
	if err := p.readSessions(ledger); err != nil {
		return nil, nil, err
	}
	var err error
	if ledger.Strangers, err = p.readStrangers(); err != nil {
		return nil, nil, err
	}
	return ledger, slots, nil
}

// SlotAccounts are what the kernel knows of the outputs, by slot: of a veth all, of
// another the packets that were lost on the way to user space. Packets for several
// outputs are offered to each.
type SlotAccounts [abi.LimitOutputs]mirror.OutputAccount

func (a *SlotAccounts) lose(slot int, reason mirror.Loss, n uint64) {
	a[slot].Offered += n
	a[slot].Lose(reason, n)
}

// readFrames reads what became of all frames, whatever their session.
func (p *Program) readFrames(ledger *mirror.Ledger, slots *SlotAccounts) error {
	var cpus []bpf.XdpeelAccounts
	if err := p.maps.Ledger.Lookup(uint32(0), &cpus); err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	for _, cpu := range cpus {
		ledger.Received += cpu.Received.Packets
		for outcome := range ledger.Outcomes {
			ledger.Outcomes[outcome] += cpu.Outcomes[outcome].Packets
		}
		for slot, reasons := range cpu.RingLost {
			for reason, n := range reasons {
				slots.lose(slot, mirror.Loss(abi.RingLoss(reason).String()), n)
			}
		}
	}
	return nil
}

func (p *Program) readSessions(ledger *mirror.Ledger) (err error) {
	offset, err := measureOffset()
	if err != nil {
		return err
	}
	var key bpf.XdpeelSessionKey
	var account uint32
	entries := p.maps.SessionAccounts.Iterate()
	for entries.Next(&key, &account) {
		if ledger.Sessions[sessionOf(&key)], err = p.readAccount(account, offset); err != nil {
			return err
		}
	}
	if err := entries.Err(); err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	ledger.Overflow, err = p.readAccount(0, offset)
	return err
}

// readAccount sums one account of session_counts over the CPUs. offset is wall
// time less monotonic time.
func (p *Program) readAccount(account uint32, offset int64) (sum mirror.SessionAccount, err error) {
	var cpus []bpf.XdpeelSessionCount
	if err := p.maps.SessionCounts.Lookup(account, &cpus); err != nil {
		return sum, fmt.Errorf("read account %d: %w", account, err)
	}
	for _, cpu := range cpus {
		sum.Packets += cpu.Packets
		sum.Bytes += cpu.Bytes
		sum.Truncated += cpu.Truncated
		sum.Lost += cpu.RingLost
		sum.Filtered += cpu.Filtered
		sum.SampledOut += cpu.SampledOut
		if cpu.LastSeen > 0 {
			sum.LastSeen = max(sum.LastSeen, int64(cpu.LastSeen)+offset)
		}
	}
	return sum, nil
}

// Session reads the account of one session, which is zero if it has none of its own.
func (p *Program) Session(s mirror.Session) (mirror.SessionAccount, error) {
	key := bpf.XdpeelSessionKey{Vni: s.VNI}
	key.SetAddress(s.Source)
	var account uint32
	err := p.maps.SessionAccounts.Lookup(&key, &account)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return mirror.SessionAccount{}, nil
	}
	if err != nil {
		return mirror.SessionAccount{}, fmt.Errorf("look for session %s: %w", s, err)
	}
	offset, err := measureOffset()
	if err != nil {
		return mirror.SessionAccount{}, err
	}
	return p.readAccount(account, offset)
}

// readStrangers reads what is remembered of unknown and denied sessions.
func (p *Program) readStrangers() (strangers []mirror.Stranger, err error) {
	offset, err := measureOffset()
	if err != nil {
		return nil, err
	}
	var key bpf.XdpeelSessionKey
	var value bpf.XdpeelStranger
	entries := p.maps.Strangers.Iterate()
	for entries.Next(&key, &value) {
		strangers = append(strangers, mirror.Stranger{
			Session: sessionOf(&key), Unknown: value.Unknown, Denied: value.Denied,
			Bytes: value.Bytes, LastSeen: int64(value.LastSeen) + offset,
		})
	}
	// Entries that make room for others while they are read end the reading early.
	if err := entries.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return nil, fmt.Errorf("list unknown sessions: %w", err)
	}
	return strangers, nil
}
