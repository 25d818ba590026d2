package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// missing says what keeps the daemon from being ready: the interfaces that the
// program is not on, and the outputs that take no packets.
func (d *daemon) missing() (lines []string) {
	for _, i := range d.interfaceReadings() {
		if !i.Attached {
			lines = append(lines, fmt.Sprintf("interface %q: not attached", i.Name))
		}
	}
	failures := d.outputs.failures()
	for _, name := range slices.Sorted(maps.Keys(failures)) {
		lines = append(lines, fmt.Sprintf("output %q: %s", name, failures[name]))
	}
	return lines
}

// serveReady answers 200 once the program is on every interface and every output
// takes packets.
func (d *daemon) serveReady(w http.ResponseWriter, _ *http.Request) {
	sayWhether(w, "ready", d.missing())
}

// serveHealth answers a load balancer: it should send mirrored packets here as long
// as this is 200. Once the daemon was told to end it is not, though packets that
// come are taken.
func (d *daemon) serveHealth(w http.ResponseWriter, _ *http.Request) {
	missing := d.missing()
	if d.draining.Load() {
		missing = append(missing, "draining: xdpeel was told to end")
	}
	sayWhether(w, "ok", missing)
}

// sayWhether says a word, or what is missing.
func sayWhether(w http.ResponseWriter, word string, missing []string) {
	if len(missing) == 0 {
		fmt.Fprintln(w, word)
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, line := range missing {
		fmt.Fprintln(w, line)
	}
}

// healthPages are for an address of their own, that others than the operator reach:
// they say whether, and to the operator alone why not.
func (d *daemon) healthPages() http.Handler {
	mux := http.NewServeMux()
	for path, serve := range map[string]http.HandlerFunc{"GET /healthz": d.serveHealth, "GET /readyz": d.serveReady} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { serve(silentWriter{w}, r) })
	}
	return mux
}

// silentWriter writes the status alone.
type silentWriter struct{ http.ResponseWriter }

func (w silentWriter) Write(text []byte) (int, error) { return len(text), nil }
