// Package suricata runs a real Suricata, on a capture file or live on interfaces of
// a network namespace, and compares what it makes of two feeds of the same traffic.
package suricata

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// leastMajor is the first version whose events these are.
const leastMajor = 7

// ErrAbsent says that this machine has no Suricata that is new enough.
var ErrAbsent = errors.New("needs Suricata 7 or newer: scripts/install-suricata.sh")

// Find returns the version of the machine's Suricata, or ErrAbsent.
func Find() (string, error) {
	out, err := exec.Command("suricata", "-V").Output()
	if err != nil {
		return "", ErrAbsent
	}
	found := regexp.MustCompile(`version ((\d+)\.\S+)`).FindStringSubmatch(string(out))
	if found == nil {
		return "", fmt.Errorf("find Suricata's version: it says %q", out)
	}
	if major, err := strconv.Atoi(found[2]); err != nil || major < leastMajor {
		return "", ErrAbsent
	}
	return found[1], nil
}

// settings is Suricata's configuration but for its interfaces.
//
//go:embed suricata.yaml
var settings string

// rules fire on whatever there is.
//
//go:embed protocols.rules
var rules string

// RuleNames returns what the rules of every run say when they fire.
func RuleNames() (names []string) {
	for _, found := range regexp.MustCompile(`msg:"([^"]*)"`).FindAllStringSubmatch(rules, -1) {
		names = append(names, found[1])
	}
	return names
}

const (
	settingsFile = "suricata.yaml"
	rulesFile    = "protocols.rules"
	eventsFile   = "eve.json"
	socketFile   = "command.socket"
)

// prepare writes the files that a Suricata needs into its directory.
func prepare(directory string, interfaces []string) error {
	text := settings + commandSocket(directory) + captureSection(interfaces)
	return errors.Join(
		os.WriteFile(filepath.Join(directory, settingsFile), []byte(text), 0o644),
		os.WriteFile(filepath.Join(directory, rulesFile), []byte(rules), 0o644))
}

// arguments returns those of every run. A rule that does not load is an error.
func arguments(directory string) []string {
	return []string{
		"-c", filepath.Join(directory, settingsFile), "-S", filepath.Join(directory, rulesFile),
		"-l", directory, "--init-errors-fatal",
	}
}

func commandSocket(directory string) string {
	return fmt.Sprintf("\nunix-command: {enabled: yes, filename: %s}\n", filepath.Join(directory, socketFile))
}

// captureSection says how interfaces are read: one thread each, so that packets stay
// in order. A cluster id belongs to one interface. The kernel must not put fragments
// together: a file has them as they were.
func captureSection(interfaces []string) string {
	var section strings.Builder
	section.WriteString("\naf-packet:\n")
	for i, name := range interfaces {
		fmt.Fprintf(&section, "  - {interface: %s, threads: 1, cluster-id: %d, cluster-type: cluster_flow, defrag: no, "+
			"tpacket-v3: yes, ring-size: 512, block-size: 65536, checksum-checks: yes}\n", name, i+1)
	}
	return section.String()
}
