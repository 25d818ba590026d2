package loader

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNoPins says that there is no file system for pins.
var ErrNoPins = errors.New("no bpffs")

// StandardMount is where a bpffs belongs; systemd mounts it, and so does xdpeel if
// nobody has.
const StandardMount = "/sys/fs/bpf"

// MountStandard mounts a bpffs on StandardMount, for its owner alone. It returns
// mount(2)'s error.
func MountStandard() error {
	return unix.Mount("bpf", StandardMount, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=700")
}

// IsBelowStandardMount says whether a path is StandardMount or leads below it.
func IsBelowStandardMount(path string) bool {
	return path == StandardMount || strings.HasPrefix(path, StandardMount+"/")
}

// InBPFFS says whether a path is in a bpffs, or would be. nearest is what was looked at:
// the path, or the directory above it that is there. It returns statfs(2)'s error.
func InBPFFS(path string) (is bool, nearest string, err error) {
	for nearest = path; ; nearest = filepath.Dir(nearest) {
		var s unix.Statfs_t
		err := unix.Statfs(nearest, &s)
		if err == nil {
			return s.Type == unix.BPF_FS_MAGIC, nearest, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || nearest == "/" || nearest == "." {
			return false, nearest, err
		}
	}
}

// provideBPFFS sees to it that root is in a bpffs.
func provideBPFFS(root string) error {
	if is, _, _ := InBPFFS(root); is {
		return nil
	}
	if !IsBelowStandardMount(root) {
		return fmt.Errorf("%w is mounted on %s", ErrNoPins, root)
	}
	if err := MountStandard(); err != nil {
		return fmt.Errorf("%w is mounted on %s, nor can it be: %w", ErrNoPins, StandardMount, err)
	}
	return nil
}
