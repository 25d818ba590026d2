package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// sysctlNumber reads a kernel parameter that is a number; known is false if this
// kernel, or this network namespace, does not have it.
func sysctlNumber(name string) (value int, known bool, err error) {
	text, err := os.ReadFile(sysctlPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	if value, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
		return 0, false, fmt.Errorf("read %s: %w", name, err)
	}
	return value, true, nil
}

func sysctlPath(name string) string {
	return filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
}

// setSysctl makes the remedy of f, and its undoing, to set a kernel parameter.
func setSysctl(f Finding, name string, before, after int) Finding {
	f.Remedy = fmt.Sprintf("sysctl -w %s=%d", name, after)
	f.Undo = fmt.Sprintf("sysctl -w %s=%d", name, before)
	f.mend = func() error { return os.WriteFile(sysctlPath(name), []byte(strconv.Itoa(after)), 0) }
	return f
}

const (
	jitParameter          = "net.core.bpf_jit_enable"
	jitHardenParameter    = "net.core.bpf_jit_harden"
	unprivilegedParameter = "kernel.unprivileged_bpf_disabled"
)

// jitFacts are the parameters of the kernel's compiler for programs.
type jitFacts struct {
	enabled, harden int
	known           bool // they are seen from the first network namespace alone
}

func examineCompiler(*visit) (findings []Finding, err error) {
	var f jitFacts
	if f.enabled, f.known, err = sysctlNumber(jitParameter); err != nil {
		return nil, err
	}
	if f.harden, _, err = sysctlNumber(jitHardenParameter); err != nil {
		return nil, err
	}
	return f.judge(), nil
}

func (f jitFacts) judge() []Finding {
	switch {
	case !f.known:
		return found("%s is not seen from this network namespace", jitParameter)
	case f.enabled == 0:
		return []Finding{setSysctl(Finding{
			Level: Warning, Found: "the kernel interprets programs instead of compiling them",
			Why: "every packet costs several times as much",
		}, jitParameter, 0, 1)}
	case f.harden == 2:
		return []Finding{setSysctl(Finding{
			Level: Warning, Found: "the kernel hides constants also in programs of root",
			Why: "the program gets longer, and every packet slower; 1 does it for others' programs alone",
		}, jitHardenParameter, 2, 1)}
	}
	return found("programs are compiled to machine code")
}

func examineUnprivileged(*visit) ([]Finding, error) {
	value, known, err := sysctlNumber(unprivilegedParameter)
	if err != nil || !known {
		return nil, err
	}
	return judgeUnprivileged(value), nil
}

func judgeUnprivileged(value int) []Finding {
	if value == 0 {
		return []Finding{setSysctl(Finding{
			Level: Note, Found: "anybody on this host may load BPF programs",
			Why: "mistakes in the kernel's verifier are open to everybody who can log in",
		}, unprivilegedParameter, 0, 2)}
	}
	return found("BPF programs are for the privileged alone (%s=%d)", unprivilegedParameter, value)
}

// backlogFacts are limits of the kernel's receive path, and what they have cost so
// far, over all CPUs and since boot.
type backlogFacts struct {
	budget           int    // packets a poll, net.core.netdev_budget
	squeezed, polled uint64 // polls that ended with work left over; packets
	dropped          uint64 // at a full backlog, net.core.netdev_max_backlog
	backlog          int
	settable         bool
}

const (
	budgetParameter  = "net.core.netdev_budget"
	backlogParameter = "net.core.netdev_max_backlog"
)

func examineBacklog(v *visit) (findings []Finding, err error) {
	f := backlogFacts{}
	if f.budget, f.settable, err = sysctlNumber(budgetParameter); err != nil {
		return nil, err
	}
	if f.backlog, _, err = sysctlNumber(backlogParameter); err != nil {
		return nil, err
	}
	text, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		return nil, err
	}
	if err := f.readSoftnet(string(text)); err != nil {
		return nil, err
	}
	return f.judge(), nil
}

// readSoftnet sums the lines of /proc/net/softnet_stat, one a CPU: packets,
// dropped, squeezed and more, in hexadecimal (net/core/net-procfs.c).
func (f *backlogFacts) readSoftnet(text string) error {
	for line := range strings.Lines(text) {
		var polled, dropped, squeezed uint64
		if _, err := fmt.Sscanf(line, "%x %x %x", &polled, &dropped, &squeezed); err != nil {
			return fmt.Errorf("read softnet_stat: %w", err)
		}
		f.polled, f.dropped, f.squeezed = f.polled+polled, f.dropped+dropped, f.squeezed+squeezed
	}
	return nil
}

// Above these, a limit is likely to be reached again: a squeeze in so many packets,
// and a budget that nobody has raised yet.
const (
	squeezeRatio = 10_000
	largeBudget  = 600
)

func (f backlogFacts) judge() (findings []Finding) {
	if f.dropped > 0 {
		findings = append(findings, Finding{
			Level: Note, Found: fmt.Sprintf("%d packets were dropped at a full backlog since boot", f.dropped),
			Why: "where packets are steered between CPUs (RPS), or come through a veth, they wait there; " +
				backlogParameter + " is " + strconv.Itoa(f.backlog),
			Remedy: fmt.Sprintf("sysctl -w %s=%d", backlogParameter, max(10_000, 2*f.backlog)),
		})
	}
	if f.settable && f.squeezed > 0 && f.squeezed > f.polled/squeezeRatio && f.budget < largeBudget {
		findings = append(findings, setSysctl(Finding{
			Level: Warning, Found: fmt.Sprintf("%d polls of network cards ended with work left over since boot", f.squeezed),
			Why: "the card's receive ring overflows in the meantime, which nothing of xdpeel can count",
		}, budgetParameter, f.budget, largeBudget))
	}
	if findings == nil {
		return found("no packet dropped at the backlog since boot, %d polls cut short", f.squeezed)
	}
	return findings
}
