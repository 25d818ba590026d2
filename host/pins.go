package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/loader"
)

// standardMount is where a bpffs belongs, and what xdpeel mounts if nobody has.
const standardMount = "/sys/fs/bpf"

// pinFacts are of the directory in which a program that outlives the daemon is kept.
type pinFacts struct {
	directory string // "": nothing is to outlive it
	namespace string // whose /sys, made for this process alone by `ip netns exec`, it is in; "": it is in none
	mounted   bool   // it, or where it will be made, is in a bpffs
	refused   error  // by access(2), of what is there of its path; nil: it may be made and written to
}

func examinePins(v *visit) ([]Finding, error) {
	f := pinFacts{directory: v.Pins}
	if f.directory == "" {
		return f.judge(), nil
	}
	at := f.directory
	for {
		var s unix.Statfs_t
		err := unix.Statfs(at, &s)
		if err == nil {
			f.mounted, f.namespace = s.Type == unix.BPF_FS_MAGIC, loader.NamespaceOfSys(f.directory)
			f.refused = unix.Access(at, unix.W_OK|unix.X_OK)
			return f.judge(), nil
		}
		if errors.Is(err, fs.ErrPermission) {
			f.mounted, f.refused = true, err
			return f.judge(), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || at == "/" || at == "." {
			return nil, fmt.Errorf("look at %s: %w", at, err)
		}
		at = filepath.Dir(at)
	}
}

func (f pinFacts) judge() []Finding {
	standard := f.directory == standardMount || strings.HasPrefix(f.directory, standardMount+"/")
	switch {
	case f.directory == "":
		return found("the program goes with the daemon: no bpffs is needed")
	case f.namespace != "":
		return []Finding{{
			Level: Warning, Found: f.directory + " is in a /sys of this process's own, made by `ip netns exec`",
			Why:    "a program that outlives the daemon (on_exit: keep) is kept there, and would go with it",
			Remedy: "nsenter --net=/run/netns/" + f.namespace + " instead of ip netns exec " + f.namespace,
		}}
	case !f.mounted && standard:
		return []Finding{{
			Level: Warning, Found: "no bpffs is mounted on " + standardMount,
			Why:    "a program that outlives the daemon (on_exit: keep) is kept there; xdpeel mounts it itself, if it may",
			Remedy: "mount -t bpf bpf " + standardMount,
			Undo:   "umount " + standardMount,
			mend: func() error {
				return os.NewSyscallError("mount", unix.Mount("bpf", standardMount, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=700"))
			},
		}}
	case !f.mounted:
		return []Finding{{
			Level: Failure, Found: f.directory + " is in no bpffs",
			Why:    "a program that outlives the daemon (on_exit: keep) is kept there",
			Remedy: "mount -t bpf bpf DIRECTORY, or the key pins with one under " + standardMount,
		}}
	case f.refused != nil:
		return []Finding{{
			Level: Failure, Found: fmt.Sprintf("%s: %v", f.directory, f.refused),
			Why:    "a program that outlives the daemon (on_exit: keep) is kept there",
			Remedy: "systemd-tmpfiles --create xdpeel.conf (deploy/systemd/xdpeel.tmpfiles), or run it as root",
		}}
	}
	return found("pins go to %s, which is in a bpffs", f.directory)
}
