package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/xdpeel/xdpeel/lab"
)

// Daemon is an `xdpeel run` on the receiver's CPU.
type Daemon struct {
	*Process
	xdpeel string
	ns     *lab.Namespace
}

// startDaemon starts a daemon on the lane's receiving end, and waits until it listens.
// Its configuration is written into directory.
func startDaemon(xdpeel string, lane *Lane, directory, configuration string) (*Daemon, error) {
	path := filepath.Join(directory, "xdpeel.yaml")
	if err := os.WriteFile(path, []byte(configuration), 0o644); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	process, err := StartProcess(lane.pair.B.Namespace, []string{xdpeel, "run", "--config", path}, "msg=listening")
	if err != nil {
		return nil, err
	}
	return &Daemon{process, xdpeel, lane.pair.B.Namespace}, nil
}

// daemonLedger is of `xdpeel status --json` what is added up.
type daemonLedger struct {
	Received uint64            `json:"received"`
	Outcomes map[string]uint64 `json:"outcomes"`
	Sessions []struct {
		Packets uint64 `json:"packets"`
	} `json:"sessions"`
	Outputs map[string]struct {
		Offered   uint64            `json:"offered"`
		Delivered uint64            `json:"delivered"`
		Lost      map[string]uint64 `json:"lost"`
	} `json:"outputs"`
}

// ledger asks the daemon for its accounts.
func (d *Daemon) ledger() (ledger daemonLedger, err error) {
	var out []byte
	err = d.ns.Do(func() error {
		out, err = exec.Command(d.xdpeel, "status", "--json").Output()
		return err
	})
	if err != nil {
		return ledger, fmt.Errorf("ask daemon: %w", err)
	}
	return ledger, json.Unmarshal(out, &ledger)
}

// equation is a sum that has to hold.
type equation struct {
	name        string
	left, right uint64
}

// missing is how far apart both sides are.
func (e equation) missing() uint64 { return max(e.left, e.right) - min(e.left, e.right) }

// unequal adds up by how many packets equations do not hold, and says which.
func unequal(sums []equation) (missing uint64, err error) {
	var broken []error
	for _, s := range sums {
		if s.missing() > 0 {
			missing += s.missing()
			broken = append(broken, fmt.Errorf("%s: %d and %d", s.name, s.left, s.right))
		}
	}
	return missing, errors.Join(broken...)
}
