package export

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Metrics is a collector of a daemon's metrics. It keeps no numbers of its own,
// so that metrics and ledger cannot differ.
type Metrics struct {
	source Readings
	build  Build
}

// NewMetrics returns a collector that reads from source.
func NewMetrics(source Readings, build Build) *Metrics { return &Metrics{source, build} }

// descriptions are those of all metrics there are; describe adds to them.
var descriptions []*prometheus.Desc

func describe(name, help string, labels ...string) *prometheus.Desc {
	desc := prometheus.NewDesc("xdpeel_"+name, help, labels, nil)
	descriptions = append(descriptions, desc)
	return desc
}

// sessionLabels name a configured session; VNI and source are its identity there.
var sessionLabels = []string{"session", "vni", "source"}

var (
	receivedPackets = describe("received_packets_total", "Frames that reached the kernel program, counted on their own and not summed.")
	packets         = describe("packets_total", "Frames by what became of them; see docs/ledger.md.", "outcome")

	sessions         = describe("sessions", "Mirror sessions that packets came of.")
	strangers        = describe("unknown_sessions", "Mirror sessions that are not configured, or whose source is denied, of those seen last.")
	sessionPackets   = describe("session_packets_total", "Packets of a configured session: delivered, filtered or sampled out.", sessionLabels...)
	sessionBytes     = describe("session_bytes_total", "Bytes of inner frames of a configured session, as they arrived.", sessionLabels...)
	sessionTruncated = describe("session_truncated_packets_total", "Packets that the mirror session had cut.", sessionLabels...)
	sessionFiltered  = describe("session_filtered_packets_total", "Packets that the session's filter did not take.", sessionLabels...)
	sessionSampled   = describe("session_sampled_out_packets_total", "Packets that the session's sampling left out.", sessionLabels...)
	sessionLost      = describe("session_lost_packets_total", "Packets that did not reach user space.", sessionLabels...)

	outputOffered = describe("output_offered_packets_total", "Packets that sessions sent to an output.", "output")
	outputPackets = describe("output_packets_total", "Packets that an output delivered.", "output")
	outputLost    = describe("output_lost_packets_total", "Packets that an output was offered and did not deliver, by why.", "output", "reason")
	outputFailing = describe("output_failing", "Whether an output takes no packets.", "output")
	outputBehind  = describe("output_backlog_packets", "Packets in the backlog that an output has yet to go through, its own and others'.", "output")
	outputWrites  = describe("output_write_duration_seconds", "How long an output took to write its part of a batch.", "output")

	outputFiles    = describe("output_files_total", "Files of an output by what became of them.", "output", "fate")
	uploadedFiles  = describe("output_uploaded_files_total", "Files of an output that the store has taken.", "output")
	uploadedBytes  = describe("output_uploaded_bytes_total", "Bytes of files that the store has taken.", "output")
	uploadFailures = describe("output_upload_failures_total", "Attempts to upload a file that failed.", "output")
	uploadDropped  = describe("output_upload_dropped_files_total", "Files that were deleted before the store had them.", "output")
	uploadWaiting  = describe("output_upload_waiting_files", "Files that the store does not have.", "output")
	uploadBacklog  = describe("output_upload_waiting_bytes", "Bytes of files that the store does not have.", "output")

	ringUsed = describe("ring_used_bytes", "What a CPU's ring and its spill hold that was not read yet.", "cpu")
	ringSize = describe("ring_size_bytes", "What a CPU's ring and its spill can hold.", "cpu")

	attached          = describe("attached", "Whether the kernel program is on its interface.", "interface", "mode")
	interfaceDropped  = describe("interface_dropped_packets_total", "Packets that the card had no room for, since its driver was loaded.", "interface", "counter")
	allowanceExceeded = describe("interface_allowance_exceeded_packets_total", "Packets beyond what AWS allows the instance, since its driver was loaded.", "interface", "allowance")

	ready      = describe("ready", "Whether the program is on every interface and every output takes packets.")
	draining   = describe("draining", "Whether xdpeel was told to end, and waits for the load balancer to move on.")
	helper     = describe("helper_running", "Whether the helper is there, without which no reload succeeds and no veth is made anew.")
	reloadOK   = describe("config_last_reload_successful", "Whether the configuration that was read last is in effect.")
	reloadTime = describe("config_last_reload_success_timestamp_seconds", "When the configuration in effect was read.")
	startTime  = describe("start_time_seconds", "When xdpeel was started, since the Unix epoch.")
	buildInfo  = describe("build_info", "Always 1; which build this is.", "version", "revision", "goversion")
)

// Describe sends what the collector collects, whatever its source says.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range descriptions {
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
	collectSessions(to, r)
	for name, account := range r.Ledger.Outputs {
		collectAccount(to, name, account)
	}
	for name, output := range r.Outputs {
		collectOutput(to, name, output)
	}
	for cpu, ring := range r.Rings {
		gauge(to, ringUsed, float64(ring.Used), strconv.Itoa(cpu))
		gauge(to, ringSize, float64(ring.Size), strconv.Itoa(cpu))
	}
	for _, i := range r.Interfaces {
		collectInterface(to, i)
	}
	gauge(to, ready, oneIf(r.Ready))
	gauge(to, draining, oneIf(r.Draining))
	gauge(to, helper, oneIf(r.Helper))
	gauge(to, reloadOK, oneIf(r.LastReload))
	gauge(to, reloadTime, seconds(r.LastSuccess))
	gauge(to, startTime, seconds(r.Started))
	gauge(to, buildInfo, 1, m.build.Version, m.build.Revision, m.build.GoVersion)
}

// maxSessions is how many configured sessions have series of their own. All later
// ones of the configuration share series.
const maxSessions = 1000

// What the label "vni" says of series that are of no one session.
const (
	anyVNI     = "any"    // of the default session
	othersVNI  = "others" // of the sessions beyond maxSessions
	noSessions = "none"   // of none that is configured now, or that had no room in the kernel's table
)

// collectSessions sums the accounts by configured sessions, so that who mirrors
// cannot make series.
func collectSessions(to chan<- prometheus.Metric, r *Reading) {
	gauge(to, sessions, float64(len(r.Ledger.Sessions)))
	gauge(to, strangers, float64(len(r.Ledger.Strangers)))
	totals, stray := r.Ledger.Totals(r.Policy)
	var others mirror.SessionAccount
	for i := range totals {
		if i >= maxSessions {
			others.Add(totals[i])
			continue
		}
		s := &r.Policy.Sessions[i]
		vni, source := strconv.FormatUint(uint64(s.VNI), 10), ""
		if s.AnyVNI {
			vni = anyVNI
		}
		if s.Source.IsValid() {
			source = s.Source.String()
		}
		collectSession(to, totals[i], s.Name, vni, source)
	}
	collectSession(to, others, "", othersVNI, "")
	collectSession(to, stray, "", noSessions, "")
}

func collectSession(to chan<- prometheus.Metric, account mirror.SessionAccount, labels ...string) {
	counter(to, sessionPackets, account.Packets, labels...)
	counter(to, sessionBytes, account.Bytes, labels...)
	counter(to, sessionTruncated, account.Truncated, labels...)
	counter(to, sessionFiltered, account.Filtered, labels...)
	counter(to, sessionSampled, account.SampledOut, labels...)
	counter(to, sessionLost, account.Lost, labels...)
}

// collectAccount sends a zero for each reason that has not occurred yet, since a
// rate begins with the second sample.
func collectAccount(to chan<- prometheus.Metric, name string, account *mirror.OutputAccount) {
	counter(to, outputOffered, account.Offered, name)
	counter(to, outputPackets, account.Delivered, name)
	lost := make(map[mirror.Loss]uint64)
	for _, reason := range mirror.Losses() {
		lost[reason] = 0
	}
	for reason, n := range account.Lost {
		lost[reason] = n
	}
	for reason, n := range lost {
		counter(to, outputLost, n, name, string(reason))
	}
}

func collectOutput(to chan<- prometheus.Metric, name string, o OutputReading) {
	gauge(to, outputFailing, oneIf(o.Failing), name)
	gauge(to, outputBehind, float64(o.Behind), name)
	to <- prometheus.MustNewConstHistogram(outputWrites, o.Writes.Count, o.Writes.Sum.Seconds(), o.Writes.buckets(), name)
	if o.Files != nil {
		collectFiles(to, name, o.Files)
	}
}

func collectFiles(to chan<- prometheus.Metric, name string, files *FilesReading) {
	counter(to, outputFiles, files.Complete, name, "complete")
	counter(to, outputFiles, files.Recovered, name, "recovered")
	counter(to, outputFiles, files.Damaged, name, "damaged")
	counter(to, outputFiles, files.Deleted, name, "deleted")
	counter(to, outputFiles, files.CommandsFailed, name, "command_failed")
	uploads := files.Uploads
	if uploads == nil {
		return
	}
	counter(to, uploadedFiles, uploads.Uploaded, name)
	counter(to, uploadedBytes, uploads.UploadedBytes, name)
	counter(to, uploadFailures, uploads.Failures, name)
	counter(to, uploadDropped, uploads.Dropped, name)
	gauge(to, uploadWaiting, float64(uploads.Waiting), name)
	gauge(to, uploadBacklog, float64(uploads.WaitingBytes), name)
}

func collectInterface(to chan<- prometheus.Metric, i InterfaceReading) {
	gauge(to, attached, oneIf(i.Attached), i.Name, i.Mode)
	for name, n := range i.Dropped {
		counter(to, interfaceDropped, n, i.Name, name)
	}
	for name, n := range i.Allowances {
		counter(to, allowanceExceeded, n, i.Name, name)
	}
}

func counter(to chan<- prometheus.Metric, desc *prometheus.Desc, n uint64, labels ...string) {
	to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
}

func gauge(to chan<- prometheus.Metric, desc *prometheus.Desc, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
