// Package host examines whether the machine it runs on will do for xdpeel, before
// anything is attached, and mends what can be mended without harm. Each subject is a
// file: it gathers facts, and a function of these facts alone judges them.
// docs/doctor.md is the page for operators.
package host

import (
	"fmt"

	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// Level says how bad a finding is.
type Level string

// The levels, from good to bad.
const (
	OK      Level = "ok"      // as it should be
	Note    Level = "note"    // worth knowing; nothing to be done
	Warning Level = "warning" // xdpeel will run, and lose packets, or do worse than it could
	Failure Level = "failure" // xdpeel would not run as it was told to
)

// rank orders levels; the worst is the highest.
var rank = map[Level]int{OK: 0, Note: 1, Warning: 2, Failure: 3}

// Subject says what a finding is about. It is stable: scripts read it.
type Subject string

// The subjects, in the order in which they are examined.
const (
	Kernel       Subject = "kernel"       // its helpers
	Capabilities Subject = "capabilities" // of this process
	Compiler     Subject = "jit"          // the kernel's, that makes machine code of programs
	Unprivileged Subject = "unprivileged_bpf"
	Pins         Subject = "bpffs" // where pins are kept
	Interface    Subject = "interface"
	Driver       Subject = "driver" // whether it takes native XDP
	MTU          Subject = "mtu"
	Channels     Subject = "channels"
	Offloads     Subject = "offloads"
	ReceiveRing  Subject = "receive_ring" // of the network card
	Occupant     Subject = "occupant"     // another XDP program
	Port         Subject = "port"         // who else listens on the tunnel's ports
	Firewall     Subject = "firewall"
	Backlog      Subject = "backlog" // net.core's limits
	Drops        Subject = "drops"   // of the network card, so far
	Memory       Subject = "memory"
	Program      Subject = "program" // loads, and the verifier takes it
	Disk         Subject = "disk"
	Clock        Subject = "clock"
)

// Finding is one thing that was found out.
type Finding struct {
	Subject Subject `json:"subject"`
	Level   Level   `json:"level"`
	Found   string  `json:"found"`
	Why     string  `json:"why,omitempty"`    // it matters; of all that is not ok
	Remedy  string  `json:"remedy,omitempty"` // the command that mends it, where one does
	Undo    string  `json:"undo,omitempty"`   // the command that takes the remedy back; there if Mend can apply it
	mend    func() error
}

// Report is all that was found out about a host.
type Report struct {
	Interface string    `json:"interface"`
	Mode      string    `json:"mode"`   // that was wished for: auto, native or generic
	Level     Level     `json:"result"` // the worst of the findings
	Findings  []Finding `json:"findings"`
}

// Output is a directory that files will be written to.
type Output struct {
	Name     string // of the output
	Path     string // of its files, with strftime conversions
	KeepSize int64  // bytes that all its files may take; 0: no limit
	Keeps    bool   // something else bounds them: their number, or what is free
}

// Wish is what xdpeel is to do on the host.
type Wish struct {
	Interface string
	Mode      loader.Mode
	Judge     mirror.Options // complete
	Policy    *mirror.Policy
	Outputs   []Output
	Memory    int64    // bytes that it may take
	Pins      string   // the directory of its pins; "": it leaves none
	Pages     []string // addresses with ports that somebody else is to reach, as a load balancer
}

// examiner is a subject: it gathers facts and judges them.
type examiner struct {
	subject Subject
	examine func(*visit) ([]Finding, error)
}

// visit is one examination. Subjects leave facts for later ones.
type visit struct {
	Wish
	nic     *nic // nil: there is no such interface
	missing bool // what nothing goes without is missing, so that loading need not be tried
}

func (v *visit) examiners() []examiner {
	all := []examiner{
		{Kernel, examineKernel}, {Capabilities, examineCapabilities}, {Compiler, examineCompiler},
		{Unprivileged, examineUnprivileged}, {Pins, examinePins}, {Interface, examineInterface},
	}
	if v.nic != nil {
		all = append(all, []examiner{
			{Driver, examineDriver}, {MTU, examineMTU}, {Channels, examineChannels}, {Offloads, examineOffloads},
			{ReceiveRing, examineReceiveRing}, {Occupant, examineOccupant}, {Drops, examineDrops},
		}...)
	}
	return append(all, []examiner{
		{Port, examinePorts}, {Firewall, examineFirewall}, {Backlog, examineBacklog},
		{Memory, examineMemory}, {Program, examineProgram}, {Disk, examineDisk}, {Clock, examineClock},
	}...)
}

// Examine examines the host, of the calling thread's network namespace. It
// attaches nothing and changes nothing.
func Examine(w Wish) *Report {
	v := &visit{Wish: w}
	v.nic = readNIC(w.Interface)
	r := &Report{Interface: w.Interface, Mode: string(w.Mode), Level: OK}
	for _, e := range v.examiners() {
		findings, err := e.examine(v)
		if err != nil {
			findings = append(findings, Finding{
				Subject: e.subject, Level: Note, Found: fmt.Sprintf("not found out: %v", err),
				Why: "nothing is known of it, good or bad",
			})
		}
		for _, f := range findings {
			f.Subject = e.subject
			v.missing = v.missing || f.Level == Failure && (e.subject == Kernel || e.subject == Capabilities || e.subject == Memory)
			r.Findings = append(r.Findings, f)
			if rank[f.Level] > rank[r.Level] {
				r.Level = f.Level
			}
		}
	}
	return r
}

// found is a finding that nothing is wrong.
func found(format string, args ...any) []Finding {
	return []Finding{{Level: OK, Found: fmt.Sprintf(format, args...)}}
}

// Mended is a remedy that was applied, or could not be.
type Mended struct {
	Subject Subject `json:"subject"`
	Command string  `json:"command"`
	Undo    string  `json:"undo"`
	Error   string  `json:"error,omitempty"`
}

// Mend applies the remedies of the report that have an Undo, each by itself.
func (r *Report) Mend() []Mended {
	var all []Mended
	for _, f := range r.Findings {
		if f.mend == nil {
			continue
		}
		m := Mended{Subject: f.Subject, Command: f.Remedy, Undo: f.Undo}
		if err := f.mend(); err != nil {
			m.Error = err.Error()
		}
		all = append(all, m)
	}
	return all
}
