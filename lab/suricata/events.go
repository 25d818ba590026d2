package suricata

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Findings is what Suricata has found, up to its end.
type Findings struct {
	Events     []Event             // last those of type "stats", one an interface
	Interfaces map[string]Counters // by name; none of a file
}

// Event is a line of eve.json without what differs from run to run: times, and
// numbers that Suricata gives.
type Event struct {
	Type      string            // "alert", "flow", "http", "stats", ...
	Interface string            // "" of a file
	Signature string            // of an alert: what its rule says
	Fields    map[string]string // values by path, "flow.pkts_toserver"
}

// readFindings reads what is in a directory once its Suricata has ended.
func readFindings(directory string) (*Findings, error) {
	file, err := os.Open(filepath.Join(directory, eventsFile))
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer file.Close()
	f := new(Findings)
	var last statistics
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if err := f.take(lines.Bytes(), &last); err != nil {
			return nil, fmt.Errorf("read events: %w: %.300s", err, lines.Bytes())
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return f, f.conclude(last)
}

// take adds the event of a line, or keeps its statistics, of which the last count.
func (f *Findings) take(line []byte, last *statistics) error {
	var head struct {
		Type      string `json:"event_type"`
		Interface string `json:"in_iface"`
		Alert     struct{ Signature string }
		Stats     statistics
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return err
	}
	if head.Stats != nil {
		*last = head.Stats
		return nil
	}
	fields, err := readFields(line)
	if err != nil {
		return err
	}
	for _, path := range fleeting {
		delete(fields, path)
	}
	f.Events = append(f.Events, Event{head.Type, head.Interface, head.Alert.Signature, fields})
	return nil
}

// conclude adds what the statistics at the end say.
func (f *Findings) conclude(last statistics) (err error) {
	if f.Interfaces, err = last.interfaces(); err != nil {
		return err
	}
	readers, err := last.readers()
	if err != nil {
		return err
	}
	if len(readers) == 0 {
		readers = map[string]section{"": section(last)}
	}
	for name, reader := range readers {
		event, err := reader.event(name)
		if err != nil {
			return err
		}
		f.Events = append(f.Events, event)
	}
	return nil
}

// fleeting is what differs from run to run. How a flow ended is by time too, or that
// Suricata itself ended.
var fleeting = []string{
	"timestamp", "flow_id", "pcap_cnt", "tunnel.pcap_cnt", "pcap_filename", "in_iface",
	"flow.start", "flow.end", "flow.age", "flow.reason",
}

// readFields returns the values of a JSON object by their paths.
func readFields(text []byte) (map[string]string, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	fields := make(map[string]string)
	flatten(fields, "", object)
	return fields, nil
}

func flatten(fields map[string]string, path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			flatten(fields, strings.TrimPrefix(path+"."+key, "."), member)
		}
	case []any:
		for i, member := range value {
			flatten(fields, fmt.Sprintf("%s[%d]", path, i), member)
		}
	default:
		fields[path] = fmt.Sprint(value)
	}
}

// Of returns the events of one interface.
func (f *Findings) Of(iface string) []Event {
	var events []Event
	for _, event := range f.Events {
		if event.Interface == iface {
			events = append(events, event)
		}
	}
	return events
}

// key is the same for events that are equal.
func (e Event) key() string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(e.Fields)) {
		fmt.Fprintf(&b, "%s=%s\n", path, e.Fields[path])
	}
	return b.String()
}

// String names an event as people do.
func (e Event) String() string {
	words := []string{e.Type}
	for _, path := range []string{"alert.signature", "anomaly.event", "proto", "app_proto"} {
		if word := e.Fields[path]; word != "" {
			words = append(words, word)
		}
	}
	if source := e.Fields["src_ip"]; source != "" {
		words = append(words, e.place("src"), ">", e.place("dest"))
	}
	return strings.Join(words, " ")
}

func (e Event) place(end string) string {
	if port := e.Fields[end+"_port"]; port != "" {
		return e.Fields[end+"_ip"] + "." + port
	}
	return e.Fields[end+"_ip"]
}
