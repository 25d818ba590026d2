package export

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// update rewrites the golden files: go test ./export -update
var update = flag.Bool("update", false, "rewrite testdata")

// readings is a source that always says the same.
type readings struct {
	reading *Reading
	err     error
}

func (r readings) Reading() (*Reading, error) { return r.reading, r.err }

func someReading() *Reading {
	ledger := mirror.NewLedger("ens5", "native")
	ledger.Received = 1000
	ledger.Outcomes[abi.OutcomeDelivered] = 900
	ledger.Outcomes[abi.OutcomeFiltered] = 60
	ledger.Outcomes[abi.OutcomeHost] = 40
	ledger.Sessions[web] = mirror.SessionAccount{Packets: 950}
	ledger.Sessions[db] = mirror.SessionAccount{Packets: 10}
	ledger.Outputs["archive"] = &mirror.OutputAccount{
		Offered: 900, Delivered: 790, Lost: map[mirror.Loss]uint64{mirror.LossSampledOut: 100, "ring_full": 10},
	}
	return &Reading{
		Ledger:     ledger,
		Interfaces: []InterfaceReading{{"ens5", "native", true}, {"ens6", "generic", false}},
		LastReload: false, LastSuccess: time.UnixMilli(1772600767123),
	}
}

// The exposition text is golden, and what promlint would have said of it.
func TestMetrics(t *testing.T) {
	t.Parallel()
	m := NewMetrics(readings{reading: someReading()}, Build{"1.2.3", "abcdef", "go1.26"})
	problems, err := testutil.CollectAndLint(m)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join("testdata", "metrics.txt")
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(read(t, path)), text.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// A ledger that cannot be read fails the scrape; it does not read as zeros.
func TestMetricsOfNoLedger(t *testing.T) {
	t.Parallel()
	m := NewMetrics(readings{err: errors.New("read ledger: no")}, Build{})
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	if families, err := registry.Gather(); err == nil || !strings.Contains(err.Error(), "read ledger: no") || len(families) > 0 {
		t.Errorf("%d families, error %v; want none and the source's", len(families), err)
	}
}
