package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What doctor says of an interface that will do, and of one that will not.
func TestDoctor(t *testing.T) {
	w := newWire(t)
	said := w.xdpeel(t, "doctor", "-i", "far", "--mode", "native")
	for _, line := range []string{"ok       driver            veth 1.0 takes native XDP", "ok       program           the program loads: ", "ok       disk              no output writes files\n"} {
		if !strings.Contains(said.stdout, line) {
			t.Errorf("said %q, want %q", said.stdout, line)
		}
	}
	if said.status != 0 || said.stderr != "" {
		t.Errorf("status %d, said %q", said.status, said.stderr)
	}
	said = w.xdpeel(t, "doctor", "-i", "nonesuch0")
	if said.status != 1 || said.stderr != "xdpeel: error: xdpeel would not run on nonesuch0 as asked\n" ||
		!strings.Contains(said.stdout, "fix: ip -br link\n") {
		t.Errorf("absent interface: %+v", said)
	}
}

// The configuration's mode and outputs are looked at; the JSON has what the page says.
func TestDoctorConfiguration(t *testing.T) {
	w := newWire(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "xdpeel.yaml")
	text := "http: 0.0.0.0:9478\nmode: generic\noutputs: {all: {type: pcapng, path: " + dir + "/new/%Y.pcapng, rotate_every: 1h, keep_size: 1MiB}}\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	said := w.xdpeel(t, "doctor", "-i", "far", "--config", path, "--json")
	var form struct {
		Interface, Mode, Result string
		Findings                []struct{ Subject, Level, Found, Why, Remedy, Undo string }
	}
	decoder := json.NewDecoder(strings.NewReader(said.stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&form); err != nil {
		t.Fatalf("%v in %s", err, said.stdout)
	}
	if _, err := decoder.Token(); err != io.EOF {
		t.Errorf("more than one object: %s", said.stdout)
	}
	if said.status != 1 || form.Interface != "far" || form.Mode != "generic" || form.Result != "failure" {
		t.Errorf("status %d, form %+v", said.status, form)
	}
	for _, f := range form.Findings {
		if f.Subject == "disk" && (f.Level != "failure" || f.Remedy != "mkdir -p -m 750 "+dir+"/new" || f.Undo != "rmdir "+dir+"/new") {
			t.Errorf("disk: %+v", f)
		}
	}
}
