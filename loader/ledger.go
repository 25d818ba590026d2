package loader

import (
	"encoding/binary"
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
// The ring to user space is not an output by itself: ringLost is what it lost,
// of the packets that are outcome delivered.
func (p *Program) Ledger() (ledger *mirror.Ledger, ringLost map[mirror.Loss]uint64, err error) {
	ledger = mirror.NewLedger("", "")
	if ringLost, err = p.readFrames(ledger); err != nil {
		return nil, nil, err
	}
	if err := p.readSessions(ledger); err != nil {
		return nil, nil, err
	}
	return ledger, ringLost, nil
}

// readFrames reads what became of all frames, whatever their session.
func (p *Program) readFrames(ledger *mirror.Ledger) (ringLost map[mirror.Loss]uint64, err error) {
	var cpus []bpf.XdpeelAccounts
	if err := p.maps.Ledger.Lookup(uint32(0), &cpus); err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	ringLost = make(map[mirror.Loss]uint64)
	for _, cpu := range cpus {
		ledger.Received += cpu.Received.Packets
		for outcome := range ledger.Outcomes {
			ledger.Outcomes[outcome] += cpu.Outcomes[outcome].Packets
		}
		for reason, n := range cpu.RingLost {
			if n > 0 {
				ringLost[mirror.Loss(abi.RingLoss(reason).String())] += n
			}
		}
	}
	return ringLost, nil
}

func (p *Program) readSessions(ledger *mirror.Ledger) (err error) {
	var key bpf.XdpeelSessionKey
	var value bpf.XdpeelSession
	for sessions := p.maps.Sessions.Iterate(); sessions.Next(&key, &value); {
		if ledger.Sessions[session(&key)], err = p.readAccount(value.Account); err != nil {
			return err
		}
	}
	ledger.Overflow, err = p.readAccount(0)
	return err
}

// readAccount sums one account of session_counts over the CPUs.
func (p *Program) readAccount(account uint32) (sum mirror.SessionAccount, err error) {
	var cpus []bpf.XdpeelSessionCount
	if err := p.maps.SessionCounts.Lookup(account, &cpus); err != nil {
		return sum, fmt.Errorf("read account %d: %w", account, err)
	}
	for _, cpu := range cpus {
		sum.Packets += cpu.Packets
		sum.Bytes += cpu.Bytes
		sum.Truncated += cpu.Truncated
		sum.Lost += cpu.RingLost
	}
	return sum, nil
}

// Session reads the account of one session, which is zero if it has none of its own.
func (p *Program) Session(s mirror.Session) (mirror.SessionAccount, error) {
	key := bpf.XdpeelSessionKey{Vni: s.VNI}
	source := s.Source.As16()
	for i := range key.Source {
		key.Source[i] = binary.NativeEndian.Uint32(source[4*i:])
	}
	var value bpf.XdpeelSession
	err := p.maps.Sessions.Lookup(&key, &value)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return mirror.SessionAccount{}, nil
	}
	if err != nil {
		return mirror.SessionAccount{}, fmt.Errorf("look for session %s: %w", s, err)
	}
	return p.readAccount(value.Account)
}
