package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/lab"
)

// checkLeaks compares what the daemon that was in the storm holds with what a new one
// holds, of the same configuration.
func (s *storm) checkLeaks() {
	s.t.Helper()
	old := s.holdings()
	s.end(syscall.SIGTERM)
	s.start()
	s.awaitReady()
	s.rest()
	fresh := s.holdings()
	for what, n := range old {
		allowed := fresh[what]
		if !strings.HasPrefix(what, "bpf") && !strings.HasPrefix(what, "pin") && !strings.HasPrefix(what, "interface") {
			allowed += 4 // as the runtime has use for them
		}
		if n > allowed {
			s.t.Errorf("%d of %s, a new daemon has %d: %v, %v", n, what, fresh[what], old, fresh)
		}
	}
	c, err := config.Load(s.path("xdpeel.yaml"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if n, err := needOf(c); err != nil || s.peak > n.kernel+n.process {
		s.t.Errorf("%v: %d MiB resident, docs/run.md allows %d", err, s.peak>>20, mebibytes(n.kernel+n.process))
	}
}

// holdings counts what a daemon holds, by kind.
func (s *storm) holdings() map[string]int {
	s.t.Helper()
	held := make(map[string]int)
	proc := fmt.Sprintf("/proc/%d", s.daemon.cmd.Process.Pid)
	threads, _ := os.ReadDir(proc + "/task")
	held["threads"] = len(threads)
	descriptors, _ := os.ReadDir(proc + "/fd")
	for _, fd := range descriptors {
		target, _ := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
		kind, _, _ := strings.Cut(strings.TrimPrefix(target, "anon_inode:"), ":")
		if strings.HasPrefix(kind, s.disk) {
			kind = "files"
		}
		held[strings.ReplaceAll(strings.Trim(kind, "[]"), "_", "-")]++ // bpf_link, of one that was pinned
	}
	pinned, _ := filepath.Glob(filepath.Join(s.pins(), "*", "*", "*"))
	for _, path := range pinned {
		held["pin "+filepath.Base(path)]++
	}
	for _, namespace := range []*lab.Namespace{s.wire.far.Namespace, s.ids.Namespace} {
		err := namespace.Do(func() error {
			links, err := netlink.LinkList()
			for _, l := range links {
				held["interface "+l.Attrs().Name]++
			}
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return held
}

// kernelObjects are the BPF objects that daemons had: "map_id 12".
type kernelObjects map[string]bool

// add adds those that a process has descriptors of.
func (k kernelObjects) add(t interface{ Helper() }, pid int) {
	t.Helper()
	infos, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	for _, path := range infos {
		text, _ := os.ReadFile(path)                      // a descriptor may be closed by now
		link := strings.Contains(string(text), "link_id") // which names its program too
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			if key == "map_id" || key == "link_id" || key == "prog_id" && !link {
				k[key+" "+strings.TrimSpace(value)] = true
			}
		}
	}
}

// left says which there still are.
func (k kernelObjects) left() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(k)) {
		kind, text, _ := strings.Cut(name, " ")
		id, _ := strconv.ParseUint(text, 10, 32)
		var held interface{ Close() error }
		var err error
		switch kind {
		case "map_id":
			held, err = ebpf.NewMapFromID(ebpf.MapID(id))
		case "prog_id":
			held, err = ebpf.NewProgramFromID(ebpf.ProgramID(id))
		case "link_id":
			held, err = link.NewFromID(link.ID(id))
		}
		if err == nil {
			held.Close()
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// memory is the most that the daemon had resident, in bytes.
func (s *storm) memory() int64 {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.daemon.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kibibytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return kibibytes << 10
}
