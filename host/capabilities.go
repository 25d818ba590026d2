package host

import (
	"errors"

	"github.com/xdpeel/xdpeel/loader"
)

func examineCapabilities(*visit) ([]Finding, error) {
	missing, _ := loader.Missing()
	return judgeCapabilities(missing)
}

func judgeCapabilities(missing error) ([]Finding, error) {
	var capability *loader.CapabilityError
	if errors.As(missing, &capability) {
		return []Finding{{
			Level: Failure, Found: missing.Error(),
			Why:    "loading a program takes CAP_BPF and CAP_PERFMON, attaching it CAP_NET_ADMIN",
			Remedy: capability.Grant(),
		}}, nil
	}
	if missing != nil {
		return nil, missing
	}
	return found("CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are there"), nil
}
