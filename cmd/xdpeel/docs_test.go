package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// The operator's page has a line for every outcome and every reason of a loss.
func TestLedgerPageNamesEverything(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "ledger.md"))
	if err != nil {
		t.Fatal(err)
	}
	labels := []string{string(mirror.LossDiskFull), string(mirror.LossWriteError), string(mirror.LossLimitReached), string(mirror.LossSampledOut)}
	for outcome := range abi.OutcomeMax {
		labels = append(labels, outcome.String())
	}
	for reason := range abi.RingLossMax {
		labels = append(labels, reason.String())
	}
	for _, label := range labels {
		if !strings.Contains(string(text), "\n| `"+label+"` |") {
			t.Errorf("docs/ledger.md has no line for %s", label)
		}
	}
}
