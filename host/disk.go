package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// diskFacts are of the file system that an output writes to, in bytes.
type diskFacts struct {
	output    Output
	directory string
	absent    bool
	refused   error // by access(2); nil: it may be written to
	size      uint64
	free      uint64 // to this process
}

func examineDisk(v *visit) (findings []Finding, err error) {
	for _, o := range v.Outputs {
		f, err := readDisk(o)
		if err != nil {
			return findings, err
		}
		findings = append(findings, f.judge()...)
	}
	if len(v.Outputs) == 0 {
		return found("no output writes files"), nil
	}
	return findings, nil
}

func readDisk(o Output) (f diskFacts, err error) {
	f = diskFacts{output: o, directory: directoryOf(o.Path)}
	if _, err := os.Stat(f.directory); errors.Is(err, fs.ErrNotExist) {
		f.absent = true
		return f, nil
	}
	f.refused = unix.Access(f.directory, unix.W_OK|unix.X_OK)
	var s unix.Statfs_t
	if err := unix.Statfs(f.directory, &s); err != nil {
		return f, fmt.Errorf("look at %s: %w", f.directory, err)
	}
	f.size, f.free = s.Blocks*uint64(s.Bsize), s.Bavail*uint64(s.Bsize)
	return f, nil
}

// directoryOf returns the directory of files that are named by a path with strftime
// conversions: the part of it that is always there.
func directoryOf(path string) string {
	fixed, _, _ := strings.Cut(path, "%")
	if fixed == path {
		return filepath.Dir(path)
	}
	return filepath.Dir(fixed + "x")
}

// littleRoom is what fills up in less than a minute at some 150 MB a second.
const littleRoom = 8 << 30

func (f diskFacts) judge() []Finding {
	name := fmt.Sprintf("output %q", f.output.Name)
	switch {
	case f.absent:
		return []Finding{{
			Level: Failure, Found: fmt.Sprintf("%s: %s is not there", name, f.directory), Why: "files cannot be opened in it",
			Remedy: "mkdir -p -m 750 " + f.directory, Undo: "rmdir " + f.directory,
			mend: func() error { return os.MkdirAll(f.directory, 0o750) },
		}}
	case f.refused != nil:
		return []Finding{{
			Level: Failure, Found: fmt.Sprintf("%s: %s: %v", name, f.directory, f.refused), Why: "files cannot be opened in it",
			Remedy: "chown xdpeel: " + f.directory + " (whoever xdpeel runs as)",
		}}
	case f.output.KeepSize > 0 && uint64(f.output.KeepSize) > f.size:
		return []Finding{{
			Level: Warning, Found: fmt.Sprintf("%s keeps %s, of a file system of %s", name, gibibytes(uint64(f.output.KeepSize)), gibibytes(f.size)),
			Why: "the disk is full before the oldest files are deleted; packets are lost then, as disk_full", Remedy: "a smaller keep_size",
		}}
	case f.free < littleRoom && f.free < f.size/2:
		return []Finding{{
			Level: Warning, Found: fmt.Sprintf("%s: %s has %s free", name, f.directory, gibibytes(f.free)),
			Why: "when it is full, packets are lost, as disk_full", Remedy: "df -h " + f.directory,
		}}
	case f.output.KeepSize == 0 && !f.output.Keeps:
		return []Finding{{
			Level: Note, Found: fmt.Sprintf("%s: %s has %s free, and nothing deletes files", name, f.directory, gibibytes(f.free)),
			Why: "sooner or later it is full, and packets are lost, as disk_full", Remedy: "rotate_size and keep_size in the configuration",
		}}
	}
	return found("%s: %s has %s free of %s", name, f.directory, gibibytes(f.free), gibibytes(f.size))
}

func gibibytes(n uint64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
