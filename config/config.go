// Package config reads xdpeel's configuration: YAML, strictly. A key that it does
// not know, a bad value, a duplicate or a name that nothing has is a complaint that
// names its line and column, and all of a file's complaints come at once.
// docs/configure.md is the page for users.
package config

import (
	"fmt"
	"os"
	"time"

	"github.com/xdpeel/xdpeel/mirror"
)

// Config is a configuration that was read. Nothing in it is changed any more: a
// reload reads another.
type Config struct {
	Interfaces []string       // where mirrored packets arrive; may be empty, which only `run` minds
	Mode       string         // of attaching: "auto", "native" or "generic"
	Judge      mirror.Options // the tunnel's ports; complete
	Policy     *mirror.Policy // checked
	// Filters by name, also those of no session. Filters that are equal are one, with
	// the name that comes first in the file.
	Filters map[string]*mirror.Filter
	Outputs []Output      // in the file's order
	Buffer  int64         // bytes of memory for packets that wait for outputs
	HTTP    string        // address and port of the daemon's pages
	Health  string        // address and port where a load balancer's check is answered as well; "": nowhere
	Drain   time.Duration // from the signal to the end, in which the check is refused and packets are taken
	OnExit  OnExit
	Pins    string   // directory in a bpffs for what stays when the daemon ends
	Files   []string // that were read: the configuration itself, then the AWS files that it names
	Notes   []string // what is not wrong but worth knowing, as FILE:LINE:COLUMN: text
}

// OnExit is what becomes of the kernel program when the daemon ends.
type OnExit string

// The values of OnExit.
const (
	OnExitKeep   OnExit = "keep" // it stays attached, for a later daemon
	OnExitDetach OnExit = "detach"
)

// DefaultPins is the directory for pins where none is named.
const DefaultPins = "/sys/fs/bpf/xdpeel"

// Load reads the configuration in a file. slots are the slots of the outputs that
// the judge has already, by name: these outputs keep them; nil at start. What is
// wrong with the file comes as Complaints.
func Load(path string, slots map[string]int) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, text, slots)
}

// Parse reads a configuration as Load does. name stands in complaints, and the AWS
// files that the text names are looked for beside it.
func Parse(name string, text []byte, slots map[string]int) (*Config, error) {
	r := &reader{
		file: name,
		config: &Config{
			Mode: "auto", HTTP: "127.0.0.1:9478", OnExit: OnExitKeep, Pins: DefaultPins, Buffer: defaultBuffer,
			Policy:  new(mirror.Policy),
			Filters: make(map[string]*mirror.Filter),
			Files:   []string{name},
		},
		slots: slots,
	}
	r.readDocument(text)
	if err := r.complaints.sorted(); err != nil {
		return nil, err
	}
	return r.config, nil
}
