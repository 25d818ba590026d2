package export

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// orderName is the attribute of a file that says where it stands among an output's
// files: nanoseconds since the Unix epoch when it was complete, or more if another was
// complete before it by a clock that has been set back since.
const orderName = "user.xdpeel.order"

// orderOf is where a file stands: by its attribute, or, without, by its last change.
func orderOf(path string, info os.FileInfo) int64 {
	var text [20]byte
	if n, err := unix.Lgetxattr(path, orderName, text[:]); err == nil {
		if order, err := strconv.ParseInt(string(text[:n]), 10, 64); err == nil {
			return order
		}
	}
	return info.ModTime().UnixNano()
}

// setOrder gives a file its place. Not every file system can keep that.
func setOrder(file *os.File, order int64) {
	_ = unix.Fsetxattr(int(file.Fd()), orderName, strconv.AppendInt(nil, order, 10), 0)
}
