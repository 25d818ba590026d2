package suricata

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Counters are those of one interface, in packets.
type Counters struct {
	Decoded uint64 // decoder.pkts
	VXLAN   uint64 // decoder.vxlan: packets out of a tunnel that Suricata itself decoded
	Kernel  uint64 // capture.kernel_packets: what arrived at the socket, dropped or not
	Drops   uint64 // capture.kernel_drops: what found the socket's ring full
}

// section is a part of Suricata's statistics: counters by name, in sections.
type section map[string]json.RawMessage

// statistics are Suricata's: totals, and by thread under "threads".
type statistics section

// readers returns the statistics of the threads that read an interface, by its name:
// thread "W#01-xdpeel0-ids" reads xdpeel0-ids.
func (s statistics) readers() (map[string]section, error) {
	var threads section
	if text, ok := s["threads"]; ok {
		if err := json.Unmarshal(text, &threads); err != nil {
			return nil, fmt.Errorf("read statistics of threads: %w", err)
		}
	}
	byName := make(map[string]section)
	for thread, text := range threads {
		_, name, found := strings.Cut(thread, "-")
		if !found || !strings.HasPrefix(thread, "W#") {
			continue
		}
		var reader section
		if err := json.Unmarshal(text, &reader); err != nil {
			return nil, fmt.Errorf("read statistics of thread %q: %w", thread, err)
		}
		byName[name] = reader
	}
	return byName, nil
}

// interfaces returns the counters of each interface.
func (s statistics) interfaces() (map[string]Counters, error) {
	readers, err := s.readers()
	if err != nil {
		return nil, err
	}
	byName := make(map[string]Counters)
	for name, reader := range readers {
		var decoder struct{ Pkts, VXLAN uint64 }
		var capture struct {
			Packets uint64 `json:"kernel_packets"`
			Drops   uint64 `json:"kernel_drops"`
		}
		for key, value := range map[string]any{"decoder": &decoder, "capture": &capture} {
			if err := json.Unmarshal(reader[key], value); err != nil {
				return nil, fmt.Errorf("read %s counters of %q: %w", key, name, err)
			}
		}
		byName[name] = Counters{decoder.Pkts, decoder.VXLAN, capture.Packets, capture.Drops}
	}
	return byName, nil
}

// compared are the sections that tell what came, and not how Suricata fared.
var compared = []string{"decoder", "defrag", "app_layer"}

// event returns the counters of a section that are not zero as an event: much that
// Suricata counts it writes nothing else about.
func (s section) event(iface string) (Event, error) {
	fields := make(map[string]string)
	for _, name := range compared {
		values, err := readFields(s[name])
		if err != nil {
			return Event{}, fmt.Errorf("read %s counters: %w", name, err)
		}
		for path, value := range values {
			if value != "0" {
				fields[name+"."+path] = value
			}
		}
	}
	return Event{Type: "stats", Interface: iface, Fields: fields}, nil
}

// counters asks Suricata for its counters.
func (l *Live) counters() (map[string]Counters, error) { return ReadCounters(l.socket()) }

// ReadCounters asks the Suricata behind a command socket for the counters of each
// interface, which it brings up to date once a second. In its first second it has none.
func ReadCounters(socket string) (map[string]Counters, error) {
	answer, err := ask(socket, "dump-counters")
	if errors.Is(err, errNotYet) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask Suricata for counters: %w", err)
	}
	var s statistics
	if err := json.Unmarshal(answer, &s); err != nil {
		return nil, fmt.Errorf("read Suricata's counters: %w", err)
	}
	return s.interfaces()
}
