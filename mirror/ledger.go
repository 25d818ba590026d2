package mirror

import (
	"slices"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Loss says why an output did not take a packet that it was offered.
type Loss string

// The losses that user space finds out; those that the kernel counts are abi.RingLoss
// and abi.VethLoss.
const (
	LossDiskFull       Loss = "disk_full"       // no space left where the file is
	LossWriteError     Loss = "write_error"     // the file, pipe or terminal took no more
	LossLimitReached   Loss = "limit_reached"   // it came after the last packet that was asked for
	LossSampledOut     Loss = "sampled_out"     // the output's own sampling left it out, as it was told to
	LossQueueFull      Loss = "queue_full"      // the output was so far behind that the packet's memory was needed
	LossOutputClosed   Loss = "output_closed"   // a reload had taken the output away when the packet came out of its ring
	LossInterfaceDown  Loss = "interface_down"  // the interface that packets are sent out of was down or gone
	LossTxFull         Loss = "tx_full"         // the transmit queue of the interface was full
	LossTooLong        Loss = "too_long"        // the frame was longer than the interface's MTU allows
	LossNoReader       Loss = "no_reader"       // nobody read the socket
	LossReaderFiltered Loss = "reader_filtered" // the socket's reader had not asked for it
	LossKilled         Loss = "killed"          // the daemon before was killed while it had it in hand
	LossLeftBehind     Loss = "left_behind"     // it was in the ring of a build with other maps, or of a daemon of other interfaces
	// LossRedirectFailed is that of packets that were sent into a veth and did not
	// come out at the consumer's end: its queue was full, or one of its ends down, or
	// the queue to another CPU full. The kernel tells nobody; they are what is missing.
	LossRedirectFailed Loss = "redirect_failed"
)

// Losses of files.
const (
	LossIOError     Loss = "io_error"     // the disk under the file failed
	LossReadOnly    Loss = "read_only"    // the file system took no more writes
	LossNoDirectory Loss = "no_directory" // the file's directory was not there
	LossSyncError   Loss = "sync_error"   // it was written, but the disk did not take it: the file is damaged
	LossFileRemoved Loss = "file_removed" // it was written to a file that somebody removed before it was complete
)

// Losses returns every reason there is: those of the kernel, then all of the above.
func Losses() []Loss {
	var all []Loss
	for reason := range abi.RingLossMax {
		all = append(all, Loss(reason.String()))
	}
	for reason := range abi.VethLossMax {
		if loss := Loss(reason.String()); loss != LossTooLong { // which user space knows too
			all = append(all, loss)
		}
	}
	return append(all, LossDiskFull, LossWriteError, LossLimitReached, LossSampledOut, LossQueueFull, LossOutputClosed,
		LossInterfaceDown, LossTxFull, LossTooLong, LossNoReader, LossReaderFiltered, LossKilled, LossLeftBehind, LossRedirectFailed,
		LossIOError, LossReadOnly, LossNoDirectory, LossSyncError, LossFileRemoved)
}

// Ledger says what became of every frame that arrived. Its sums hold exactly:
// Received is the sum of Outcomes, and an output's Offered is its Delivered and
// the sum of its Lost.
type Ledger struct {
	Interface string
	Mode      string // "native", "generic" or, of a capture file, "offline"
	Received  uint64 // frames, counted on their own and not summed
	Outcomes  [abi.OutcomeMax]uint64
	Sessions  map[Session]SessionAccount
	// Overflow is the account of all sessions that came after the table was full.
	Overflow SessionAccount
	// Strangers are the last unknown and denied sessions, at most
	// abi.LimitStrangers, in any order.
	Strangers []Stranger
	Outputs   map[string]*OutputAccount
}

// SessionAccount counts what arrived of one session.
type SessionAccount struct {
	Name       string // as configured
	Packets    uint64 // delivered, filtered or sampled out
	Bytes      uint64 // of inner frames as they arrived
	Truncated  uint64 // packets that the mirror session had cut
	Filtered   uint64 // packets that the filter did not take
	SampledOut uint64 // packets that sampling left out
	Lost       uint64 // packets that did not reach user space, for whatever reason
	LastSeen   int64  // of the last packet, in nanoseconds since the Unix epoch; 0: unknown
}

// OutputAccount counts what one output was offered and what became of it.
type OutputAccount struct {
	Offered   uint64          `json:"offered"`
	Delivered uint64          `json:"delivered"`
	Lost      map[Loss]uint64 `json:"lost"`
	// Readers are those of a socket, as long as they are there. They are in the sums,
	// as are those that are gone.
	Readers []ReaderAccount `json:"readers,omitempty"`
}

// ReaderAccount counts what one reader of a socket was offered and what became of it.
type ReaderAccount struct {
	Process   int32           `json:"process"` // id
	User      uint32          `json:"user"`    // id
	Filter    string          `json:"filter,omitempty"`
	Since     time.Time       `json:"since"`
	Offered   uint64          `json:"offered"`
	Delivered uint64          `json:"delivered"`
	Lost      map[Loss]uint64 `json:"lost"`
}

// NewLedger returns a ledger with nothing in it.
func NewLedger(iface, mode string) *Ledger {
	return &Ledger{
		Interface: iface, Mode: mode,
		Sessions: make(map[Session]SessionAccount),
		Outputs:  make(map[string]*OutputAccount),
	}
}

// Lose counts n packets as lost by an output.
func (a *OutputAccount) Lose(reason Loss, n uint64) {
	if n == 0 {
		return
	}
	if a.Lost == nil {
		a.Lost = make(map[Loss]uint64)
	}
	a.Lost[reason] += n
}

// SortedSessions returns the sessions in order of VNI, then of source.
func (l *Ledger) SortedSessions() []Session {
	sessions := make([]Session, 0, len(l.Sessions))
	for session := range l.Sessions {
		sessions = append(sessions, session)
	}
	slices.SortFunc(sessions, Session.compare)
	return sessions
}

// Name gives the sessions the names that a policy has for them, and none to those
// that it does not know.
func (l *Ledger) Name(policy *Policy) {
	wanted := newSessionIndex(policy)
	for session, account := range l.Sessions {
		account.Name = ""
		if known := wanted.find(session); known != nil {
			account.Name = known.Name
		}
		l.Sessions[session] = account
	}
}

// BusiestStrangers returns the strangers, those of most packets first.
func (l *Ledger) BusiestStrangers() []Stranger {
	busiest := slices.Clone(l.Strangers)
	sortStrangers(busiest)
	return busiest
}
