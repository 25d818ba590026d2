package main

import (
	"fmt"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// checkSums proves that the ledger's sums hold. An error is a fault of xdpeel.
func checkSums(ledger *mirror.Ledger) error {
	if outcomes := sumOutcomes(ledger); outcomes != ledger.Received {
		return fmt.Errorf("ledger does not add up: %d frames received, %d with an outcome", ledger.Received, outcomes)
	}
	judged := ledger.Outcomes[abi.OutcomeDelivered] + ledger.Outcomes[abi.OutcomeFiltered] + ledger.Outcomes[abi.OutcomeSampledOut]
	counted := ledger.Overflow.Packets
	for _, session := range ledger.Sessions {
		counted += session.Packets
	}
	if counted != judged {
		return fmt.Errorf("ledger does not add up: %d packets delivered, filtered or sampled out, %d counted to sessions", judged, counted)
	}
	for name, account := range ledger.Outputs {
		accounted := account.Delivered
		for _, n := range account.Lost {
			accounted += n
		}
		if accounted != account.Offered {
			return fmt.Errorf("ledger does not add up: output %q was offered %d packets and accounts for %d",
				name, account.Offered, accounted)
		}
	}
	return nil
}

func sumOutcomes(ledger *mirror.Ledger) (sum uint64) {
	for _, n := range ledger.Outcomes {
		sum += n
	}
	return sum
}
