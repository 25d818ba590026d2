package host

import (
	"bytes"
	"fmt"
	"math"
	"os"
)

// memoryFacts are in bytes.
type memoryFacts struct {
	need      int64 // at most
	available int64 // on the host
	limit     int64 // of the tightest control group; math.MaxInt64: none
	group     string
}

func examineMemory(v *visit) ([]Finding, error) {
	f := memoryFacts{need: v.Memory}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil, err
	}
	if f.available, err = readAvailable(text); err != nil {
		return nil, err
	}
	limit, err := MemoryLimitOf(os.DirFS("/"))
	if err != nil {
		return nil, err
	}
	f.limit, f.group = limit.Bytes, limit.Path
	return f.judge(), nil
}

func readAvailable(meminfo []byte) (int64, error) {
	for line := range bytes.Lines(meminfo) {
		var kilobytes int64
		if n, _ := fmt.Sscanf(string(line), "MemAvailable: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("read meminfo: no MemAvailable")
}

func (f memoryFacts) judge() []Finding {
	switch {
	case f.limit < f.need:
		return []Finding{{
			Level: Failure, Found: fmt.Sprintf("%s allows %s, and xdpeel may take %s", f.group, mebibytes(f.limit), mebibytes(f.need)),
			Why:    "xdpeel does not start where it might be killed for want of memory",
			Remedy: fmt.Sprintf("MemoryMax=%s in the unit, or a smaller buffer in the configuration", mebibytes(f.need)),
		}}
	case f.available < f.need:
		return []Finding{{
			Level: Warning, Found: fmt.Sprintf("this host has %s available, and xdpeel may take %s", mebibytes(f.available), mebibytes(f.need)),
			Why:    "the kernel ends a process when memory runs out",
			Remedy: "a smaller buffer in the configuration, or a larger instance",
		}}
	}
	limit := "no limit"
	if f.limit != math.MaxInt64 {
		limit = "a limit of " + mebibytes(f.limit)
	}
	return found("xdpeel may take %s; %s available, and %s", mebibytes(f.need), mebibytes(f.available), limit)
}

// mebibytes rounds up.
func mebibytes(n int64) string { return fmt.Sprintf("%dM", (n+1<<20-1)>>20) }
