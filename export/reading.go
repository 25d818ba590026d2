package export

import (
	"time"

	"github.com/xdpeel/xdpeel/mirror"
)

// Readings is where Metrics gets its numbers, anew at each scrape.
type Readings interface {
	Reading() (*Reading, error)
}

// Reading is what a daemon knows of itself at one time.
type Reading struct {
	Ledger      *mirror.Ledger
	Policy      *mirror.Policy // in effect: sessions are told by it
	Interfaces  []InterfaceReading
	Rings       []RingReading            // by CPU
	Outputs     map[string]OutputReading // of those in effect
	Started     time.Time
	LastReload  bool      // the configuration that was read last is in effect
	LastSuccess time.Time // when the one in effect was read
	Ready       bool      // as /readyz says
	Draining    bool      // it was told to end, and goes on taking packets until the load balancer has moved on
	Helper      bool      // the process is there that has the capabilities
}

// InterfaceReading is an interface that the kernel program should be on.
type InterfaceReading struct {
	Name     string
	Mode     string // "native" or "generic"; of one that is not attached, the one wished for
	Attached bool
	// What was lost there before the program: packets by the driver's counters, and
	// those beyond what AWS allows the instance. Nil where nobody tells.
	Dropped, Allowances map[string]uint64
}

// RingReading is how full a CPU's ring is, in bytes.
type RingReading struct{ Used, Size uint64 }

// OutputReading is how an output does.
type OutputReading struct {
	Failing bool             // it takes no packets
	Behind  int              // packets in the backlog, its own and others', that it has yet to go through
	Writes  DurationsReading // of its batches; the zero value of an output that writes none
	Files   *FilesReading    // nil: it writes none
}

// FilesReading is what became of an output's files since it was opened.
type FilesReading struct {
	FileCounts
	Uploads *UploadReading `json:"uploads,omitempty"` // nil: they are not uploaded
}

// UploadReading is what became of those of an output's files that a store is to have, as
// whoever uploads them counts it.
type UploadReading struct {
	Uploaded      uint64 `json:"uploaded"`        // files that the store has
	UploadedBytes uint64 `json:"uploaded_bytes"`  // of them
	Failures      uint64 `json:"failures"`        // attempts that failed
	Dropped       uint64 `json:"dropped"`         // files that were deleted before the store had them
	Waiting       uint64 `json:"waiting"`         // files that the store does not have
	WaitingBytes  uint64 `json:"waiting_bytes"`   // of them
	Error         string `json:"error,omitempty"` // why the last attempt failed, "" if it did not
}

// Build is what the metric xdpeel_build_info tells.
type Build struct{ Version, Revision, GoVersion string }
