package loader

import (
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/xdpeel/xdpeel/bpf"
)

// Note leaves a note of the outputs to the process after this one, in place of the one
// before; see abi.LimitNote.
func (p *Program) Note(text []byte) error { return p.keep.note(text) }

// note leaves a note to the next process: all of it, or that before stays.
func (k *keep) note(text []byte) error {
	older, number := &k.notes[0], k.notes[1].Number
	if older.Number > number {
		older, number = &k.notes[1], older.Number
	}
	if len(text) > len(older.Text) {
		return fmt.Errorf("leave a note: it has %d bytes, and there is room for %d", len(text), len(older.Text))
	}
	older.Length = uint32(copy(older.Text[:], text))
	atomic.StoreUint64(&older.Number, number+1)
	return nil
}

// Notes returns what an earlier process noted of its outputs, nil if there is nothing.
func (p *Pins) Notes() ([]byte, error) {
	if !p.adopted {
		return nil, nil
	}
	return p.readNotes()
}

// readNotes returns the newer of the two notes that are there, and none that has another form.
func (p *Pins) readNotes() ([]byte, error) {
	m, err := p.load(bpf.XdpeelMapNotes)
	if err != nil || m == nil {
		return nil, err
	}
	defer m.Close()
	var note, newer bpf.XdpeelNote
	if m.ValueSize() != uint32(unsafe.Sizeof(note)) || m.MaxEntries() != 2 {
		return nil, nil
	}
	for place := range m.MaxEntries() {
		if err := m.Lookup(place, &note); err != nil {
			return nil, fmt.Errorf("read notes: %w", err)
		}
		if note.Number > newer.Number {
			newer = note
		}
	}
	return slices.Clone(newer.Text[:min(int(newer.Length), len(newer.Text))]), nil
}
