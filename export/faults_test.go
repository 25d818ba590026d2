package export

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// ext4 is a file system of its own, on a loop device whose bytes are in a tmpfs.
type ext4 struct{ directory, device string }

// newExt4 makes one of 64 MiB, of which the tmpfs holds as many as said.
func newExt4(t *testing.T, held, options string) ext4 {
	t.Helper()
	backing, directory := t.TempDir(), t.TempDir()
	labtest.Mount(t, "tmpfs", backing, "tmpfs", "size="+held)
	labtest.Need(t, "mkfs.ext4", "losetup")
	image := filepath.Join(backing, "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	// Without a journal, which would have the file system fail before a file does.
	if said, err := exec.Command("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "lazy_itable_init=1", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, said)
	}
	said, err := exec.Command("losetup", "--find", "--show", image).Output()
	if err != nil {
		t.Skipf("needs a loop device: %v", err)
	}
	device := strings.TrimSpace(string(said))
	t.Cleanup(func() {
		if said, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("losetup --detach %s: %v: %s", device, err, said)
		}
	})
	labtest.Mount(t, device, directory, "ext4", options)
	return ext4{directory, device}
}

// filling writes batches until the archive fails, or what it does is enough.
func filling(t *testing.T, a *Archive, s *series, enough func() bool) error {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !enough(); {
		if err := errors.Join(a.Write(s.batch(50, 600, 3)), a.Flush()); err != nil {
			return err
		}
		if time.Now().After(end) {
			t.Fatal("nothing happens")
		}
	}
	return nil
}

func never() bool { return false }

// After a full disk every file is whole, with its statistics, and the next goes on.
func TestArchiveFullDisk(t *testing.T) {
	for _, extension := range []string{".pcapng", ".pcapng.zst", ".pcapng.gz"} {
		for round := range 8 { // each is full at another byte
			fullDisk(t, extension, 300<<10+round*1003)
		}
	}
}

func fullDisk(t *testing.T, extension string, filled int) {
	t.Run(fmt.Sprint(extension, filled), func(t *testing.T) {
		directory := t.TempDir()
		labtest.Mount(t, "tmpfs", directory, "tmpfs", "size=1m")
		filler := filepath.Join(directory, "filler")
		if err := os.WriteFile(filler, make([]byte, filled), 0o600); err != nil {
			t.Fatal(err)
		}
		a := openArchive(t, archiveOptions(filepath.Join(directory, "a"+extension), new(lab.Transcript)))
		var s series
		err := filling(t, a, &s, never)
		checkWriteError(t, err, mirror.LossDiskFull, syscall.ENOSPC)
		if err := errors.Join(a.Write(s.batch(10, 600, 3)), a.Flush()); err != nil {
			t.Errorf("packets after the failure: %v", err)
		}
		if err := a.Resume(); err != nil { // what was cut off may be room enough
			checkWriteError(t, err, mirror.LossDiskFull, syscall.ENOSPC)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(a.Resume(), a.Write(s.batch(100, 600, 3)), a.Close()); err != nil {
			t.Fatal(err)
		}
		paths := globbed(t, directory+"/a*")
		if len(paths) < 2 || len(paths) > 3 || strings.Contains(strings.Join(paths, " "), ".part") {
			t.Errorf("files %q", paths)
		}
		checkNumbers(t, inFiles(t, paths...), s.next, a.Account())
		if a.Account().Lost[mirror.LossDiskFull] == 0 {
			t.Errorf("account %+v", a.Account())
		}
	})
}

// A file that the disk does not take is called damaged, its packets are lost, and
// the next ones are good. The tmpfs below the loop device is full.
func TestArchiveSyncError(t *testing.T) {
	disk := newExt4(t, "3m", "errors=continue")
	log := new(lab.Transcript)
	a := openArchive(t, archiveOptions(filepath.Join(disk.directory, "a.pcapng"), log))
	var s series
	if err := filling(t, a, &s, func() bool { return s.next >= 10_000 }); err != nil {
		t.Fatal(err)
	}
	if account := a.Account(); account.Delivered != uint64(s.next) {
		t.Fatalf("account %+v before the sync", account)
	}
	if err := a.Close(); !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("close: %v; log:\n%s", err, log)
	}
	if names := globbed(t, disk.directory+"/a*"); len(names) != 1 || filepath.Base(names[0]) != "a.pcapng.damaged" || a.Files().Damaged != 1 {
		t.Errorf("files %q, %+v", names, a.Files())
	}
	checkNumbers(t, nil, s.next, a.Account())
	if lost := a.Account().Lost; lost[mirror.LossSyncError] != uint64(s.next) {
		t.Errorf("lost %v", lost)
	}
	if !strings.Contains(log.String(), "damaged") {
		t.Errorf("log:\n%s", log)
	}
}

