package config

import (
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Files says what files an output of type pcapng or pcap writes, and for how long
// they stay.
type Files struct {
	Path        string        // with conversions of time, and of sessions if it is split
	Split       bool          // a file for each session
	RotateSize  int64         // bytes after which a new file begins; 0: never
	RotateEvery time.Duration // time after which a new file begins; 0: never

	// The oldest files are deleted beyond these; 0: all are kept.
	KeepSize  int64 // bytes of all files of this output
	KeepFiles int   // complete ones
	KeepFree  int64 // bytes that are free on the file system

	OnRotate        Arguments     // the command that is run for each complete file; "": none
	OnRotateTimeout time.Duration // after which it is killed

	Owner, Group string      // names or numbers; "": the process's
	Mode         os.FileMode // permissions; 0: what the umask leaves

	S3 S3
}

// Arguments are those of a command, the program first, each with a zero byte behind
// it, so that they can be compared.
type Arguments string

// List returns the arguments.
func (a Arguments) List() []string {
	if a == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(a), "\x00"), "\x00")
}

// defaultTimeout is that of on_rotate.
const defaultTimeout = time.Minute

// fileKeys are the keys of an output of type pcapng or pcap.
var fileKeys = []key[Output]{
	typeKey,
	{"path", readPath},
	{"split", func(r *reader, n *yaml.Node, o *Output) {
		word := "none"
		choose(r, n, "split", &word, "none", "session")
		o.Files.Split = word == "session"
	}},
	{"rotate_size", func(r *reader, n *yaml.Node, o *Output) { o.Files.RotateSize = r.size(n, "rotate_size") }},
	{"rotate_every", func(r *reader, n *yaml.Node, o *Output) { o.Files.RotateEvery = r.duration(n, "rotate_every") }},
	{"keep_size", func(r *reader, n *yaml.Node, o *Output) { o.Files.KeepSize = r.size(n, "keep_size") }},
	{"keep_files", func(r *reader, n *yaml.Node, o *Output) {
		o.Files.KeepFiles = r.limited(n, "keep_files", 1, 1<<31-1, 0)
	}},
	{"keep_free", func(r *reader, n *yaml.Node, o *Output) { o.Files.KeepFree = r.size(n, "keep_free") }},
	{"on_rotate", readOnRotate},
	{"on_rotate_timeout", func(r *reader, n *yaml.Node, o *Output) {
		o.Files.OnRotateTimeout = r.duration(n, "on_rotate_timeout")
	}},
	{"owner", func(r *reader, n *yaml.Node, o *Output) { o.Files.Owner, _ = r.text(n, "owner") }},
	{"group", func(r *reader, n *yaml.Node, o *Output) { o.Files.Group, _ = r.text(n, "group") }},
	{"mode", func(r *reader, n *yaml.Node, o *Output) { o.Files.Mode = r.permissions(n, "a file, as 0640") }},
	{"s3", readS3},
	sampleKey, snapKey,
}

func readPath(r *reader, n *yaml.Node, o *Output) {
	text, ok := r.text(n, "path")
	if ok && (text == "-" || strings.HasSuffix(text, "/")) {
		r.complain(n, "path %q is not that of a file", text)
		return
	}
	o.Files.Path = text
}

func readOnRotate(r *reader, n *yaml.Node, o *Output) {
	for _, element := range r.list(n, "on_rotate", "[/usr/local/bin/ship, --now]") {
		text, ok := r.text(r.resolve(element), "on_rotate")
		if ok && strings.Contains(text, "\x00") {
			r.complain(element, "on_rotate has a zero byte")
		}
		o.Files.OnRotate += Arguments(text + "\x00")
	}
	if arguments := o.Files.OnRotate.List(); len(arguments) > 0 && !strings.HasPrefix(arguments[0], "/") {
		r.complain(n, "on_rotate %q is not the whole path of a program", arguments[0])
	}
}

// checkFiles complains of keys that contradict each other.
func (r *reader) checkFiles(n *yaml.Node, f *Files) {
	namesSession := strings.Contains(f.Path, "%{")
	keeps := f.KeepSize != 0 || f.KeepFiles != 0 || f.KeepFree != 0
	switch {
	case f.Split && f.Path != "" && !namesSession:
		r.complain(n, "split: session needs a path with %%{session}, %%{vni} or %%{source}")
	case !f.Split && namesSession:
		r.complain(n, "path %q names sessions: it needs split: session", f.Path)
	case keeps && f.RotateSize == 0 && f.RotateEvery == 0:
		r.complain(n, "keep_size, keep_files and keep_free need rotate_size or rotate_every: an open file is never deleted")
	case f.KeepSize != 0 && f.KeepSize <= f.RotateSize:
		r.complain(n, "keep_size has to be more than rotate_size, or every file is deleted")
	case f.OnRotate == "" && f.OnRotateTimeout != defaultTimeout:
		r.complain(n, "on_rotate_timeout is of on_rotate, which is not there")
	}
}
