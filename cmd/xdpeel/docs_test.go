package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	source, err := os.ReadFile(filepath.Join("..", "..", "mirror", "ledger.go"))
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, loss := range mirror.Losses() {
		labels = append(labels, string(loss))
	}
	for _, constant := range regexp.MustCompile(`\bLoss = "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		if !slices.Contains(labels, constant[1]) {
			t.Errorf("mirror.Losses does not have %s", constant[1])
		}
	}
	for outcome := range abi.OutcomeMax {
		labels = append(labels, outcome.String())
	}
	for _, label := range labels {
		if !strings.Contains(string(text), "\n| `"+label+"` |") {
			t.Errorf("docs/ledger.md has no line for %s", label)
		}
	}
}
