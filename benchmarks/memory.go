package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory is what a process holds, in bytes.
type Memory struct {
	Resident int64 `json:"resident_bytes"` // of the process itself
	Maps     int64 `json:"map_bytes"`      // of the kernel, for the BPF maps that the process has open
}

func memoryOf(pid int) (m Memory, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m, fmt.Errorf("read memory of process: %w", err)
	}
	kib, ok := field(status, "VmRSS:")
	if !ok {
		return m, errors.New("read memory of process: no VmRSS")
	}
	m.Resident = kib << 10
	m.Maps, err = mapMemory(pid)
	return m, err
}

// mapMemory adds up what the kernel says of each map (proc_pid_fdinfo(5)).
func mapMemory(pid int) (total int64, err error) {
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return 0, err
	}
	seen := make(map[int64]bool)
	for _, name := range names {
		info, err := os.ReadFile(name)
		if err != nil {
			continue // it was closed meanwhile
		}
		id, isMap := field(info, "map_id:")
		if bytes, ok := field(info, "memlock:"); ok && isMap && !seen[id] {
			seen[id] = true
			total += bytes
		}
	}
	return total, nil
}

// field returns the number behind a name at the beginning of a line.
func field(text []byte, name string) (int64, bool) {
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == name {
			n, err := strconv.ParseInt(words[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
