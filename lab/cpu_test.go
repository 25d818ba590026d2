package lab_test

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
)

// Each of the CPUs that a thread may use has its turn, and then the first again; the
// thread may use all of them afterwards.
func TestOnNthCPU(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, after unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	var allowed []int
	for cpu := 0; len(allowed) < before.Count(); cpu++ {
		if before.IsSet(cpu) {
			allowed = append(allowed, cpu)
		}
	}
	for n := range 2 * len(allowed) {
		want := allowed[n%len(allowed)]
		err := lab.OnNthCPU(n, func() error {
			var set unix.CPUSet
			if err := unix.SchedGetaffinity(0, &set); err != nil {
				return err
			}
			if set.Count() != 1 || !set.IsSet(want) {
				t.Errorf("the %d-th of %v: on %v", n, allowed, set)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := unix.SchedGetaffinity(0, &after); err != nil || after != before {
		t.Errorf("afterwards on %v, %v; want %v", after, err, before)
	}
}
