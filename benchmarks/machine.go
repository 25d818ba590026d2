package main

import (
	"bufio"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine says where and with what a run was made.
type Machine struct {
	Time     time.Time         `json:"time"`
	Kernel   string            `json:"kernel"`
	CPU      string            `json:"cpu"`
	CPUs     int               `json:"cpus"`
	Memory   uint64            `json:"memory_bytes"`
	Load     string            `json:"load"` // as /proc/loadavg has it when the run begins
	Commit   string            `json:"commit"`
	Go       string            `json:"go"`
	Programs map[string]string `json:"programs"` // first line of what each says of its version
	Command  string            `json:"command"`
	Before   Disturbance       `json:"before"` // the run
	After    Disturbance       `json:"after"`
}

func describeMachine() Machine {
	m := Machine{
		Time: time.Now().UTC().Truncate(time.Second), CPU: processor(), CPUs: runtime.NumCPU(), Go: runtime.Version(),
		Commit: commit(), Programs: make(map[string]string), Command: "go run ./benchmarks " + strings.Join(os.Args[1:], " "),
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = info.Totalram * uint64(info.Unit)
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.TrimSpace(string(load))
	}
	for _, program := range []string{"tcpdump", "dumpcap", "xdpdump", "nft"} {
		m.Programs[program] = firstLine(program, "--version")
	}
	return m
}

// firstLine returns the first line that a program says, "" if it is not there.
func firstLine(program string, args ...string) string {
	said, _ := exec.Command(program, args...).CombinedOutput()
	line, _, _ := strings.Cut(string(said), "\n")
	return strings.TrimSpace(line)
}

// processor returns the CPU's name.
func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// commit returns the commit of the checkout, as git or the build knows it.
func commit() string {
	if said := firstLine("git", "describe", "--always", "--dirty"); said != "" && !strings.HasPrefix(said, "fatal") {
		return said
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return "unknown"
}
