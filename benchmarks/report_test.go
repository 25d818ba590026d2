package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sample is the output of a run in small.
func sample() *output {
	return &output{
		Machine: Machine{Kernel: "6.1.0", CPUs: 2, Programs: map[string]string{"tcpdump": "tcpdump version 4.99", "xdpdump": ""},
			Before: Disturbance{0.1, 0.2, 0.36}, After: Disturbance{1.4, 3.7, 0.4}},
		Results: []Result{
			compare("capture_vs_tcpdump", "packets/s, ratio", Higher, []float64{3, 4}, []float64{1, 2}).with("xdpeel_packets_per_second", 3),
			unmeasured("capture_vs_xdpdump", "xdpdump is not installed"),
		},
		Captures: []Measurement{
			{Contender: "xdpeel", Mix: "64", Found: Found{Rate: 2e6, Trials: 5}, At: Trial{Account: Account{Sent: 10, Received: 10}, Kernel: 1000, Process: 500}},
			{Contender: "tcpdump", Mix: "64", Found: Found{Rate: 1e6, Trials: 7}},
			{Contender: "xdpeel", Mix: "64", Loss: lossAllowed, Found: Found{Rate: 3e6}},
		},
		Stages: []StageCost{{"harness", 64, Quartiles{50, 51, 52}}, {"outer", 64, Quartiles{-1, 10, 12}}},
		Growth: []GrowthPoint{{Scale: "sessions", At: 1, Memory: Memory{Resident: 1 << 20}}, {Scale: "cpus", At: 2}, {Scale: "outputs", At: 8, Memory: Memory{Resident: 1 << 20}}, {Scale: "rules", At: 1000, Policy: 4 << 20}},
	}
}

func TestReportHasEverything(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "report")
	if err := writeReport(directory, sample(), []byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(directory, "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| `capture_vs_tcpdump` | 2.5 | 2.25 to 2.75 | packets/s, ratio | higher | 2 |",
		"| `capture_vs_xdpdump` | not run | xdpdump is not installed |",
		"| xdpeel | 64 | 0 % | 2000000 | 2000000 to 2000000 | 100 | 50 | 1 |",
		"| xdpeel | 64 | 0.5 % | 3000000 |",
		"| outer | 64 | 10.0 | -1.0 to 12.0 |",
		"| xdpdump | not installed |",
		"| lost to others after | 1.4 % of the generator's CPU, 3.7 % of the receiver's; `dd` 0.40 ns a byte |",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("report lacks %q", want)
		}
	}
	for _, line := range strings.Split(string(text), "\n") {
		if _, rest, found := strings.Cut(line, "]("); found && strings.HasPrefix(line, "![") {
			if _, err := os.Stat(filepath.Join(directory, strings.TrimSuffix(rest, ")"))); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(directory, "growth_outputs.svg")); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"results.csv", "captures.csv", "growth.csv"} {
		file, err := os.Open(filepath.Join(directory, name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if rows, err := csv.NewReader(file).ReadAll(); err != nil || len(rows) < 3 {
			t.Errorf("%s has %d rows: %v", name, len(rows), err)
		}
	}
}

func TestJSONOfResults(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Results []struct {
			Name, Status, Reason, Unit, Better string
			Ratio, Low, High                   float64
		}
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	first := read.Results[0]
	if first.Name != "capture_vs_tcpdump" || first.Ratio != 2.5 || first.Low != 2.25 || first.High != 2.75 || first.Better != "higher" {
		t.Errorf("first result is %+v", first)
	}
	names := make([]string, len(read.Results))
	for i, r := range read.Results {
		names[i] = r.Name
		if r.Status != string(Measured) && r.Reason == "" {
			t.Errorf("%s is %s for no reason", r.Name, r.Status)
		}
	}
	if sorted := slices.Sorted(slices.Values(names)); len(slices.Compact(sorted)) != len(names) {
		t.Errorf("a name is there twice: %q", names)
	}
}
