package labtest

import (
	"os"
	"os/exec"
	"testing"
)

// NeedRoot skips a test that is not root's; it does what takes root.
func NeedRoot(t testing.TB, does string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: " + does)
	}
}

// Need skips a test where one of the programs is not installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs " + program)
		}
	}
}
