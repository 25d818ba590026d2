package judges

import "encoding/binary"

// draft is a frame while it is written from its first byte on. It remembers what
// a later defect is best aimed at.
type draft struct {
	bytes   []byte
	open    []lengthField // whose layer has not ended yet
	lengths []lengthField // all that were filled in
	marks   []int         // where layers begin
}

// lengthField is a 16-bit length, big endian, that counts from base.
type lengthField struct{ at, base int }

func (d *draft) reset() {
	*d = draft{bytes: d.bytes[:0], open: d.open[:0], lengths: d.lengths[:0], marks: d.marks[:0]}
}

func (d *draft) put(bytes ...byte) { d.bytes = append(d.bytes, bytes...) }
func (d *draft) put16(v int)       { d.bytes = binary.BigEndian.AppendUint16(d.bytes, uint16(v)) }
func (d *draft) put32(v uint32)    { d.bytes = binary.BigEndian.AppendUint32(d.bytes, v) }
func (d *draft) len() int          { return len(d.bytes) }

// mark notes that a layer begins here.
func (d *draft) mark() { d.marks = append(d.marks, len(d.bytes)) }

// putLength leaves room for a length that counts from base.
func (d *draft) putLength(base int) {
	d.open = append(d.open, lengthField{len(d.bytes), base})
	d.put16(0)
}

// end fills in the lengths that were left open since there were `still` of them:
// their layers end here. A length that does not fit is 0, as in BIG TCP.
func (d *draft) end(still int) {
	for _, field := range d.open[still:] {
		length := len(d.bytes) - field.base
		if length > 0xffff {
			length = 0
		}
		d.set16(field.at, length)
		d.lengths = append(d.lengths, field)
	}
	d.open = d.open[:still]
}

func (d *draft) get16(at int) int    { return int(binary.BigEndian.Uint16(d.bytes[at:])) }
func (d *draft) set16(at, value int) { binary.BigEndian.PutUint16(d.bytes[at:], uint16(value)) }

// cut takes away what is behind the first length bytes, and what aims there.
func (d *draft) cut(length int) {
	d.bytes = d.bytes[:length]
	kept := d.lengths[:0]
	for _, field := range d.lengths {
		if field.at+2 <= length {
			kept = append(kept, field)
		}
	}
	d.lengths = kept
}
