package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// pinsDirectory is where the kernel's objects get names that outlive a process.
const pinsDirectory = "/sys/fs/bpf"

func examinePins(*visit) ([]Finding, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(pinsDirectory, &s); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return judgePins(false, false), nil
		}
		return nil, fmt.Errorf("look at %s: %w", pinsDirectory, err)
	}
	return judgePins(true, s.Type == unix.BPF_FS_MAGIC), nil
}

// judgePins takes whether the directory is there, and whether it is a bpffs.
func judgePins(exists, mounted bool) []Finding {
	if mounted {
		return found("bpffs is mounted on %s", pinsDirectory)
	}
	f := Finding{
		Level: Warning, Found: "no bpffs is mounted on " + pinsDirectory,
		Why:    "a program that is to stay attached when xdpeel ends (on_exit: keep) is kept there",
		Remedy: "mount -t bpf bpf " + pinsDirectory,
		Undo:   "umount " + pinsDirectory,
	}
	if !exists {
		f.Found = pinsDirectory + " is not there"
		f.Remedy, f.Undo = "mount -t sysfs sysfs /sys && mount -t bpf bpf "+pinsDirectory, ""
		return []Finding{f}
	}
	f.mend = func() error {
		return os.NewSyscallError("mount", unix.Mount("bpf", pinsDirectory, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=700"))
	}
	return []Finding{f}
}
