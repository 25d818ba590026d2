package export

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
	writes := new(Durations)
	for _, took := range []time.Duration{50 * time.Microsecond, 100 * time.Microsecond, 2 * time.Millisecond, time.Minute} {
		writes.Observe(took)
	}
	return &Reading{
		Ledger: ledger,
		Policy: &mirror.Policy{Sessions: []mirror.SessionPolicy{{VNI: web.VNI, Source: web.Source, Name: "web-1"}, {VNI: 5, Name: "idle"}, {AnyVNI: true}}},
		Interfaces: []InterfaceReading{
			{Name: "ens5", Mode: "native", Attached: true, Dropped: map[string]uint64{"rx_drops": 3}, Allowances: map[string]uint64{"bw_in": 2, "pps": 0}},
			{Name: "ens6", Mode: "generic"},
		},
		Rings: []RingReading{{512, 1 << 20}, {0, 1 << 20}},
		Outputs: map[string]OutputReading{"archive": {Failing: true, Behind: 7, Writes: writes.Reading(), Files: &FilesReading{
			FileCounts{Complete: 20, Recovered: 1, Damaged: 2, Deleted: 3, CommandsFailed: 4},
			&UploadReading{Uploaded: 10, UploadedBytes: 1000, Failures: 5, Dropped: 1, Waiting: 6, WaitingBytes: 600},
		}}},
		Started:    time.UnixMilli(1772600000500),
		LastReload: false, LastSuccess: time.UnixMilli(1772600767123),
		Ready: false, Draining: true, Helper: true,
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
	// Reasons are added by whoever finds a new way to lose a packet: each has its zero.
	zero := regexp.MustCompile(`xdpeel_output_lost_packets_total\{output="archive",reason="(\w+)"\} 0\n`)
	var zeros []mirror.Loss
	for _, m := range zero.FindAllStringSubmatch(text.String(), -1) {
		zeros = append(zeros, mirror.Loss(m[1]))
	}
	want := slices.DeleteFunc(mirror.Losses(), func(l mirror.Loss) bool { return l == mirror.LossSampledOut || l == "ring_full" })
	slices.Sort(want)
	if diff := cmp.Diff(want, zeros); diff != "" {
		t.Errorf("losses that have not occurred (-want +got):\n%s", diff)
	}
	got := zero.ReplaceAllString(text.String(), "")
	path := filepath.Join("testdata", "metrics.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(read(t, path)), got); diff != "" {
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

// However many sessions are configured, and however many mirror, the series are bounded.
func TestMetricsBounded(t *testing.T) {
	t.Parallel()
	reading := someReading()
	reading.Policy = new(mirror.Policy)
	for vni := range uint32(3 * maxSessions) {
		reading.Policy.Sessions = append(reading.Policy.Sessions, mirror.SessionPolicy{VNI: vni, Name: fmt.Sprint("s", vni)})
		reading.Ledger.Sessions[mirror.Session{VNI: vni, Source: web.Source}] = mirror.SessionAccount{Packets: 2}
		reading.Ledger.Sessions[mirror.Session{VNI: 1<<20 + vni, Source: web.Source}] = mirror.SessionAccount{Packets: 1}
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewMetrics(readings{reading: reading}, Build{}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "xdpeel_session_packets_total" {
			continue
		}
		if n := len(family.Metric); n != maxSessions+2 {
			t.Errorf("%d series of sessions, want %d", n, maxSessions+2)
		}
		sum, want := 0.0, 0.0
		for _, metric := range family.Metric {
			sum += metric.GetCounter().GetValue()
		}
		for _, account := range reading.Ledger.Sessions {
			want += float64(account.Packets)
		}
		if sum != want {
			t.Errorf("sessions sum to %v packets, want %v", sum, want)
		}
	}
}

func TestDurationsAllocateNothing(t *testing.T) {
	d := new(Durations)
	if n := testing.AllocsPerRun(100, func() { d.Observe(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	d.Observe(10 * time.Millisecond) // on the bound: within it
	if r := d.Reading(); r.Count != 102 || r.within[2] != 101 || r.within[3] != 101 || r.within[4] != 102 {
		t.Errorf("%+v", r)
	}
}

// The operator's page has a line for every metric, with its labels, and no other.
func TestMetricsPage(t *testing.T) {
	t.Parallel()
	page := string(read(t, filepath.Join("..", "docs", "metrics.md")))
	got := make(map[string]bool)
	for _, line := range regexp.MustCompile("(?m)^\\| `(xdpeel_[^`]*)` \\|").FindAllStringSubmatch(page, -1) {
		got[line[1]] = true
	}
	want := make(map[string]bool)
	for _, desc := range descriptions {
		parts := regexp.MustCompile(`fqName: "(\w+)".*variableLabels: \{([^}]*)\}`).FindStringSubmatch(desc.String())
		if parts == nil {
			t.Fatalf("%s: not understood", desc)
		}
		if parts[2] != "" {
			parts[2] = "{" + parts[2] + "}"
		}
		want[parts[1]+parts[2]] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/metrics.md (-there are +the page has):\n%s", diff)
	}
	if !strings.Contains(page, strconv.Itoa(maxSessions/1000)+",000, in its order") {
		t.Error("the page has another number of sessions")
	}
}
