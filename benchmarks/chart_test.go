package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// elements reads an SVG document, which must be well-formed, and counts its elements.
func elements(t *testing.T, svg []byte) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return counts
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if start, ok := token.(xml.StartElement); ok {
			counts[start.Name.Local]++
		}
	}
}

func TestLinesPlaceTheirPoints(t *testing.T) {
	t.Parallel()
	chart := Lines{
		Title: "a < b & c", XLabel: "sessions", YLabel: "ns", LogX: true,
		Series: []Series{
			{Name: "kernel", X: []float64{1, 100, 10_000}, Y: []Quartiles{{0, 0, 0}, {45, 50, 55}, {100, 100, 100}}},
			{Name: "process", X: []float64{1}, Y: []Quartiles{{10, 20, 30}}},
		},
	}
	svg := chart.SVG()
	counts := elements(t, svg)
	if counts["polyline"] != 2 || counts["circle"] != 4 {
		t.Errorf("%d lines and %d points", counts["polyline"], counts["circle"])
	}
	// From the lower left, half way on both axes, to the upper right of 0 to 100.
	for _, want := range []string{`points="90.0,300.0 345.0,172.0 600.0,44.0 "`, "a &lt; b &amp; c", ">10k<", ">process<"} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
}

func TestBarsReachTheirValues(t *testing.T) {
	t.Parallel()
	svg := Bars{Title: "rates", YLabel: "packets/s", Bars: []Bar{
		{"xdpeel", Quartiles{900e3, 1e6, 1e6}}, {"below zero", Quartiles{-5, -1, 0}},
	}}.SVG()
	elements(t, svg)
	for _, want := range []string{`y="44.0" width="165.0" height="256.0"`, `height="0.0"`, ">1M<"} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
}

func TestChartsOfNothing(t *testing.T) {
	t.Parallel()
	elements(t, Bars{Title: "none"}.SVG())
	elements(t, Lines{Title: "none"}.SVG())
}

func TestNiceAbove(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]float64{0: 1, 0.3: 0.5, 1: 1, 2.2: 2.5, 26: 50, 51: 100, 1.3e6: 2e6} {
		if got := niceAbove(value); got != want {
			t.Errorf("above %v is %v, want %v", value, got, want)
		}
	}
}
