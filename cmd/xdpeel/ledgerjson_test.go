package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/xdpeel/xdpeel/mirror"
)

// ledgerJSON is the contract of --ledger.
type ledgerJSON struct {
	Interface string
	Mode      string
	Received  uint64
	Outcomes  map[string]uint64
	Sessions  []struct {
		VNI                       uint32
		Source, Name              string
		Packets, Bytes, Truncated uint64
		Filtered                  uint64
		SampledOut                uint64 `json:"sampled_out"`
	}
	Unknown []struct {
		VNI             uint32
		Source          string
		Packets, Denied uint64
	} `json:"unknown_sessions"`
	Outputs map[string]mirror.OutputAccount
}

func readLedger(t *testing.T, path string) (ledger ledgerJSON) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &ledger); err != nil {
		t.Fatal(err)
	}
	return ledger
}
