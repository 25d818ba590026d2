package export

import (
	"encoding/binary"
	"iter"
)

// block is one pcapng block of a buffer.
type block struct {
	kind            blockType
	end             int    // offset behind its last byte
	interfaceNumber uint32 // of a packet
}

// blocks walks a buffer of whole blocks. Each tells its length, so nothing has
// to remember where they end but when a write fails.
func blocks(buffer []byte) iter.Seq[block] {
	return func(yield func(block) bool) {
		for at := 0; at < len(buffer); {
			b := block{
				kind:            blockType(binary.LittleEndian.Uint32(buffer[at:])),
				end:             at + int(binary.LittleEndian.Uint32(buffer[at+4:])),
				interfaceNumber: binary.LittleEndian.Uint32(buffer[at+8:]),
			}
			if !yield(b) {
				return
			}
			at = b.end
		}
	}
}
