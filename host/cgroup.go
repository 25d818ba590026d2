package host

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// MemoryLimit is the least that a control group allows of those that a process is
// in, in bytes.
type MemoryLimit struct {
	Bytes int64  // math.MaxInt64: none of them limits it
	Path  string // of the file that says so; "" without
}

// MemoryLimitOf finds the limit of this process, in the hierarchy of version 2 or
// in version 1's of the memory controller; root is the file system, as
// os.DirFS("/"). A group's limit holds for all that are below it.
func MemoryLimitOf(root fs.FS) (MemoryLimit, error) {
	limit := MemoryLimit{Bytes: math.MaxInt64}
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return limit, nil // a kernel without control groups
	}
	if err != nil {
		return limit, fmt.Errorf("read control groups: %w", err)
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return limit, fmt.Errorf("read mounts: %w", err)
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
		if len(fields) < 3 {
			continue
		}
		hierarchy := hierarchy{fsType: "cgroup2", file: "memory.max"}
		if fields[1] != "" {
			hierarchy.fsType, hierarchy.file, hierarchy.controller = "cgroup", "memory.limit_in_bytes", "memory"
		}
		if hierarchy.controller == "" || slices.Contains(strings.Split(fields[1], ","), hierarchy.controller) {
			hierarchy.find(string(mounts))
			hierarchy.narrow(root, fields[2], &limit)
		}
	}
	return limit, nil
}

// hierarchy is a mounted tree of control groups that may limit memory.
type hierarchy struct {
	fsType, controller, file string
	mount                    string // where it is mounted; "" if nowhere
	top                      string // the group that is mounted there
}

// find looks where the hierarchy is mounted (proc_pid_mountinfo(5)).
func (h *hierarchy) find(mounts string) {
	lines := bufio.NewScanner(strings.NewReader(mounts))
	for lines.Scan() {
		left, right, _ := strings.Cut(lines.Text(), " - ")
		mounted, kind := strings.Fields(left), strings.Fields(right)
		if len(mounted) < 5 || len(kind) < 3 || kind[0] != h.fsType {
			continue
		}
		if h.controller == "" || slices.Contains(strings.Split(kind[2], ","), h.controller) {
			h.top, h.mount = mounted[3], mounted[4]
		}
	}
}

// narrow goes up from a group and lowers the limit to the least on the way.
func (h *hierarchy) narrow(root fs.FS, group string, limit *MemoryLimit) {
	if h.mount == "" {
		return
	}
	below, ok := strings.CutPrefix(path.Clean(group), strings.TrimSuffix(h.top, "/"))
	if !ok || strings.HasPrefix(below, "/..") {
		below = "" // a group that is not to be seen from here
	}
	for dir := path.Join(h.mount, below); ; dir = path.Dir(dir) {
		file := path.Join(dir, h.file)
		// The topmost group has no file, and "max" is no number: neither limits.
		text, err := fs.ReadFile(root, strings.TrimPrefix(file, "/"))
		if bytes, parseErr := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && parseErr == nil && bytes < unlimited && bytes < limit.Bytes {
			*limit = MemoryLimit{bytes, file}
		}
		if dir == h.mount || dir == "/" || dir == "." {
			return
		}
	}
}

// unlimited is what version 1 says for no limit: a page less than 2^63, whatever
// a page is.
const unlimited = math.MaxInt64 - 1<<20
