package main

import (
	"encoding/json"
	"math"
)

// Status says how a result came about.
type Status string

// The statuses.
const (
	Measured Status = "measured"
	NotRun   Status = "not run" // the other program, or the machine, cannot
)

// Better says which side of 1 a ratio, or of a target a value, is the good one.
type Better string

// The directions.
const (
	Higher Better = "higher"
	Lower  Better = "lower"
)

// Result is one comparison, or one figure that has a target of its own.
type Result struct {
	Name   string
	Status Status
	Reason string // why there is no figure
	Ratio  Quartiles
	Unit   string // of the ratio
	Better Better
	Pairs  int                // measurements of each side, in alternation
	Values map[string]float64 // medians behind the ratio, by "what_unit"
}

// compare makes a result of alternating measurements of both sides.
func compare(name, unit string, better Better, subject, other []float64) Result {
	pairs := ratios(subject, other)
	if len(pairs) == 0 {
		return unmeasured(name, "no pair of measurements came about")
	}
	return Result{Name: name, Status: Measured, Ratio: quartiles(pairs), Unit: unit, Better: better, Pairs: len(pairs)}
}

// figure makes a result of measurements that stand for themselves.
func figure(name, unit string, better Better, values []float64) Result {
	return Result{Name: name, Status: Measured, Ratio: quartiles(values), Unit: unit, Better: better, Pairs: len(values)}
}

func unmeasured(name, reason string) Result {
	return Result{Name: name, Status: NotRun, Reason: reason}
}

// with adds a value behind the ratio.
func (r Result) with(name string, value float64) Result {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return r
	}
	if r.Values == nil {
		r.Values = make(map[string]float64)
	}
	r.Values[name] = value
	return r
}

// MarshalJSON leaves out what has no figure.
func (r Result) MarshalJSON() ([]byte, error) {
	if r.Status != Measured {
		return json.Marshal(struct {
			Name   string `json:"name"`
			Status Status `json:"status"`
			Reason string `json:"reason"`
		}{r.Name, r.Status, r.Reason})
	}
	return json.Marshal(struct {
		Name   string             `json:"name"`
		Status Status             `json:"status"`
		Ratio  float64            `json:"ratio"`
		Low    float64            `json:"low"`
		High   float64            `json:"high"`
		Unit   string             `json:"unit"`
		Better Better             `json:"better"`
		Pairs  int                `json:"pairs"`
		Values map[string]float64 `json:"values,omitempty"`
	}{r.Name, r.Status, r.Ratio.Median, r.Ratio.Low, r.Ratio.High, r.Unit, r.Better, r.Pairs, r.Values})
}
