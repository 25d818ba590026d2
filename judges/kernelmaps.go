package judges

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// datagramKey has the size of struct datagram_key of bpf/maps.h, which only the
// program reads.
type datagramKey [48]byte

// forget empties the maps, as if the program had just been loaded.
func (p *kernelProgram) forget() error {
	var given uint32
	if err := p.AccountsGiven.Lookup(uint32(0), &given); err != nil {
		return fmt.Errorf("read accounts given: %w", err)
	}
	err := errors.Join(
		forgetEntries[bpf.XdpeelSessionKey, uint32](p.SessionAccounts),
		forgetEntries[bpf.XdpeelSessionKey, bpf.XdpeelStranger](p.Strangers),
		forgetEntries[datagramKey, uint32](p.Fragments),
	)
	if err != nil {
		return err
	}
	for account := range given + 1 {
		err := errors.Join(
			p.Sessions.Put(account, bpf.XdpeelSession{}),
			p.SessionCounts.Put(account, make([]bpf.XdpeelSessionCount, p.cpus)),
		)
		if err != nil {
			return fmt.Errorf("clear account %d: %w", account, err)
		}
	}
	if err := p.Recent.Put(uint32(0), make([][abi.LimitRecent]uint16, p.cpus)); err != nil {
		return fmt.Errorf("clear recent sessions: %w", err)
	}
	if err := p.AccountsGiven.Put(uint32(0), uint32(0)); err != nil {
		return fmt.Errorf("clear accounts given: %w", err)
	}
	if err := p.Ledger.Put(uint32(0), make([]bpf.XdpeelAccounts, p.cpus)); err != nil {
		return fmt.Errorf("clear ledger: %w", err)
	}
	p.before = judgements{}
	return nil
}

// forgetEntries empties a map. K and V are its key and its value.
func forgetEntries[K, V any](m *ebpf.Map) error {
	var (
		keys  []K
		key   K
		value V
	)
	entries := m.Iterate()
	for entries.Next(&key, &value) {
		keys = append(keys, key)
	}
	if err := entries.Err(); err != nil {
		return fmt.Errorf("list %s: %w", m, err)
	}
	for _, key := range keys {
		if err := m.Delete(key); err != nil {
			return fmt.Errorf("delete from %s: %w", m, err)
		}
	}
	return nil
}

// readLedger reads what the program has counted by itself.
func (p *kernelProgram) readLedger(out *judgements) error {
	var (
		key     bpf.XdpeelSessionKey
		account uint32
		err     error
	)
	entries := p.SessionAccounts.Iterate()
	for entries.Next(&key, &account) {
		if out.Sessions[sessionOf(key)], err = p.account(account); err != nil {
			return err
		}
	}
	if err := entries.Err(); err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	if out.Overflow, err = p.account(0); err != nil {
		return err
	}
	if err := p.readAccounts(); err != nil {
		return err
	}
	out.addAccounts(p.accounts)
	return p.readStrangers(out)
}

func (p *kernelProgram) readStrangers(out *judgements) error {
	var (
		key      bpf.XdpeelSessionKey
		stranger bpf.XdpeelStranger
	)
	entries := p.Strangers.Iterate()
	for entries.Next(&key, &stranger) {
		out.addStranger(key, stranger)
	}
	if err := entries.Err(); err != nil {
		return fmt.Errorf("list strangers: %w", err)
	}
	return nil
}

// readAccounts reads the CPUs' ledgers into p.accounts.
func (p *kernelProgram) readAccounts() error {
	if err := p.Ledger.Lookup(uint32(0), &p.accounts); err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	return nil
}

// account sums the CPUs' accounts of a session.
func (p *kernelProgram) account(number uint32) (sum mirror.SessionAccount, err error) {
	var counts []bpf.XdpeelSessionCount
	if err := p.SessionCounts.Lookup(number, &counts); err != nil {
		return sum, fmt.Errorf("read account %d: %w", number, err)
	}
	for _, count := range counts {
		sum.Add(accountOf(count))
	}
	return sum, nil
}
