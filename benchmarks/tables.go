package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"time"
)

// captureKey is what the measurements of one row of the report have in common.
type captureKey struct {
	contender string
	mix       string
	loss      float64
}

// writeCaptureTable writes the rates and what they cost, over all rounds.
func writeCaptureTable(b *bytes.Buffer, measurements []Measurement) {
	if len(measurements) == 0 {
		return
	}
	rows := make(map[captureKey][]Measurement)
	var order []captureKey
	for _, m := range measurements {
		key := captureKey{m.Contender, m.Mix, m.Loss}
		if rows[key] == nil {
			order = append(order, key)
		}
		rows[key] = append(rows[key], m)
	}
	b.WriteString("\n## Captures to a file\n\nMedians over the rounds; CPU time is of the last trial that passed.\n\n" +
		"| contender | bytes | loss allowed | packets/s | quartiles | kernel ns/packet | process ns/packet | rounds |\n" +
		"|---|---:|---:|---:|---|---:|---:|---:|\n")
	for _, key := range order {
		var rates, kernel, process []float64
		for _, m := range rows[key] {
			rates = append(rates, m.Found.Rate)
			if n := float64(m.At.Received); n > 0 {
				kernel = append(kernel, float64(m.At.Kernel.Nanoseconds())/n)
				process = append(process, float64(m.At.Process.Nanoseconds())/n)
			}
		}
		q := quartiles(rates)
		fmt.Fprintf(b, "| %s | %s | %g %% | %.0f | %.0f to %.0f | %.0f | %.0f | %d |\n", key.contender, key.mix, 100*key.loss,
			q.Median, q.Low, q.High, median(kernel), median(process), len(rows[key]))
	}
}

func writeStageTable(b *bytes.Buffer, costs []StageCost) {
	if len(costs) == 0 {
		return
	}
	b.WriteString("\n## The program, stage by stage\n\nNanoseconds a packet, of packets with random addresses, with 1,000 rules and\n" +
		"sampling by flow. Harness is what live frames cost with a program that drops\n" +
		"them; each other line is what its stage adds.\n\n| stage | bytes | median | quartiles |\n|---|---:|---:|---|\n")
	for _, c := range costs {
		fmt.Fprintf(b, "| %s | %d | %.1f | %.1f to %.1f |\n", c.Stage, c.Size, c.Costs.Median, c.Costs.Low, c.Costs.High)
	}
}

func resultsCSV(results []Result) []byte {
	rows := [][]string{{"name", "status", "median", "low", "high", "unit", "better", "pairs", "reason"}}
	for _, r := range results {
		row := []string{r.Name, string(r.Status), "", "", "", r.Unit, string(r.Better), "", r.Reason}
		if r.Status == Measured {
			row[2], row[3], row[4] = number(r.Ratio.Median), number(r.Ratio.Low), number(r.Ratio.High)
			row[7] = strconv.Itoa(r.Pairs)
		}
		rows = append(rows, row)
	}
	return csvOf(rows)
}

func capturesCSV(measurements []Measurement) []byte {
	rows := [][]string{{"contender", "bytes", "loss_allowed", "round", "packets_per_second", "trials", "confirmed", "generator_was_limit",
		"sent", "received", "wall_seconds", "drain_seconds", "kernel_cpu_seconds", "process_cpu_seconds", "resident_bytes", "map_bytes"}}
	seconds := func(d time.Duration) string { return number(d.Seconds()) }
	for _, m := range measurements {
		rows = append(rows, []string{m.Contender, m.Mix, number(m.Loss), strconv.Itoa(m.Round), number(m.Found.Rate),
			strconv.Itoa(m.Found.Trials), strconv.FormatBool(m.Found.Confirmed), strconv.FormatBool(m.Found.Saturated),
			strconv.FormatUint(m.At.Sent, 10), strconv.FormatUint(m.At.Received, 10), seconds(m.At.Wall), seconds(m.At.Drain),
			seconds(m.At.Kernel), seconds(m.At.Process),
			strconv.FormatInt(m.At.Memory.Resident, 10), strconv.FormatInt(m.At.Memory.Maps, 10)})
	}
	return csvOf(rows)
}

func growthCSV(points []GrowthPoint) []byte {
	rows := [][]string{{"scale", "at", "kernel_ns", "kernel_low", "kernel_high", "process_ns", "process_low", "process_high", "resident_bytes", "map_bytes", "policy_bytes"}}
	for _, p := range points {
		rows = append(rows, []string{p.Scale, strconv.Itoa(p.At),
			number(p.Kernel.Median), number(p.Kernel.Low), number(p.Kernel.High),
			number(p.Process.Median), number(p.Process.Low), number(p.Process.High),
			strconv.FormatInt(p.Memory.Resident, 10), strconv.FormatInt(p.Memory.Maps, 10), strconv.FormatInt(p.Policy, 10)})
	}
	return csvOf(rows)
}

func number(value float64) string { return strconv.FormatFloat(value, 'g', 6, 64) }

func csvOf(rows [][]string) []byte {
	var b bytes.Buffer
	_ = csv.NewWriter(&b).WriteAll(rows) // a buffer takes everything
	return b.Bytes()
}
