package main

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/host"
	"github.com/xdpeel/xdpeel/loader"
)

// ownBytes is what a daemon takes whatever its configuration: Go, the program's
// text, accounts of as many sessions as there may be, and pages of them.
const ownBytes = 64 << 20

// need is the most memory that a daemon takes, in bytes. docs/run.md has the sum.
type need struct{ kernel, process int64 }

func needOf(c *config.Config) (need, error) {
	kernel, err := loader.FootprintOf(c.Policy)
	if err != nil {
		return need{}, err
	}
	n := need{
		kernel:  kernel.Rings + kernel.Tables + 2*kernel.Policy,
		process: ownBytes + 2*kernel.Policy + c.Buffer,
	}
	for _, o := range c.Outputs {
		switch o.Type {
		case config.OutputVeth: // has nothing in user space
		case config.OutputSocket:
			n.process += int64(o.Socket.Readers) * int64(export.SegmentBytes+export.StreamBytes)
		default:
			n.process += int64(export.SegmentBytes + export.FileBytes)
		}
		if o.Path != "" {
			n.process += export.ArchiveBytes(o.Path, o.Split)
		}
	}
	return n, nil
}

// checkMemory refuses a configuration that might be killed for want of memory, and
// otherwise has Go keep within what there is.
func checkMemory(c *config.Config) error {
	limit, err := host.MemoryLimitOf(os.DirFS("/"))
	if err != nil {
		return err
	}
	if limit.Bytes == math.MaxInt64 {
		return nil
	}
	n, err := needOf(c)
	if err != nil {
		return err
	}
	if total := n.kernel + n.process; total > limit.Bytes {
		return hinted(fmt.Errorf("%s allows %d MiB of memory, and this configuration may take %d MiB: %d MiB in the kernel, and %d MiB of the process, with a buffer of %d MiB",
			limit.Path, limit.Bytes>>20, mebibytes(total), mebibytes(n.kernel), mebibytes(n.process), c.Buffer>>20),
			"allow it more (MemoryMax= of a systemd unit), or lower `buffer`")
	}
	debug.SetMemoryLimit(limit.Bytes - n.kernel)
	return nil
}

// mebibytes rounds up.
func mebibytes(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }
