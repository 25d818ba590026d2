package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Counters are what an interface has dropped before the program saw it. Counts
// begin with the driver, not with xdpeel.
type Counters struct {
	Dropped    map[string]uint64 // packets, by the driver's own name of the counter; none counts what another counts
	Allowances map[string]uint64 // packets beyond what the instance's size allows, by "bw_in", "pps", ...; ENA's alone
}

// droppedCounters are the counters of drivers that tell packets which came to the
// card and did not come to the kernel for want of room, as `ethtool -S` names
// them. A # stands for a queue's number. What programs dropped is not among them.
var droppedCounters = map[string][]string{
	"bnxt_en":    {"rx_total_discard_pkts"},
	"ena":        {"rx_drops"},
	"gve":        {"rx_no_buffers_cnt"},
	"i40e":       {"port.rx_discards"},
	"ice":        {"rx_dropped.nic"},
	"igb":        {"rx_missed_errors", "rx_no_buffer_count"},
	"igc":        {"rx_missed_errors", "rx_no_buffer_count"},
	"ixgbe":      {"rx_missed_errors", "rx_no_dma_resources"},
	"mlx5_core":  {"rx_out_of_buffer", "rx_discards_phy"},
	"veth":       {"rx_queue_#_drops"},
	"virtio_net": {"rx_queue_#_drops", "rx#_drops"}, // from Linux 6.8 on the latter
	"vmxnet3":    {"drv dropped rx total", "pkts rx OOB"},
}

// missedCounter is the kernel's own, for all other drivers (IFLA_STATS64).
const missedCounter = "rx_missed_errors"

// allowanceSuffix ends the names of ENA's counters of what the instance's size
// did not allow (ENA's README, "network performance").
const allowanceSuffix = "_allowance_exceeded"

// allowances are those of them that are known.
var allowances = []string{"bw_in", "bw_out", "pps", "conntrack", "linklocal"}

// newCounters returns those of an interface, of its driver and that one's statistics.
func newCounters(link netlink.Link, driver string, stats map[string]uint64) (c Counters) {
	var missed uint64
	if s := link.Attrs().Statistics; s != nil {
		missed = s.RxMissedErrors
	}
	c.pick(driver, stats, missed)
	return c
}

// pick takes what it knows of a driver's statistics.
func (c *Counters) pick(driver string, stats map[string]uint64, missed uint64) {
	c.Dropped, c.Allowances = make(map[string]uint64), make(map[string]uint64)
	patterns, known := droppedCounters[driver]
	if !known {
		c.Dropped[missedCounter] = missed
	}
	for name, value := range stats {
		plain := withoutQueue(name)
		if slices.Contains(patterns, plain) {
			c.Dropped[strings.ReplaceAll(plain, "#", "N")] += value
		}
		if allowance, ok := strings.CutSuffix(name, allowanceSuffix); ok && driver == "ena" && slices.Contains(allowances, allowance) {
			c.Allowances[allowance] = value
		}
	}
}

// withoutQueue puts a # for the first number in a counter's name.
func withoutQueue(name string) string {
	first := strings.IndexAny(name, "0123456789")
	if first < 0 {
		return name
	}
	rest := strings.TrimLeft(name[first:], "0123456789")
	return name[:first] + "#" + rest
}

// CounterReader reads interfaces' counters, of the network namespace in which it
// was made, whatever thread asks.
type CounterReader struct {
	tool  *ethtool.Ethtool
	links *netlink.Handle
}

// NewCounterReader returns a reader of the calling thread's network namespace.
func NewCounterReader() (*CounterReader, error) {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return nil, fmt.Errorf("open socket for ethtool: %w", err)
	}
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		tool.Close()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &CounterReader{tool, links}, nil
}

// Read reads the counters of an interface. One that is not there has none.
func (r *CounterReader) Read(name string) (c Counters, err error) {
	link, err := r.links.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read counters of %q: %w", name, err)
	}
	driver, err := r.tool.DriverName(name)
	if err != nil {
		driver = "" // it need not have a name
	}
	stats, err := r.tool.Stats(name)
	if err != nil {
		stats = nil // nor statistics
	}
	return newCounters(link, driver, stats), nil
}

// Close frees the reader's sockets.
func (r *CounterReader) Close() {
	r.tool.Close()
	r.links.Close()
}
