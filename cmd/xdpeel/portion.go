package main

import (
	"sync"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

// portion is what one that follows the backlog has of it: the packets that name its
// output, less those that the output's own sampling leaves out. It counts both.
type portion struct {
	follower *export.Follower
	book     *books.Book // nil: none keeps what is lost here

	mu         sync.Mutex // not held while packets are written, which may take long
	share      export.Share
	named      uint64 // packets that named the output, of those that were read
	sampledOut uint64 // of them, those that were left out
}

// each gives take all that has come and was not read, a batch at a time; a batch lasts
// until take returns. It reports whether that was the last: the follower has left.
func (p *portion) each(take func(part *mirror.Batch)) (last bool) {
	for {
		batch, err := p.follower.Next()
		if err != nil {
			return true
		}
		if batch == nil {
			return false
		}
		take(p.of(batch))
	}
}

func (p *portion) of(b *mirror.Batch) *mirror.Batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	part, named := p.share.Of(b)
	p.named += uint64(named)
	p.sampledOut += uint64(named - len(part.Packets))
	p.book.Lose(mirror.LossSampledOut, named-len(part.Packets))
	return part
}

func (p *portion) reseed(seed uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.share.Seed = seed
}

// complete adds to the account of where the packets go what never came there: what was
// sampled out, and what was given up before it was read.
func (p *portion) complete(account mirror.OutputAccount) mirror.OutputAccount {
	late := p.follower.Lost()
	p.mu.Lock()
	defer p.mu.Unlock()
	account.Offered = p.named + late
	account.Lose(mirror.LossSampledOut, p.sampledOut)
	account.Lose(mirror.LossQueueFull, late)
	return account
}
