package main

import (
	"math"
	"slices"
)

// Quartiles are of a sample, by linear interpolation between its values.
type Quartiles struct {
	Low    float64 `json:"low"`
	Median float64 `json:"median"`
	High   float64 `json:"high"`
}

// quartiles returns those of values, all NaN if there are none.
func quartiles(values []float64) Quartiles {
	sorted := slices.Sorted(slices.Values(values))
	return Quartiles{quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)}
}

func quantile(sorted []float64, part float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	position := part * float64(len(sorted)-1)
	below := int(position)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	return sorted[below] + (position-float64(below))*(sorted[below+1]-sorted[below])
}

func median(values []float64) float64 { return quartiles(values).Median }

// ratios divides pair by pair; a pair with a zero or no partner is left out.
func ratios(a, b []float64) (divided []float64) {
	for i := range min(len(a), len(b)) {
		if a[i] > 0 && b[i] > 0 {
			divided = append(divided, a[i]/b[i])
		}
	}
	return divided
}

// line fits y = constant + slope * x by least squares; x must not all be the same.
func line(x, y []float64) (constant, slope float64) {
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx += x[i]
		sy += y[i]
		sxx += x[i] * x[i]
		sxy += x[i] * y[i]
	}
	n := float64(len(x))
	slope = (n*sxy - sx*sy) / (n*sxx - sx*sx)
	return (sy - slope*sx) / n, slope
}
