package loader

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// CapabilityError names the capabilities that the process lacks.
type CapabilityError struct {
	Missing []string
	Has     []string // of those that xdpeel may need, the ones that it has
}

// lacking is the error of a process that lacks capabilities.
func lacking(missing ...string) *CapabilityError {
	e := &CapabilityError{Missing: missing}
	for _, c := range capabilities {
		if hasCapability(c.bit) {
			e.Has = append(e.Has, c.name)
		}
	}
	return e
}

func (e *CapabilityError) Error() string {
	return "missing privilege: " + strings.Join(e.Missing, ", ")
}

// Grant is the command that grants what is missing. setcap(8) takes away what it does
// not name, so it names all that are needed.
func (e *CapabilityError) Grant() string {
	var names []string
	for _, c := range capabilities {
		if c.always || slices.Contains(e.Missing, c.name) || slices.Contains(e.Has, c.name) {
			names = append(names, strings.ToLower(c.name))
		}
	}
	return "setcap " + strings.Join(names, ",") + "+ep $(command -v xdpeel)"
}

// capabilities that xdpeel may need, see capabilities(7). Loading and attaching always
// take some. Without CAP_PERFMON the verifier refuses a packet pointer of variable offset.
var capabilities = []struct {
	bit    int
	name   string
	always bool
}{
	{unix.CAP_BPF, "CAP_BPF", true},
	{unix.CAP_PERFMON, "CAP_PERFMON", true},
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", true},
	{unix.CAP_NET_RAW, "CAP_NET_RAW", false},
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN", false},
}

// checkCapabilities returns a *CapabilityError if any that loading takes is missing from
// the effective set. CAP_SYS_ADMIN stands for CAP_PERFMON and CAP_BPF.
func checkCapabilities() error {
	has, err := effective()
	if err != nil {
		return err
	}
	var missing []string
	for _, c := range capabilities {
		if c.always && !has(c.bit) && (c.bit == unix.CAP_NET_ADMIN || !has(unix.CAP_SYS_ADMIN)) {
			missing = append(missing, c.name)
		}
	}
	if missing != nil {
		return lacking(missing...)
	}
	return nil
}

// effective returns what tells whether a capability is in the effective set.
func effective() (has func(bit int) bool, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return nil, fmt.Errorf("read capabilities: %w", err)
	}
	return func(bit int) bool { return data[bit/32].Effective&(1<<(bit%32)) != 0 }, nil
}

func hasCapability(bit int) bool {
	has, err := effective()
	return err == nil && has(bit)
}
