package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

var unit = filepath.Join("..", "..", "deploy", "systemd", "xdpeel.service")

// The example that is installed is a configuration that runs.
func TestDeployedConfiguration(t *testing.T) {
	said := xdpeel(t, "", "config", "check", filepath.Join("..", "..", "deploy", "xdpeel.yaml"))
	if said.status != 0 || strings.Contains(said.stdout+said.stderr, "note") {
		t.Errorf("%+v", said)
	}
}

// maxExposure is what systemd-analyze may make of the unit.
const maxExposure = 2.0

func TestUnitExposure(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "systemd-analyze")
	text, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", unit).CombinedOutput()
	found := regexp.MustCompile(`Overall exposure level for xdpeel.service: ([\d.]+)`).FindSubmatch(text)
	if err != nil || found == nil {
		t.Fatalf("%v: %s", err, text)
	}
	if exposure, err := strconv.ParseFloat(string(found[1]), 64); err != nil || exposure > maxExposure {
		t.Errorf("exposure %s, want at most %v: %s", found[1], maxExposure, text)
	}
}

// systemd understands every line, and what the unit runs are verbs with flags that there are.
func TestUnit(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), " --control "+defaultControl); n != 2 {
		t.Errorf("%d commands name %s, want run and reload", n, defaultControl)
	}
	commands := regexp.MustCompile(`(?m)^Exec\w+=/usr/bin/xdpeel (.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(commands) == 0 {
		t.Error("the unit runs nothing")
	}
	for _, command := range commands {
		words := strings.Fields(command[1])
		words[len(words)-1] = filepath.Join(t.TempDir(), "absent.yaml")
		if said := xdpeel(t, "", words...); said.status != 1 || !regexp.MustCompile("absent.yaml: .*no such file").MatchString(said.stderr) {
			t.Errorf("%s: %+v", command[1], said)
		}
	}
	labtest.Need(t, "systemd-analyze")
	// A copy that runs what is there: the tool looks for the commands.
	copied := filepath.Join(t.TempDir(), "xdpeel.service")
	if err := os.WriteFile(copied, []byte(strings.ReplaceAll(string(text), "/usr/bin/xdpeel", "/bin/true")), 0o644); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command("systemd-analyze", "verify", "--man=no", copied).CombinedOutput()
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, "xdpeel.service") {
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
	if err != nil && len(said) == 0 {
		t.Error(err)
	}
}
