package config

import (
	"os"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Socket says how readers come to an output of type socket.
type Socket struct {
	Path    string      // of the unix socket; "": one for each interface, where `xdpeel capture` looks
	Group   string      // that may read besides the owner, a name or number; "": the process's
	Mode    os.FileMode // permissions; 0: of the owner, and of the group if one is given
	Readers int         // at most, at a time
}

// The default of `readers`, and its most.
const (
	defaultReaders = 8
	maxReaders     = 256
)

// socketKeys are the keys of an output of type socket.
var socketKeys = []key[Output]{
	typeKey,
	{"path", readSocketPath},
	{"group", func(r *reader, n *yaml.Node, o *Output) { o.Socket.Group, _ = r.text(n, "group") }},
	{"mode", func(r *reader, n *yaml.Node, o *Output) { o.Socket.Mode = r.permissions(n, "a socket, as 0660") }},
	{"readers", func(r *reader, n *yaml.Node, o *Output) {
		o.Socket.Readers = r.limited(n, "readers", 1, maxReaders, o.Socket.Readers)
	}},
	sampleKey, snapKey,
}

// maxSocketPath is the kernel's limit, less a zero byte and what a socket's name has
// behind it until it takes its place.
const maxSocketPath = 107 - len(".new")

func readSocketPath(r *reader, n *yaml.Node, o *Output) {
	text, ok := r.text(n, "path")
	switch {
	case !ok:
	case !strings.HasPrefix(text, "/"), strings.HasSuffix(text, "/"):
		r.complain(n, "path %q is not the whole path of a socket", text)
	case len(text) > maxSocketPath:
		r.complain(n, "path %q is too long for a socket: it can have %d bytes", text, maxSocketPath)
	default:
		o.Socket.Path = text
	}
}

// checkSocket complains of a socket that another output has already.
func (r *reader) checkSocket(e entry, o *Output) {
	for i := range r.config.Outputs {
		other := &r.config.Outputs[i]
		if o.Type == OutputSocket && other.Type == OutputSocket && other.Name != o.Name && other.Socket.Path == o.Socket.Path {
			r.complain(e.node, "output %q has the same path as %q", o.Name, other.Name)
		}
	}
}
