package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// writeReport writes the raw results, the charts and the report that shows them.
func writeReport(directory string, o *output, raw []byte) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	files := map[string][]byte{
		"results.json": raw, "results.csv": resultsCSV(o.Results),
		"captures.csv": capturesCSV(o.Captures), "growth.csv": growthCSV(o.Growth),
	}
	charts := chartsOf(o)
	for _, chart := range charts {
		files[chart.file] = chart.svg
	}
	manual, err := filepath.Rel(directory, "docs/benchmarks.md")
	if err != nil {
		manual = "docs/benchmarks.md"
	}
	files["report.md"] = reportText(o, charts, manual)
	var errs []error
	for name, content := range files {
		errs = append(errs, os.WriteFile(filepath.Join(directory, name), content, 0o644))
	}
	return errors.Join(errs...)
}

// chartFile is a chart on disk.
type chartFile struct {
	file, title string
	svg         []byte
}

func chartsOf(o *output) (charts []chartFile) {
	for _, mix := range captureMixes {
		title := fmt.Sprintf("Highest rate without loss, %s", mix)
		bars := captureBars(o.Captures, mix)
		if len(bars) > 0 {
			charts = append(charts, chartFile{fmt.Sprintf("capture_%s.svg", mix.Name), title,
				Bars{Title: title, YLabel: "packets/s to a file", Bars: bars}.SVG()})
		}
	}
	charts = append(charts, stageCharts(o.Stages)...)
	for _, scale := range []struct{ name, label string }{
		{"rules", "rules"}, {"sessions", "sessions"}, {"flows", "flows"}, {"bytes", "bytes of the inner frame"}, {"cpus", "CPUs at once"},
		{"outputs", "outputs, each of which takes every packet"},
	} {
		charts = append(charts, growthCharts(o.Growth, scale.name, scale.label)...)
	}
	return charts
}

// captureBars returns the rates without loss, a bar for each contender.
func captureBars(measurements []Measurement, mix Mix) (bars []Bar) {
	rates := make(map[string][]float64)
	var order []string
	for _, m := range measurements {
		if m.Mix != mix.Name || m.Loss > 0 {
			continue
		}
		if rates[m.Contender] == nil {
			order = append(order, m.Contender)
		}
		rates[m.Contender] = append(rates[m.Contender], m.Found.Rate)
	}
	for _, name := range order {
		bars = append(bars, Bar{name, quartiles(rates[name])})
	}
	return bars
}

// stageCharts returns a chart of the stages for each size.
func stageCharts(costs []StageCost) (charts []chartFile) {
	bars := make(map[int][]Bar)
	for _, c := range costs {
		bars[c.Size] = append(bars[c.Size], Bar{c.Stage, c.Costs})
	}
	for _, size := range slices.Sorted(maps.Keys(bars)) {
		title := fmt.Sprintf("Where the time goes in the program, packets of %d bytes", size)
		charts = append(charts, chartFile{fmt.Sprintf("stages_%d.svg", size), title,
			Bars{Title: title, YLabel: "nanoseconds", Bars: bars[size]}.SVG()})
	}
	return charts
}

// growthCharts returns charts of the cost and, where it was measured, the memory.
func growthCharts(points []GrowthPoint, scale, label string) (charts []chartFile) {
	kernel, process := Series{Name: "kernel"}, Series{Name: "process"}
	resident, maps, policy := Series{Name: "resident"}, Series{Name: "BPF maps"}, Series{Name: "policy"}
	for _, p := range points {
		if p.Scale != scale {
			continue
		}
		add := func(s *Series, y Quartiles) { s.X, s.Y = append(s.X, float64(p.At)), append(s.Y, y) }
		add(&kernel, p.Kernel)
		mebibytes := func(n int64) Quartiles { m := float64(n) / (1 << 20); return Quartiles{m, m, m} }
		if p.Policy > 0 {
			add(&policy, mebibytes(p.Policy))
		}
		if p.Memory.Resident > 0 {
			add(&process, p.Process)
			add(&resident, mebibytes(p.Memory.Resident))
			add(&maps, mebibytes(p.Memory.Maps))
		}
	}
	if len(kernel.X) == 0 {
		return nil
	}
	chart := Lines{Title: "Cost of a packet against " + label, XLabel: label, YLabel: "ns of CPU a packet",
		LogX: scale != "bytes", Series: []Series{kernel}}
	if len(process.X) > 0 {
		chart.Series = append(chart.Series, process)
	}
	charts = append(charts, chartFile{"growth_" + scale + ".svg", chart.Title, chart.SVG()})
	chart = Lines{Title: "Memory against " + label, XLabel: label, YLabel: "MiB", LogX: scale != "bytes"}
	for _, series := range []Series{resident, maps, policy} {
		if len(series.X) > 0 {
			chart.Series = append(chart.Series, series)
		}
	}
	if len(chart.Series) > 0 {
		charts = append(charts, chartFile{"memory_" + scale + ".svg", chart.Title, chart.SVG()})
	}
	return charts
}

// reportText writes the report in Markdown. manual is where docs/benchmarks.md is from there.
func reportText(o *output, charts []chartFile, manual string) []byte {
	var b bytes.Buffer
	m := o.Machine
	fmt.Fprintf(&b, "# Benchmark report\n\nMade by `%s`, which took %.0f s. What is measured and how to read it is in\n"+
		"[docs/benchmarks.md](%s).\n\n", strings.TrimSpace(m.Command), o.Took, manual)
	fmt.Fprintf(&b, "| | |\n|---|---|\n| when | %s |\n| commit | %s |\n| kernel | Linux %s |\n| CPU | %d x %s |\n| memory | %.1f GiB |\n| load before | %s |\n",
		m.Time.Format("2006-01-02 15:04 MST"), m.Commit, m.Kernel, m.CPUs, m.CPU, float64(m.Memory)/(1<<30), m.Load)
	writeDisturbance(&b, "before", m.Before)
	writeDisturbance(&b, "after", m.After)
	fmt.Fprintf(&b, "| Go | %s |\n", m.Go)
	for _, program := range slices.Sorted(maps.Keys(m.Programs)) {
		fmt.Fprintf(&b, "| %s | %s |\n", program, cmp.Or(m.Programs[program], "not installed"))
	}
	b.WriteString("\n## Results\n\n| name | median | quartiles | unit | better | pairs |\n|---|---:|---|---|---|---:|\n")
	for _, r := range o.Results {
		if r.Status == Measured {
			fmt.Fprintf(&b, "| `%s` | %.3g | %.3g to %.3g | %s | %s | %d |\n", r.Name, r.Ratio.Median, r.Ratio.Low, r.Ratio.High, r.Unit, r.Better, r.Pairs)
		}
	}
	b.WriteString("\n## Not measured\n\n| name | | why |\n|---|---|---|\n")
	for _, r := range o.Results {
		if r.Status != Measured {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Name, r.Status, r.Reason)
		}
	}
	writeCaptureTable(&b, o.Captures)
	writeStageTable(&b, o.Stages)
	b.WriteString("\n## Charts\n")
	for _, chart := range charts {
		fmt.Fprintf(&b, "\n![%s](%s)\n", chart.title, chart.file)
	}
	return b.Bytes()
}

func writeDisturbance(b *bytes.Buffer, when string, d Disturbance) {
	fmt.Fprintf(b, "| lost to others %s | %.1f %% of the generator's CPU, %.1f %% of the receiver's; `dd` %.2f ns a byte |\n",
		when, d.GeneratorLost, d.ReceiverLost, d.DD)
}
