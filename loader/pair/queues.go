package pair

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// bindQueues has frames that a CPU sends take the queue of that CPU: number modulo
// queues. The driver does so by itself with frames that are redirected in native
// mode (veth_select_rxq, drivers/net/veth.c), and in generic mode if it is told
// (Documentation/networking/scaling.rst, "XPS").
func (p *Pair) bindQueues() error {
	if p.Queues < 2 {
		return nil
	}
	return withOwnSysfs(func(root string) error {
		for queue := range p.Queues {
			path := filepath.Join(root, "class/net", p.Name, "queues", fmt.Sprintf("tx-%d", queue), "xps_cpus")
			err := os.WriteFile(path, []byte(cpuMask(queue, p.Queues, runtime.NumCPU())), 0)
			if err != nil && !errors.Is(err, fs.ErrNotExist) { // absent where the kernel has no XPS
				return fmt.Errorf("bind queue %d of %q: %w", queue, p.Name, err)
			}
		}
		return nil
	})
}

// cpuMask returns the mask of the CPUs whose number is first modulo step, as the
// kernel reads it: words of 32 bits in hexadecimal, the highest first.
func cpuMask(first, step, cpus int) string {
	words := make([]uint32, (cpus+31)/32)
	for cpu := first; cpu < cpus; cpu += step {
		words[cpu/32] |= 1 << (cpu % 32)
	}
	var text []string
	for i := len(words) - 1; i >= 0; i-- {
		text = append(text, fmt.Sprintf("%08x", words[i]))
	}
	return strings.Join(text, ",")
}

// withOwnSysfs runs f with a sysfs of the calling thread's network namespace, at
// root: the one at /sys shows the interfaces of the namespace that it was mounted in.
func withOwnSysfs(f func(root string) error) error {
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("find network namespace: %w", err)
	}
	defer home.Close()
	here := &space{name: "of our end", file: home}
	return here.do(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			return fmt.Errorf("leave the mount namespace: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("keep mounts apart: %w", err)
		}
		if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
			return fmt.Errorf("mount sysfs: %w", err)
		}
		return f("/sys")
	})
}
