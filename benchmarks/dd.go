package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/xdpeel/xdpeel/lab"
)

// ddMebibytes is how much dd writes: so much that its own start does not count.
const ddMebibytes = 128

// ddCost returns the CPU time, in nanoseconds a byte, that dd needs to write
// zeros to a new file.
func ddCost(ctx context.Context, directory string) (perByte float64, err error) {
	path := filepath.Join(directory, fmt.Sprintf("xdpeel-bench-%d.dd", os.Getpid()))
	defer func() {
		if removeErr := os.Remove(path); !errors.Is(removeErr, os.ErrNotExist) {
			err = errors.Join(err, removeErr)
		}
	}()
	dd := exec.CommandContext(ctx, "dd", "if=/dev/zero", "of="+path, "bs=1M", fmt.Sprintf("count=%d", ddMebibytes))
	if err := lab.OnCPU(receiverCPU, dd.Start); err != nil {
		return 0, fmt.Errorf("start dd: %w", err)
	}
	if err := dd.Wait(); err != nil {
		return 0, fmt.Errorf("run dd: %w", err)
	}
	used := dd.ProcessState.UserTime() + dd.ProcessState.SystemTime()
	return float64(used.Nanoseconds()) / (ddMebibytes << 20), nil
}
