package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binaryDirectory is where buildBinary builds; it is removed when all tests have run.
var binaryDirectory string

var builtBinary = sync.OnceValues(func() (path string, err error) {
	if path := os.Getenv("XDPEEL_BINARY"); path != "" { // where there is no compiler
		return path, nil
	}
	if binaryDirectory, err = os.MkdirTemp("", "xdpeel-test"); err != nil {
		return "", err
	}
	path = filepath.Join(binaryDirectory, "xdpeel")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, said)
	}
	return path, os.Chmod(binaryDirectory, 0o755) // others run it, too
})

// buildBinary returns the path of xdpeel, which is built once for all tests.
func buildBinary(t *testing.T) string {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
