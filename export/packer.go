package export

import (
	"iter"
	"path/filepath"
	"time"
)

const (
	// bundlesUnderWay is how many bundles of a file may be compressed at a time.
	bundlesUnderWay = 3
	// packedFlush is how long packets of a compressed file wait for others. With the
	// tick of an Archive it bounds what a killed process loses.
	packedFlush = 25 * time.Millisecond
	// packedSlack is more than what a compressed file is longer than its blocks, if
	// those cannot be compressed and a few bundles are not written.
	packedSlack = 4 << 10
)

// codec is a way to compress a file so that it may be cut behind any bundle of its
// blocks, and ended there.
type codec interface {
	// begin is of a new file.
	begin()
	// inOrder says whether bundles must be packed one after the other.
	inOrder() bool
	// pack appends a bundle to dst. Any goroutine may call it.
	pack(dst, blocks []byte) []byte
	// keep says that the file has a bundle.
	keep(blocks []byte)
	// fail says that bundles were packed which the file does not get.
	fail()
	// end is what stands behind the last bundle.
	end() []byte
}

// packer compresses a file's blocks in bundles, beside the goroutine that writes.
type packer struct {
	codec
	since    time.Time // the oldest packet waits that is in no bundle
	underWay []*bundle // in the file's order
	spare    []*bundle
}

// bundle is a run of blocks that is or will be compressed.
type bundle struct {
	blocks, packed []byte
	packets        int
	interfaces     int           // that the file has with it
	done           chan struct{} // is closed when packed is there
}

// newPacker returns the packer that a file's name asks for, nil for none.
func newPacker(path string) *packer {
	switch filepath.Ext(path) {
	case ".zst":
		return &packer{codec: new(zstdCodec)}
	case ".gz":
		return &packer{codec: gzipCodec{}}
	}
	return nil
}

// add begins to compress blocks, and returns an empty buffer in their place.
func (p *packer) add(blocks []byte, packets, interfaces int) (buffer []byte) {
	next := new(bundle)
	if n := len(p.spare); n > 0 {
		next, p.spare = p.spare[n-1], p.spare[:n-1]
	}
	buffer = next.blocks[:0]
	next.blocks, next.packets, next.interfaces, next.done = blocks, packets, interfaces, make(chan struct{})
	var before <-chan struct{}
	if n := len(p.underWay); n > 0 && p.inOrder() {
		before = p.underWay[n-1].done
	}
	p.underWay = append(p.underWay, next)
	go func() {
		if before != nil {
			<-before
		}
		next.packed = p.pack(next.packed[:0], next.blocks)
		close(next.done)
	}()
	return buffer
}

// ready yields the bundles that are compressed, in order, and waits for those beyond
// a number that may be under way. Each must be dropped once it is written.
func (p *packer) ready(underWay int) iter.Seq[*bundle] {
	return func(yield func(*bundle) bool) {
		for len(p.underWay) > 0 {
			first := p.underWay[0]
			if len(p.underWay) <= underWay {
				select {
				case <-first.done:
				default:
					return
				}
			}
			<-first.done
			if !yield(first) {
				return
			}
		}
	}
}

// drop lets the first bundle be used again, which the file has now.
func (p *packer) drop() {
	first := p.underWay[0]
	p.keep(first.blocks)
	p.spare = append(p.spare, first)
	p.underWay = p.underWay[:copy(p.underWay, p.underWay[1:])]
}

// abandon gives up all bundles under way, and returns them for the last time.
func (p *packer) abandon() []*bundle {
	abandoned := p.underWay
	for _, b := range abandoned {
		<-b.done
	}
	p.underWay = nil
	p.fail()
	return abandoned
}

// waiting is how many bytes of blocks are under way.
func (p *packer) waiting() (n int) {
	for _, b := range p.underWay {
		n += len(b.blocks)
	}
	return n
}
