package host

import (
	"errors"

	"github.com/xdpeel/xdpeel/loader"
)

func examineKernel(*visit) ([]Finding, error) {
	_, err := loader.Missing()
	return judgeKernel(loader.KernelRelease(), err)
}

// judgeKernel takes what loader.Missing said of the kernel.
func judgeKernel(release string, missing error) ([]Finding, error) {
	switch {
	case errors.Is(missing, loader.ErrKernel):
		return []Finding{{
			Level: Failure, Found: missing.Error(),
			Why:    "the program calls helpers that this kernel does not have",
			Remedy: "boot a newer kernel: Amazon Linux 2023, Debian 12 and Ubuntu 22.04 with linux-aws have one",
		}}, nil
	case missing != nil:
		return nil, missing // as without the capability to ask
	}
	return found("Linux %s has all that the program calls", release), nil
}
