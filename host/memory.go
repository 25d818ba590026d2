package host

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/xdpeel/xdpeel/loader"
)

// memoryFacts are in bytes.
type memoryFacts struct {
	rings     uint64 // what the rings will take, at once and of kernel memory
	available uint64 // on the host
	limit     uint64 // that the tightest cgroup of this process leaves; math.MaxUint64: none
	cgroup    string // that one
}

func examineMemory(*visit) ([]Finding, error) {
	rings, err := loader.RingMemory()
	if err != nil {
		return nil, err
	}
	f := memoryFacts{rings: rings}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil, err
	}
	if f.available, err = readAvailable(text); err != nil {
		return nil, err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	f.cgroup, f.limit = tightest(string(own), "/sys/fs/cgroup")
	return f.judge(), nil
}

func readAvailable(meminfo []byte) (uint64, error) {
	for line := range bytes.Lines(meminfo) {
		var kilobytes uint64
		if n, _ := fmt.Sscanf(string(line), "MemAvailable: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("read meminfo: no MemAvailable")
}

// tightest returns the cgroup of those in the text of /proc/PID/cgroup, or above
// them, which leaves the least memory; root is where cgroups are mounted.
func tightest(own, root string) (cgroup string, left uint64) {
	left = math.MaxUint64
	for line := range strings.Lines(own) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, most, used := root, "memory.max", "memory.current"
		switch {
		case parts[1] == "memory":
			mount, most, used = filepath.Join(root, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"
		case parts[0] != "0":
			continue
		}
		for path := parts[2]; ; path = filepath.Dir(path) {
			limit, known := readBytes(filepath.Join(mount, path, most))
			usage, _ := readBytes(filepath.Join(mount, path, used))
			if known && limit-min(usage, limit) < left {
				cgroup, left = path, limit-min(usage, limit)
			}
			if path == "/" || path == "." {
				break
			}
		}
	}
	return cgroup, left
}

func readBytes(path string) (uint64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil // "max" is no number
}

// besideRings is what xdpeel takes beside the rings, in bytes: tables, a policy of some
// size and the one that replaces it, and the process with its batches and files.
const besideRings = 192 << 20

func (f memoryFacts) judge() []Finding {
	left, where := f.available, "this host"
	if f.limit < left {
		left, where = f.limit, "the cgroup "+f.cgroup
	}
	wanted := f.rings + besideRings
	switch {
	case left < f.rings:
		return []Finding{{
			Level: Failure, Found: fmt.Sprintf("%s has %s left, and the rings alone take %s", where, mebibytes(left), mebibytes(f.rings)),
			Why:    "the kernel refuses the rings, or ends a process for want of memory",
			Remedy: fmt.Sprintf("MemoryMax=%s in the unit, or a larger instance", mebibytes(2*wanted)),
		}}
	case left < wanted:
		return []Finding{{
			Level: Warning, Found: fmt.Sprintf("%s has %s left, and xdpeel takes some %s", where, mebibytes(left), mebibytes(wanted)),
			Why:    "a process may be ended for want of memory",
			Remedy: fmt.Sprintf("MemoryMax=%s in the unit, or a larger instance", mebibytes(2*wanted)),
		}}
	}
	return found("%s left on %s; the rings take %s", mebibytes(left), where, mebibytes(f.rings))
}

func mebibytes(n uint64) string { return fmt.Sprintf("%dM", n>>20) }
