package judges

import (
	"fmt"
	"maps"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// count fills in the ledger that the list of said adds up to; what a list does not
// tell is taken from the ledger of said.
func (j *judgements) count(said *judgements) {
	j.reset()
	maps.Copy(j.Strangers, said.Strangers)
	if !said.TellsAll {
		maps.Copy(j.Sessions, said.Sessions)
		j.Overflow = said.Overflow
	}
	for i := range said.List {
		judgement := &said.List[i]
		j.Received++
		j.Outcomes[judgement.Outcome]++
		if said.TellsAll && judgement.Packet.Session.Source.IsValid() {
			j.addToSession(judgement)
		}
	}
}

func (j *judgements) addToSession(judgement *mirror.Judgement) {
	account, known := j.Sessions[judgement.Packet.Session]
	if !known && len(j.Sessions) == abi.LimitSessions-1 {
		addPacket(&j.Overflow, judgement)
		return
	}
	addPacket(&account, judgement)
	j.Sessions[judgement.Packet.Session] = account
}

func addPacket(account *mirror.SessionAccount, judgement *mirror.Judgement) {
	account.Packets++
	account.Bytes += uint64(judgement.Arrived)
	if judgement.Packet.Truncated {
		account.Truncated++
	}
	switch judgement.Outcome {
	case abi.OutcomeFiltered:
		account.Filtered++
	case abi.OutcomeSampledOut:
		account.SampledOut++
	}
}

func (j *judgements) sameLedger(other *judgements) bool {
	return j.Received == other.Received && j.Outcomes == other.Outcomes && j.Overflow == other.Overflow &&
		maps.Equal(j.Sessions, other.Sessions) && maps.Equal(j.Strangers, other.Strangers)
}

func (j *judgements) ledgerText() string {
	return fmt.Sprintf("received=%d outcomes=%v overflow=%+v sessions=%v strangers=%v",
		j.Received, j.Outcomes, j.Overflow, j.Sessions, j.Strangers)
}
