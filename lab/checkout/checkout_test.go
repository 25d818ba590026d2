package checkout

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestRoot(t *testing.T) {
	root := t.TempDir()
	below := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(below)
	if found, err := Root(); !errors.Is(err, ErrNone) {
		t.Errorf("found %q, %v, where there is none", found, err)
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if found, err := Root(); err != nil || found != root {
		t.Errorf("found %q, %v, want %q", found, err, root)
	}
}
