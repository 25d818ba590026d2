package labtest

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Mount mounts a file system, of which kind is the kernel's name and options are its
// own, until the test has ended. It skips a test that is not root's, and one where the
// file system cannot be mounted.
func Mount(t testing.TB, source, directory, kind, options string) {
	t.Helper()
	NeedRoot(t, "mounts a file system")
	if err := unix.Mount(source, directory, kind, 0, options); err != nil {
		t.Skipf("needs to mount %s: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(directory, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", directory, err)
		}
	})
}
