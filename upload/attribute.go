package upload

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Attributes of a file. They go where it goes, and go with it.
const (
	uploadedAttribute  = "user.xdpeel.uploaded"  // where the store has it
	multipartAttribute = "user.xdpeel.multipart" // of an upload that goes on: its id, a zero byte, its key
)

// attribute returns an attribute of a file, "" if it has none.
func attribute(path, name string) string {
	value := make([]byte, 4096)
	n, err := unix.Lgetxattr(path, name, value)
	if err != nil {
		return ""
	}
	return string(value[:n])
}

// setAttribute sets or, if it is "", removes an attribute. A file system that has none
// is no error: what it would have said is found out from the store.
func setAttribute(file *os.File, name, value string) error {
	var err error
	if value == "" {
		err = unix.Fremovexattr(int(file.Fd()), name)
	} else {
		err = unix.Fsetxattr(int(file.Fd()), name, []byte(value), 0)
	}
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}
