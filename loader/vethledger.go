package loader

import (
	"fmt"
	"time"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// A packet is on its way for microseconds, unless the CPU of the consumer's end has
// no time for it. What is not there after transitPatience is held to be lost; should
// it come after all, the account says so the next time.
const (
	transitPatience = 50 * time.Millisecond
	transitPause    = time.Millisecond
)

// readVethAccounts reads what became of the packets for veths. A veth's Delivered are
// the packets that came to the consumer's end. Where packets seem to be missing it
// waits, at most 50 ms, for those that are on their way.
func (p *Program) readVethAccounts(accounts *SlotAccounts) error {
	sums, err := p.readVeths()
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(transitPatience); p.isMissing(sums) && time.Now().Before(deadline); {
		time.Sleep(transitPause)
		now, err := p.readVeths()
		if err != nil {
			return err
		}
		for slot := range sums {
			sums[slot].arrived = now[slot].arrived
		}
	}
	p.vethsMu.Lock()
	defer p.vethsMu.Unlock()
	for slot := range sums {
		accounts[slot] = sums[slot].account()
		p.missing[slot] = accounts[slot].Lost[mirror.LossRedirectFailed]
	}
	return nil
}

// isMissing says whether more packets are missing than when it was last known.
func (p *Program) isMissing(sums *[abi.LimitOutputs]vethSum) bool {
	p.vethsMu.Lock()
	defer p.vethsMu.Unlock()
	for slot := range sums {
		account := sums[slot].account()
		if account.Lost[mirror.LossRedirectFailed] > p.missing[slot] {
			return true
		}
	}
	return false
}

// vethSum is the account of one veth, of all CPUs.
type vethSum struct {
	offered uint64
	lost    [abi.VethLossMax]uint64
	arrived uint64
	tests   uint64
}

func (p *Program) readVeths() (*[abi.LimitOutputs]vethSum, error) {
	sums := new([abi.LimitOutputs]vethSum)
	var cpus []bpf.XdpeelVethAccount
	for slot := range sums {
		if err := p.maps.VethAccounts.Lookup(uint32(slot), &cpus); err != nil {
			return nil, fmt.Errorf("read account of veth in slot %d: %w", slot, err)
		}
		for _, cpu := range cpus {
			sums[slot].offered += cpu.Offered
			sums[slot].arrived += cpu.Arrived
			sums[slot].tests += cpu.SelfTests
			for reason, n := range cpu.Lost {
				sums[slot].lost[reason] += n
			}
		}
	}
	return sums, nil
}

// account closes the sum: what is neither lost for a known reason nor there has
// been lost on the way. (More may be there than was offered, as long as packets come
// between two readings, or if somebody with the right to sends by himself.)
func (s *vethSum) account() mirror.OutputAccount {
	account := mirror.OutputAccount{Offered: s.offered}
	sent := s.offered
	for reason, n := range s.lost {
		account.Lose(mirror.Loss(abi.VethLoss(reason).String()), n)
		sent -= n
	}
	account.Delivered = min(s.arrived, sent)
	account.Lose(mirror.LossRedirectFailed, sent-account.Delivered)
	return account
}
