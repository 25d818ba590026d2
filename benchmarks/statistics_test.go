package main

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQuartiles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		values []float64
		want   Quartiles
	}{
		{"one", []float64{3}, Quartiles{3, 3, 3}},
		{"two", []float64{2, 1}, Quartiles{1.25, 1.5, 1.75}},
		{"five, out of order", []float64{5, 1, 4, 2, 3}, Quartiles{2, 3, 4}},
		{"one far out", []float64{1, 1, 1, 1, 1000}, Quartiles{1, 1, 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, quartiles(test.values)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if !math.IsNaN(quartiles(nil).Median) {
		t.Error("the median of nothing is a number")
	}
}

func TestRatios(t *testing.T) {
	t.Parallel()
	got := ratios([]float64{4, 0, 9, 5, 7}, []float64{2, 1, 3, 0})
	if diff := cmp.Diff([]float64{2, 3}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	constant, slope := line([]float64{64, 512, 1450}, []float64{50 + 6.4, 50 + 51.2, 50 + 145})
	if math.Abs(constant-50) > 1e-9 || math.Abs(slope-0.1) > 1e-9 {
		t.Errorf("line is %v + %v x", constant, slope)
	}
}
