package judges

import (
	"fmt"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/mirror"
)

// forget empties the maps, as if the program had just been loaded.
func (p *kernelProgram) forget() error {
	var given uint32
	if err := p.AccountsGiven.Lookup(uint32(0), &given); err != nil {
		return fmt.Errorf("read accounts given: %w", err)
	}
	if err := p.forgetSessions(); err != nil {
		return err
	}
	for account := range given + 1 {
		if err := p.SessionCounts.Put(account, make([]bpf.XdpeelSessionCount, p.cpus)); err != nil {
			return fmt.Errorf("clear account %d: %w", account, err)
		}
	}
	if err := p.AccountsGiven.Put(uint32(0), uint32(0)); err != nil {
		return fmt.Errorf("clear accounts given: %w", err)
	}
	if err := p.Ledger.Put(uint32(0), make([]bpf.XdpeelAccounts, p.cpus)); err != nil {
		return fmt.Errorf("clear ledger: %w", err)
	}
	p.before = Judgements{}
	return nil
}

func (p *kernelProgram) forgetSessions() error {
	var (
		keys    []bpf.XdpeelSessionKey
		key     bpf.XdpeelSessionKey
		session bpf.XdpeelSession
	)
	entries := p.Sessions.Iterate()
	for entries.Next(&key, &session) {
		keys = append(keys, key)
	}
	if err := entries.Err(); err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	for _, key := range keys {
		if err := p.Sessions.Delete(key); err != nil {
			return fmt.Errorf("delete session: %w", err)
		}
	}
	return nil
}

// readLedger reads what the program has counted by itself.
func (p *kernelProgram) readLedger(out *Judgements) error {
	var (
		key     bpf.XdpeelSessionKey
		session bpf.XdpeelSession
		err     error
	)
	entries := p.Sessions.Iterate()
	for entries.Next(&key, &session) {
		if out.Sessions[sessionOf(key)], err = p.account(session.Account); err != nil {
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
func (p *kernelProgram) account(number uint32) (mirror.SessionAccount, error) {
	var (
		counts []bpf.XdpeelSessionCount
		sum    mirror.SessionAccount
	)
	if err := p.SessionCounts.Lookup(number, &counts); err != nil {
		return sum, fmt.Errorf("read account %d: %w", number, err)
	}
	for _, count := range counts {
		one := accountOf(count)
		sum.Packets += one.Packets
		sum.Bytes += one.Bytes
		sum.Truncated += one.Truncated
		sum.Lost += one.Lost
	}
	return sum, nil
}
