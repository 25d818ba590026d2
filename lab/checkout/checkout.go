// Package checkout finds the checkout that a test or a tool of it runs in.
package checkout

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrNone says that the working directory is in no checkout.
var ErrNone = errors.New("no go.mod here or above")

// Root returns the directory of go.mod: the working directory or one above. It
// returns ErrNone where there is none.
func Root() (string, error) {
	directory, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find checkout: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			return directory, nil
		}
		parent := filepath.Dir(directory)
		if parent == directory {
			return "", fmt.Errorf("find checkout: %w", ErrNone)
		}
		directory = parent
	}
}
