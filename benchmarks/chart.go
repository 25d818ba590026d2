package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
)

// A chart's size and the plot's place in it, in pixels.
const (
	chartWidth, chartHeight = 640, 360
	plotLeft, plotRight     = 70, 620
	plotTop, plotBottom     = 44, 300
)

// palette tells series apart, also for those who confuse red and green.
var palette = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"}

// Lines is a chart of values over a scale.
type Lines struct {
	Title, XLabel, YLabel string
	LogX                  bool // each step on the scale is a factor; it must be above 0
	Series                []Series
}

// Series is one line.
type Series struct {
	Name string
	X    []float64
	Y    []Quartiles
}

// SVG returns the chart as an SVG document.
func (l Lines) SVG() []byte {
	first, last, top := math.Inf(1), math.Inf(-1), 0.0
	for _, series := range l.Series {
		for i, x := range series.X {
			first, last = min(first, l.scale(x)), max(last, l.scale(x))
			top = max(top, series.Y[i].High)
		}
	}
	d := newDrawing(l.Title, niceAbove(top))
	d.text(plotLeft, plotTop-8, "start", l.YLabel)
	d.text((plotLeft+plotRight)/2, plotBottom+34, "middle", l.XLabel)
	place := func(x float64) float64 {
		if last == first {
			return (plotLeft + plotRight) / 2
		}
		return plotLeft + 20 + (l.scale(x)-first)/(last-first)*(plotRight-plotLeft-40)
	}
	labelled := make(map[float64]bool)
	for n, series := range l.Series {
		d.series(n, series, place)
		for _, x := range series.X {
			if !labelled[x] {
				labelled[x] = true
				d.text(place(x), plotBottom+16, "middle", short(x))
			}
		}
	}
	return d.end()
}

func (l Lines) scale(x float64) float64 {
	if l.LogX {
		return math.Log10(x)
	}
	return x
}

// Bars is a chart of values side by side, each with its quartiles.
type Bars struct {
	Title, YLabel string
	Bars          []Bar
}

// Bar is one value.
type Bar struct {
	Label string
	Value Quartiles
}

// SVG returns the chart as an SVG document.
func (b Bars) SVG() []byte {
	top := 0.0
	for _, bar := range b.Bars {
		top = max(top, bar.Value.High)
	}
	d := newDrawing(b.Title, niceAbove(top))
	d.text(plotLeft, plotTop-8, "start", b.YLabel)
	step := float64(plotRight-plotLeft) / float64(max(len(b.Bars), 1))
	for i, bar := range b.Bars {
		middle := plotLeft + (float64(i)+0.5)*step
		y := d.y(max(bar.Value.Median, 0))
		fmt.Fprintf(&d.buffer, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n",
			middle-step*0.3, y, step*0.6, plotBottom-y, palette[i%len(palette)])
		d.whisker(middle, bar.Value, "#333333")
		d.text(middle, plotBottom+16, "middle", bar.Label)
		d.text(middle, plotBottom+32, "middle", short(bar.Value.Median))
	}
	return d.end()
}

// drawing is an SVG document under way.
type drawing struct {
	buffer bytes.Buffer
	top    float64 // value at the plot's upper edge; 0 is at the lower one
}

// newDrawing begins a chart with its title and horizontal lines up to top.
func newDrawing(title string, top float64) *drawing {
	d := &drawing{top: top}
	fmt.Fprintf(&d.buffer, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" `+
		`font-family="sans-serif" font-size="12" fill="#222222">`+"\n", chartWidth, chartHeight)
	fmt.Fprintf(&d.buffer, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", chartWidth, chartHeight)
	fmt.Fprintf(&d.buffer, `<text x="%d" y="18" font-size="14" font-weight="bold">%s</text>`+"\n", plotLeft, escape(title))
	for i := range 6 {
		value := top * float64(i) / 5
		y := d.y(value)
		fmt.Fprintf(&d.buffer, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1[2]f" stroke="#dddddd"/>`+"\n", plotLeft, y, plotRight)
		d.text(plotLeft-6, y+4, "end", short(value))
	}
	return d
}

// y returns the place of a value.
func (d *drawing) y(value float64) float64 { return plotBottom - value/d.top*(plotBottom-plotTop) }

func (d *drawing) text(x, y float64, anchor, text string) {
	fmt.Fprintf(&d.buffer, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, escape(text))
}

// whisker draws the quartiles of a value.
func (d *drawing) whisker(x float64, value Quartiles, colour string) {
	fmt.Fprintf(&d.buffer, `<line x1="%.1[1]f" y1="%.1[2]f" x2="%.1[1]f" y2="%.1[3]f" stroke="%[4]s" stroke-width="2"/>`+"\n",
		x, d.y(max(value.Low, 0)), d.y(max(value.High, 0)), colour)
}

// series draws a line, its points and its entry in the legend.
func (d *drawing) series(n int, series Series, place func(float64) float64) {
	colour := palette[n%len(palette)]
	fmt.Fprintf(&d.buffer, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, colour)
	for i, x := range series.X {
		fmt.Fprintf(&d.buffer, "%.1f,%.1f ", place(x), d.y(series.Y[i].Median))
	}
	d.buffer.WriteString(`"/>` + "\n")
	for i, x := range series.X {
		fmt.Fprintf(&d.buffer, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`+"\n", place(x), d.y(series.Y[i].Median), colour)
		d.whisker(place(x), series.Y[i], colour)
	}
	left := float64(plotLeft + 150*n)
	fmt.Fprintf(&d.buffer, `<rect x="%.1f" y="%d" width="12" height="12" fill="%s"/>`+"\n", left, chartHeight-18, colour)
	d.text(left+18, chartHeight-8, "start", series.Name)
}

func (d *drawing) end() []byte {
	d.buffer.WriteString("</svg>\n")
	return d.buffer.Bytes()
}

func escape(text string) string {
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(text)) // a buffer takes everything
	return escaped.String()
}

// niceAbove returns the least of 1, 2, 2.5 and 5 times a power of ten that is
// not below value.
func niceAbove(value float64) float64 {
	if value <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(value)))
	for _, factor := range []float64{1, 2, 2.5, 5} {
		if factor*power >= value {
			return factor * power
		}
	}
	return 10 * power
}

// short writes a number in few characters: 1.5M, 20k, 0.25.
func short(value float64) string {
	switch magnitude := math.Abs(value); {
	case magnitude >= 1e6:
		return strconv.FormatFloat(value/1e6, 'g', 3, 64) + "M"
	case magnitude >= 1e4:
		return strconv.FormatFloat(value/1e3, 'g', 3, 64) + "k"
	case magnitude >= 100:
		return strconv.FormatFloat(value, 'f', 0, 64)
	}
	return strconv.FormatFloat(value, 'g', 3, 64)
}
