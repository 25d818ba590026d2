package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/xdpeel/xdpeel/export"
)

// farewell is how long a request that is being answered may keep the daemon from ending.
const farewell = time.Second

// listen opens the daemon's address, before anything is attached: another daemon
// may have it.
func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, hinted(fmt.Errorf("listen on %s: %w", address, err), "another xdpeel may run; `http:` in the configuration sets the address")
	}
	return listener, nil
}

// serveHTTP answers on the listener until the function that it returns is called.
func (d *daemon) serveHTTP(listener net.Listener) (stop func()) {
	server := &http.Server{
		Handler:           d.pages(),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("HTTP is not served any more", "error", err)
		}
	}()
	d.log.Info("listening", "http", "http://"+listener.Addr().String())
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			d.log.Warn("HTTP requests were cut off", "error", errors.Join(err, server.Close()))
		}
	}
}

func (d *daemon) pages() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		export.NewMetrics(d, export.Build{Version: versionOf(), Revision: commitOf(), GoVersion: runtime.Version()}),
	)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /status", d.serveStatus)
	mux.HandleFunc("GET /readyz", d.serveReady)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return mux
}

// serveReady answers 200 once the program is on every interface and every output takes packets.
func (d *daemon) serveReady(w http.ResponseWriter, _ *http.Request) {
	var missing []string
	for _, i := range d.interfaceReadings() {
		if !i.Attached {
			missing = append(missing, fmt.Sprintf("interface %q: not attached", i.Name))
		}
	}
	failures := d.outputs.failures()
	for _, name := range slices.Sorted(maps.Keys(failures)) {
		missing = append(missing, fmt.Sprintf("output %q: %s", name, failures[name]))
	}
	if len(missing) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	for _, line := range missing {
		fmt.Fprintln(w, line)
	}
	if len(missing) == 0 {
		fmt.Fprintln(w, "ready")
	}
}

func (d *daemon) serveStatus(w http.ResponseWriter, _ *http.Request) {
	text, err := d.statusJSON()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(text) // a client that has gone away needs no answer
}

// statusJSON is the ledger's JSON with what only a daemon has behind it.
func (d *daemon) statusJSON() ([]byte, error) {
	ledger, err := d.ledger()
	if err != nil {
		return nil, err
	}
	head, err := json.Marshal(ledger)
	if err != nil {
		return nil, fmt.Errorf("write ledger: %w", err)
	}
	tail, err := json.Marshal(d.form())
	if err != nil {
		return nil, fmt.Errorf("write status: %w", err)
	}
	joined := append(append(bytes.TrimSuffix(head, []byte("}")), ','), bytes.TrimPrefix(tail, []byte("{"))...)
	var text bytes.Buffer
	if err := json.Indent(&text, joined, "", "  "); err != nil {
		return nil, fmt.Errorf("write status: %w", err)
	}
	text.WriteByte('\n')
	return text.Bytes(), nil
}
