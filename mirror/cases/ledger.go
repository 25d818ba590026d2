package cases

import (
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Ledger returns the ledger of a judge that has seen the given cases, each once.
func Ledger(list []Case) *mirror.Ledger {
	ledger := mirror.NewLedger("", "")
	strangers := make(map[mirror.Session]mirror.Stranger)
	for _, c := range list {
		ledger.Received++
		ledger.Outcomes[c.Outcome]++
		switch c.Outcome {
		case abi.OutcomeDelivered, abi.OutcomeFiltered, abi.OutcomeSampledOut:
			ledger.Sessions[c.Session()] = c.addTo(ledger.Sessions[c.Session()])
		case abi.OutcomeDeniedSource, abi.OutcomeUnknownSession:
			strangers[c.Session()] = c.addToStranger(strangers[c.Session()])
		}
	}
	for _, stranger := range strangers {
		ledger.Strangers = append(ledger.Strangers, stranger)
	}
	ledger.Strangers = ledger.BusiestStrangers()
	return ledger
}

func (c Case) addTo(account mirror.SessionAccount) mirror.SessionAccount {
	account.Packets++
	account.Bytes += uint64(c.Arrived)
	if c.Truncated {
		account.Truncated++
	}
	switch c.Outcome {
	case abi.OutcomeFiltered:
		account.Filtered++
	case abi.OutcomeSampledOut:
		account.SampledOut++
	}
	return account
}

func (c Case) addToStranger(stranger mirror.Stranger) mirror.Stranger {
	stranger.Session = c.Session()
	stranger.Bytes += uint64(c.Arrived)
	if c.Outcome == abi.OutcomeDeniedSource {
		stranger.Denied++
	} else {
		stranger.Unknown++
	}
	return stranger
}
