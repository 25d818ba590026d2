package pair

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
)

// bindQueues has frames that a CPU sends take the queue of that CPU: number modulo
// queues. The driver does so by itself with frames that are redirected in native
// mode (veth_select_rxq, drivers/net/veth.c), and in generic mode if it is told
// (Documentation/networking/scaling.rst, "XPS"). Only root may tell it: for others, in
// generic mode, the kernel takes a queue by a hash of the flow.
func (p *Pair) bindQueues() error {
	if p.Queues < 2 {
		return nil
	}
	for queue := range p.Queues {
		path := fmt.Sprintf("class/net/%s/queues/tx-%d/xps_cpus", p.Name, queue)
		err := WriteSys(path, cpuMask(queue, p.Queues, runtime.NumCPU()))
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // absent where the kernel has no XPS
			return fmt.Errorf("bind queue %d of %q: %w", queue, p.Name, err)
		}
	}
	return nil
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
