package export

import (
	"maps"
	"sync"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/mirror"
)

// account is an output's account that other goroutines may read. What it counts it
// writes into the output's book too, but for the packets that a sheet counts.
type account struct {
	book   *books.Book // nil: there is none
	mu     sync.Mutex
	counts mirror.OutputAccount
	lostBy map[mirror.Session]uint64 // own losses over all files, for the statistics blocks
}

func newAccount() *account { return &account{lostBy: make(map[mirror.Session]uint64)} }

func (a *account) offer(packets int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts.Offered += uint64(packets)
}

func (a *account) deliver(packets int) {
	a.deliverTo(nil, packets)
}

// deliverTo is deliver to a file that has a sheet.
func (a *account) deliverTo(sheet *books.Sheet, packets int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts.Delivered += uint64(packets)
	if sheet != nil {
		sheet.Count(packets)
	} else {
		a.book.Deliver(packets)
	}
}

func (a *account) lose(reason mirror.Loss, packets int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts.Lose(reason, uint64(packets))
	a.book.Lose(reason, packets)
}

// losePacket counts a packet of a session as lost.
func (a *account) losePacket(reason mirror.Loss, session mirror.Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts.Lose(reason, 1)
	a.book.Lose(reason, 1)
	a.lostBy[session]++
}

// losePackets is losePacket of each.
func (a *account) losePackets(reason mirror.Loss, packets []mirror.Packet) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts.Lose(reason, uint64(len(packets)))
	a.book.Lose(reason, len(packets))
	for i := range packets {
		a.lostBy[packets[i].Session]++
	}
}

// takeBack counts packets as lost that were delivered to a file that is lost. In the
// book that is its sheet's to do.
func (a *account) takeBack(reason mirror.Loss, packets int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts.Delivered -= uint64(packets)
	a.counts.Lose(reason, uint64(packets))
}

func (a *account) lostOf(session mirror.Session) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lostBy[session]
}

func (a *account) snapshot() mirror.OutputAccount {
	a.mu.Lock()
	defer a.mu.Unlock()
	counts := a.counts
	counts.Lost = maps.Clone(counts.Lost)
	return counts
}
