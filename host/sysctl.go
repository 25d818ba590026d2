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
