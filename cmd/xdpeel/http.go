package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
)

// farewell is how long a request that is being answered, or a reader that still has
// packets to come, may keep the daemon from ending.
const farewell = time.Second

// site is one of the daemon's addresses: where it listens, and what it answers.
type site struct {
	name      string // the key of the configuration that sets the address
	address   string // as it is there: the port may be 0
	listener  net.Listener
	handler   http.Handler
	webConfig string // of TLS and passwords, as the exporters of Prometheus have it; "": neither
}

// listen opens the daemon's addresses, before anything is attached: another daemon
// may have them.
func (d *daemon) listen(c *config.Config, webConfig string) (sites []*site, err error) {
	if err := web.Validate(webConfig); err != nil {
		return nil, hinted(fmt.Errorf("read %s: %w", webConfig, err),
			"docs/metrics.md has an example; xdpeel must be able to read the certificate and the key")
	}
	sites = append(sites, &site{name: "http", address: c.HTTP, handler: d.pages(), webConfig: webConfig})
	if c.Health != "" {
		sites = append(sites, &site{name: "health", address: c.Health, handler: d.healthPages()})
	}
	for i, site := range sites {
		if site.listener, err = net.Listen("tcp", site.address); err != nil {
			err = hinted(fmt.Errorf("listen on %s: %w", site.address, err), "another xdpeel may run; `%s:` in the configuration sets the address", site.name)
			return nil, errors.Join(err, closeSites(sites[:i]))
		}
	}
	return sites, nil
}

func closeSites(sites []*site) error {
	var errs []error
	for _, site := range sites {
		errs = append(errs, site.listener.Close())
	}
	return errors.Join(errs...)
}

// serveHTTP answers on the sites until the function that it returns is called.
func (d *daemon) serveHTTP(sites []*site) (stop func()) {
	var servers []*http.Server
	for _, site := range sites {
		server := &http.Server{
			Handler:           site.handler,
			ReadHeaderTimeout: 5 * time.Second,
			ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelWarn),
		}
		servers = append(servers, server)
		go func() {
			err := web.Serve(site.listener, server, &web.FlagConfig{WebConfigFile: &site.webConfig}, slog.New(quietHandler{d.log.Handler()}))
			if !errors.Is(err, http.ErrServerClosed) {
				d.log.Error("HTTP is not served any more", "error", err, "hint", "packets go on being taken; restart xdpeel when it suits")
			}
		}()
		d.log.Info("listening", site.name, site.url())
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		for _, server := range servers {
			if err := server.Shutdown(ctx); err != nil {
				d.log.Warn("HTTP requests were cut off", "error", errors.Join(err, server.Close()), "hint", "the daemon ends")
			}
		}
	}
}

// url is where the site is, as a browser wants it. Whether there is TLS only the
// library knows; a section about it means that there is.
func (s *site) url() string {
	scheme := "http"
	if config, err := os.ReadFile(s.webConfig); err == nil && bytes.Contains(config, []byte("tls_server_config")) {
		scheme = "https"
	}
	return scheme + "://" + s.listener.Addr().String()
}

func (d *daemon) pages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.registry(), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /status", d.serveStatus)
	mux.HandleFunc("GET /readyz", d.serveReady)
	mux.HandleFunc("GET /healthz", d.serveHealth)
	return mux
}

// registry has all metrics of the daemon.
func (d *daemon) registry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		export.NewMetrics(d, export.Build{Version: versionOf(), Revision: commitOf(), GoVersion: runtime.Version()}),
	)
	return registry
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
