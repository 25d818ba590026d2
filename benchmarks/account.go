package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/xdpeel/xdpeel/capfile"
)

// Account says of every packet that was sent what became of it.
type Account struct {
	Sent       uint64 `json:"sent"`
	Received   uint64 `json:"received"`   // each counted once
	Duplicated uint64 `json:"duplicated"` // those beyond the first of a packet
	Reordered  uint64 `json:"reordered"`  // came after a later one
	Corrupted  uint64 `json:"corrupted"`  // not the bytes that were sent
	Foreign    uint64 `json:"foreign"`    // never sent
}

// Lost returns how many packets are missing.
func (a Account) Lost() uint64 { return a.Sent - a.Received }

// Loss returns the part of the packets that is missing.
func (a Account) Loss() float64 {
	if a.Sent == 0 {
		return 0
	}
	return float64(a.Lost()) / float64(a.Sent)
}

// Check returns an error if anything but loss happened to the packets.
func (a Account) Check() error {
	if a.Duplicated+a.Reordered+a.Corrupted+a.Foreign > 0 {
		return fmt.Errorf("packets are not those that were sent: %+v", a)
	}
	return nil
}

// auditor keeps the account of one run.
type auditor struct {
	account Account
	frames  *Frames
	outer   bool // packets come as they were on the wire
	seen    []uint64
	next    uint64
}

// newAuditor expects packets 0 to sent-1, each as a mirrored packet or as the
// inner frame of one. Later ones may come but do not count.
func newAuditor(f *Frames, sent uint64, outer bool) *auditor {
	return &auditor{account: Account{Sent: sent}, frames: f, outer: outer, seen: make([]uint64, sent/64+1)}
}

// note takes the next packet.
func (a *auditor) note(data []byte) {
	start := 0
	if a.outer {
		start = innerStart
	}
	if len(data) < start+stampEnd {
		a.account.Foreign++
		return
	}
	sequence := binary.LittleEndian.Uint64(data[start+stampStart:])
	if !bytes.Equal(data, a.frames.Outer(sequence)[innerStart-start:]) {
		a.account.Corrupted++
		return
	}
	if sequence >= a.account.Sent {
		return
	}
	word, bit := &a.seen[sequence/64], uint64(1)<<(sequence%64)
	switch {
	case *word&bit != 0:
		a.account.Duplicated++
		return
	case sequence < a.next:
		a.account.Reordered++
	}
	*word |= bit
	a.account.Received++
	a.next = max(a.next, sequence+1)
}

// audit reads a capture file and keeps the account of it.
func audit(path string, f *Frames, sent uint64, outer bool) (Account, error) {
	a := newAuditor(f, sent, outer)
	if err := readCapture(path, a.note); err != nil {
		return Account{}, fmt.Errorf("audit capture: %w", err)
	}
	return a.account, nil
}

// readCapture hands over the bytes of each packet in a capture file.
func readCapture(path string, note func(data []byte)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	capture, err := capfile.NewReader(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	for {
		frame, err := capture.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		note(frame.Data)
	}
}