// A disk that fails under an open file.
func TestArchiveIOError(t *testing.T) {
	disk := newExt4(t, "64m", "")
	a := openArchive(t, archiveOptions(filepath.Join(disk.directory, "a.pcapng"), new(lab.Transcript)))
	var s series
	if err := filling(t, a, &s, func() bool { return s.next >= 100 }); err != nil {
		t.Fatal(err)
	}
	shutDown(t, disk.directory)
	checkWriteError(t, filling(t, a, &s, never), mirror.LossIOError, syscall.EIO)
	if a.Resume() == nil {
		t.Error("it goes on on a disk that has failed")
	}
	if err := a.Write(s.batch(7, 600, 1)); err != nil {
		t.Errorf("packets after the failure: %v", err)
	}
	_ = a.Close()
	account := a.Account()
	if checkSum(t, account); account.Offered != uint64(s.next) || account.Lost[mirror.LossIOError] < 7 {
		t.Errorf("%d sent, account %+v", s.next, account)
	}
}

// shutDown has an ext4 file system fail all that is asked of it.
func shutDown(t *testing.T, directory string) {
	t.Helper()
	root, err := os.Open(directory)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	const ext4Shutdown = 0x8004587d // _IOR('X', 125, __u32)
	flags := uint32(2)              // the log is not flushed
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, root.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&flags))); errno != 0 {
		t.Skipf("needs to shut a file system down: %v", errno)
	}
}

// A file system that becomes read-only under an open file, as it does after an error.
func TestArchiveReadOnly(t *testing.T) {
	disk := newExt4(t, "64m", "errors=remount-ro")
	a := openArchive(t, archiveOptions(filepath.Join(disk.directory, "a.pcapng"), new(lab.Transcript)))
	var s series
	if err := filling(t, a, &s, func() bool { return s.next >= 100 }); err != nil {
		t.Fatal(err)
	}
	trigger := fmt.Sprintf("/sys/fs/ext4/%s/trigger_fs_error", filepath.Base(disk.device))
	if err := os.WriteFile(trigger, []byte("a test"), 0o200); err != nil {
		t.Skipf("needs to break a file system: %v", err)
	}
	checkWriteError(t, filling(t, a, &s, never), mirror.LossReadOnly, syscall.EROFS)
	checkWriteError(t, a.Resume(), mirror.LossReadOnly, syscall.EROFS)
	if err := errors.Join(a.Write(s.batch(7, 600, 1)), a.Flush()); err != nil {
		t.Errorf("packets after the failure: %v", err)
	}
	_ = a.Close()
	account := a.Account()
	if checkSum(t, account); account.Offered != uint64(s.next) || account.Lost[mirror.LossReadOnly] < 7 {
		t.Errorf("%d sent, account %+v", s.next, account)
	}
}

