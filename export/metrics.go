package export

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Readings is where Metrics gets its numbers, anew at each scrape.
type Readings interface {
	Reading() (*Reading, error)
}

// Reading is what a daemon knows of itself at one time.
type Reading struct {
	Ledger      *mirror.Ledger
	Interfaces  []InterfaceReading
	LastReload  bool      // the configuration that was read last is in effect
	LastSuccess time.Time // when the one in effect was read
}

// InterfaceReading is an interface that the kernel program should be on.
type InterfaceReading struct {
	Name     string
	Mode     string // "native" or "generic"; of one that is not attached, the one wished for
	Attached bool
}

// Build is what the metric xdpeel_build_info tells.
type Build struct{ Version, Revision, GoVersion string }

// Metrics is a collector of a daemon's metrics. It keeps no numbers of its own,
// so that metrics and ledger cannot differ.
type Metrics struct {
	source Readings
	build  Build
}

// NewMetrics returns a collector that reads from source.
func NewMetrics(source Readings, build Build) *Metrics { return &Metrics{source, build} }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("xdpeel_"+name, help, labels, nil)
}

var (
	receivedPackets = describe("received_packets_total", "Frames that reached the kernel program, counted on their own and not summed.")
	packets         = describe("packets_total", "Frames by what became of them; see docs/ledger.md.", "outcome")
	sessions        = describe("sessions", "Mirror sessions that packets came of.")
	outputOffered   = describe("output_offered_packets_total", "Packets that sessions sent to an output.", "output")
	outputPackets   = describe("output_packets_total", "Packets that an output delivered.", "output")
	outputLost      = describe("output_lost_packets_total", "Packets that an output was offered and did not deliver, by why.", "output", "reason")
	attached        = describe("attached", "Whether the kernel program is on its interface.", "interface", "mode")
	reloadOK        = describe("config_last_reload_successful", "Whether the configuration that was read last is in effect.")
	reloadTime      = describe("config_last_reload_success_timestamp_seconds", "When the configuration in effect was read.")
	buildInfo       = describe("build_info", "Always 1; which build this is.", "version", "revision", "goversion")
)

// Describe sends what the collector collects, whatever its source says.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		receivedPackets, packets, sessions, outputOffered, outputPackets, outputLost, attached, reloadOK, reloadTime, buildInfo,
	} {
		to <- desc
	}
}

// Collect reads the source once. A reading that fails fails the scrape.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	r, err := m.source.Reading()
	if err != nil {
		to <- prometheus.NewInvalidMetric(receivedPackets, err)
		return
	}
	counter(to, receivedPackets, r.Ledger.Received)
	for outcome, n := range r.Ledger.Outcomes {
		counter(to, packets, n, abi.Outcome(outcome).String())
	}
	gauge(to, sessions, float64(len(r.Ledger.Sessions)))
	for name, account := range r.Ledger.Outputs {
		collectOutput(to, name, account)
	}
	for _, i := range r.Interfaces {
		gauge(to, attached, oneIf(i.Attached), i.Name, i.Mode)
	}
	gauge(to, reloadOK, oneIf(r.LastReload))
	gauge(to, reloadTime, float64(r.LastSuccess.UnixMilli())/1e3)
	gauge(to, buildInfo, 1, m.build.Version, m.build.Revision, m.build.GoVersion)
}

// collectOutput sends a zero for each reason that has not occurred yet, since a
// rate begins with the second sample.
func collectOutput(to chan<- prometheus.Metric, name string, account *mirror.OutputAccount) {
	counter(to, outputOffered, account.Offered, name)
	counter(to, outputPackets, account.Delivered, name)
	lost := map[mirror.Loss]uint64{mirror.LossDiskFull: 0, mirror.LossWriteError: 0, mirror.LossSampledOut: 0, mirror.LossQueueFull: 0}
	for reason := range abi.RingLossMax {
		lost[mirror.Loss(reason.String())] = 0
	}
	for reason, n := range account.Lost {
		lost[reason] = n
	}
	for reason, n := range lost {
		counter(to, outputLost, n, name, string(reason))
	}
}

func counter(to chan<- prometheus.Metric, desc *prometheus.Desc, n uint64, labels ...string) {
	to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
}

func gauge(to chan<- prometheus.Metric, desc *prometheus.Desc, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
