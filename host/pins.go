package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/loader"
)

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
	is, nearest, err := loader.InBPFFS(f.directory)
	switch {
	case errors.Is(err, fs.ErrPermission):
		f.mounted, f.refused = true, err
	case err != nil:
		return nil, fmt.Errorf("look at %s: %w", nearest, err)
	default:
		f.mounted, f.namespace = is, NamespaceOfSys(f.directory)
		f.refused = unix.Access(nearest, unix.W_OK|unix.X_OK)
	}
	return f.judge(), nil
}

func (f pinFacts) judge() []Finding {
	switch {
	case f.directory == "":
		return found("the program goes with the daemon: no bpffs is needed")
	case f.namespace != "":
		return []Finding{{
			Level: Warning, Found: f.directory + " is in a /sys of this process's own, made by `ip netns exec`",
			Why:    "a program that outlives the daemon (on_exit: keep) is kept there, and would go with it",
			Remedy: "nsenter --net=/run/netns/" + f.namespace + " instead of ip netns exec " + f.namespace,
		}}
	case !f.mounted && loader.IsBelowStandardMount(f.directory):
		return []Finding{{
			Level: Warning, Found: "no bpffs is mounted on " + loader.StandardMount,
			Why:    "a program that outlives the daemon (on_exit: keep) is kept there; xdpeel mounts it itself, if it may",
			Remedy: "mount -t bpf bpf " + loader.StandardMount,
			Undo:   "umount " + loader.StandardMount,
			mend:   func() error { return os.NewSyscallError("mount", loader.MountStandard()) },
		}}
	case !f.mounted:
		return []Finding{{
			Level: Failure, Found: f.directory + " is in no bpffs",
			Why:    "a program that outlives the daemon (on_exit: keep) is kept there",
			Remedy: "mount -t bpf bpf DIRECTORY, or the key pins with one under " + loader.StandardMount,
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