// One that is remounted, and remounted again.
func TestArchiveRemounted(t *testing.T) {
	directory := t.TempDir()
	labtest.Mount(t, "tmpfs", directory, "tmpfs", "size=1m")
	o := archiveOptions(filepath.Join(directory, "%{vni}.pcapng"), new(lab.Transcript))
	o.Split = true // so that no file is open yet
	a := openArchive(t, o)
	var s series
	remount := func(flags uintptr) {
		if err := unix.Mount("", directory, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(unix.MS_RDONLY)
	checkWriteError(t, a.Write(s.batch(10, 600, 1)), mirror.LossReadOnly, syscall.EROFS)
	checkWriteError(t, a.Resume(), mirror.LossReadOnly, syscall.EROFS)
	remount(0)
	if err := errors.Join(a.Resume(), a.Write(s.batch(20, 600, 1)), a.Close()); err != nil {
		t.Fatal(err)
	}
	account := a.Account()
	checkNumbers(t, inFiles(t, globbed(t, directory+"/*")...), s.next, account)
	if account.Lost[mirror.LossReadOnly] != 10 {
		t.Errorf("account %+v", account)
	}
}

// A directory that goes away with the open file, and comes back.
func TestArchiveDirectoryRemoved(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	a := openArchive(t, archiveOptions(filepath.Join(directory, "a.pcapng"), new(lab.Transcript)))
	var s series
	if err := filling(t, a, &s, func() bool { return s.next >= 100 }); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(directory); err != nil {
		t.Fatal(err)
	}
	var err error
	labtest.Eventually(t, "the loss is noticed", func() bool { err = a.Flush(); return err != nil })
	checkWriteError(t, err, mirror.LossFileRemoved, os.ErrNotExist)
	checkWriteError(t, a.Write(s.batch(10, 600, 1)), mirror.LossNoDirectory, os.ErrNotExist)
	checkWriteError(t, a.Resume(), mirror.LossNoDirectory, os.ErrNotExist)
	if err := os.Mkdir(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Resume(), a.Write(s.batch(20, 600, 3)), a.Close()); err != nil {
		t.Fatal(err)
	}
	account := a.Account()
	checkNumbers(t, inFiles(t, globbed(t, directory+"/a*")...), s.next, account)
	if account.Lost[mirror.LossFileRemoved] != 100 || account.Lost[mirror.LossNoDirectory] != 10 {
		t.Errorf("account %+v", account)
	}
}

// One whose name has conversions is made again.
func TestArchiveDirectoryMadeAgain(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	a := openArchive(t, archiveOptions(filepath.Join(directory, "%Y", "a.pcapng"), new(lab.Transcript)))
	var s series
	if err := filling(t, a, &s, func() bool { return s.next >= 100 }); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(globbed(t, directory+"/*")[0]); err != nil {
		t.Fatal(err)
	}
	labtest.Eventually(t, "the loss is noticed", func() bool { return a.Flush() != nil })
	if err := errors.Join(a.Write(s.batch(20, 600, 3)), a.Close()); err != nil {
		t.Fatal(err)
	}
	checkNumbers(t, inFiles(t, globbed(t, directory+"/*/a*")...), s.next, a.Account())
}

// A file that may not grow further is completed, and the next one begun: the limit's
// signal ends nobody.
func TestArchiveFileTooLarge(t *testing.T) {
	directory := t.TempDir()
	child := exec.Command("/bin/sh", "-c", `ulimit -f 64; exec "$0" -test.run='^TestChildFails$'`, os.Args[0])
	child.Env = append(os.Environ(), failingPath+"="+filepath.Join(directory, "a.pcapng"))
	if said, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	paths := globbed(t, directory+"/*.pcapng")
	if n := len(inFiles(t, paths...)); len(paths) < 2 || n < 60 || len(globbed(t, directory+"/*.part")) != 0 {
		t.Errorf("files %q, %d packets", paths, n)
	}
}

// failingPath has TestChildFails write there.
const failingPath = "XDPEEL_TEST_FAILING_PATH"

// TestChildFails is the child of TestArchiveFileTooLarge.
func TestChildFails(t *testing.T) {
	path := os.Getenv(failingPath)
	if path == "" {
		t.Skip("is the child of another test")
	}
	a := openArchive(t, archiveOptions(path, new(lab.Transcript)))
	var s series
	checkWriteError(t, filling(t, a, &s, never), mirror.LossWriteError, syscall.EFBIG)
	if err := errors.Join(a.Resume(), a.Write(s.batch(20, 600, 3)), a.Close()); err != nil {
		t.Fatal(err)
	}
	account := a.Account()
	if checkSum(t, account); account.Offered != uint64(s.next) || account.Lost[mirror.LossWriteError] == 0 {
		t.Errorf("%d sent, account %+v", s.next, account)
	}
}
