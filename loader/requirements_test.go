package loader

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// release returns the running kernel's version.
func release(t *testing.T) (major, minor int) {
	t.Helper()
	if _, err := fmt.Sscanf(KernelRelease(), "%d.%d", &major, &minor); err != nil {
		t.Fatalf("kernel release %q: %v", KernelRelease(), err)
	}
	return major, minor
}

// Linux 6.1 and newer are taken; 5.10 is refused, in one sentence.
func TestKernelVersion(t *testing.T) {
	labtest.NeedRoot(t, "asks the kernel for what it can")
	_, err := Load(mirror.Options{}, mirror.TakeAll())
	switch major, minor := release(t); {
	case major > 6 || major == 6 && minor >= 1:
		if err != nil {
			t.Errorf("Linux %d.%d is refused: %v", major, minor, err)
		}
	case major < 5 || major == 5 && minor < 18:
		want := fmt.Sprintf("kernel is too old: Linux %s has no bpf_xdp_load_bytes for XDP; xdpeel needs Linux 6.1 or newer", KernelRelease())
		if !errors.Is(err, ErrKernel) || err.Error() != want || strings.Contains(err.Error(), "\n") {
			t.Errorf("said %v, want %q", err, want)
		}
	}
}
