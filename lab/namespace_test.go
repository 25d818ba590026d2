package lab_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/netspace"
)

// identity returns the device and inode of a namespace file.
func identity(t *testing.T, path string) string {
	t.Helper()
	id, err := namespaceIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func namespaceIdentity(path string) (string, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return "", fmt.Errorf("stat %q: %w", path, err)
	}
	return fmt.Sprintf("net:[%d]", stat.Ino), nil
}

const ownNamespace = "/proc/thread-self/ns/net"

func TestDoRunsInsideAndComesHome(t *testing.T) {
	a, b := labtest.NewNamespace(t), labtest.NewNamespace(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home := identity(t, ownNamespace)

	visit := func(n *lab.Namespace, then func() error) error {
		return n.Do(func() error {
			got, err := namespaceIdentity(ownNamespace)
			if err != nil {
				return err
			}
			if want, _ := namespaceIdentity(filepath.Join(netspace.Directory, n.Name())); got != want || got == home {
				return fmt.Errorf("inside %s: in %s, want %s, home is %s", n.Name(), got, want, home)
			}
			return then()
		})
	}
	innermost := errors.New("innermost")
	err := visit(a, func() error { return visit(b, func() error { return innermost }) })
	if !errors.Is(err, innermost) {
		t.Errorf("nested visit returned %v", err)
	}
	if got := identity(t, ownNamespace); got != home {
		t.Errorf("after Do the caller is in %s, not at home in %s", got, home)
	}

	var visits sync.WaitGroup
	for i := range 64 {
		visits.Go(func() {
			if err := visit([]*lab.Namespace{a, b}[i%2], func() error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	visits.Wait()
	for _, namespace := range threadNamespaces(t) {
		if namespace != home {
			t.Errorf("a thread was left in %s, home is %s", namespace, home)
		}
	}
}

// threadNamespaces returns the namespace of each thread of this process.
func threadNamespaces(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	namespaces := make(map[string]string)
	for _, path := range paths {
		if id, err := namespaceIdentity(path); err == nil { // a thread may have ended
			namespaces[path] = id
		}
	}
	return namespaces
}

func TestDoSurvivesAnEndedGoroutine(t *testing.T) {
	n := labtest.NewNamespace(t)
	if err := n.Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("no error from a function that did not return")
	}
	if err := n.Do(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

// A thread without CAP_SYS_ADMIN cannot go home.
func TestDoThrowsAwayAThreadThatCannotComeHome(t *testing.T) {
	n := labtest.NewNamespace(t)
	stranded := 0
	var strand func() error
	strand = func() error {
		stranded = unix.Gettid()
		if stranded == os.Getpid() {
			return n.Do(strand) // the main thread never ends; while it is busy, another is taken
		}
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		return unix.Capset(&header, &make([]unix.CapUserData, 2)[0])
	}
	if err := n.Do(strand); err != nil {
		t.Fatal(err)
	}
	task := fmt.Sprintf("/proc/self/task/%d", stranded)
	labtest.Eventually(t, "the thread ends", func() bool {
		_, err := os.Stat(task)
		return errors.Is(err, os.ErrNotExist)
	})
}

func TestStartRunsProcessInside(t *testing.T) {
	n := labtest.NewNamespace(t)
	var output bytes.Buffer
	command := exec.Command("readlink", "/proc/self/ns/net")
	command.Stdout = &output
	if err := n.Start(command); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	want := identity(t, filepath.Join(netspace.Directory, n.Name()))
	if got := strings.TrimSpace(output.String()); got != want {
		t.Errorf("process ran in %s, want %s", got, want)
	}
	if err := n.Start(exec.Command("/nonexistent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("starting a program that does not exist: %v", err)
	}
}

func TestNamespaceIsQuiet(t *testing.T) {
	n := labtest.NewNamespace(t)
	err := n.Do(func() error {
		for _, scope := range []string{"all", "default", "lo"} {
			path := filepath.Join("/proc/sys/net/ipv6/conf", scope, "disable_ipv6")
			value, err := os.ReadFile(path)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil || strings.TrimSpace(string(value)) != "1" {
				return fmt.Errorf("%s is %q, %v", path, value, err)
			}
		}
		interfaces, err := net.Interfaces()
		if err != nil {
			return err
		}
		for _, i := range interfaces {
			if up := i.Flags&net.FlagUp != 0; up != (i.Name == "lo") {
				return fmt.Errorf("interface %s has flags %s", i.Name, i.Flags)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNamespaceNameLivesAsLongAsNamespace(t *testing.T) {
	n := labtest.NewNamespace(t)
	listed := func() bool {
		output, err := exec.Command("ip", "netns", "list").Output()
		if errors.Is(err, exec.ErrNotFound) {
			t.Skip("needs ip, of iproute2")
		}
		return err == nil && bytes.Contains(output, []byte(n.Name()))
	}
	if !listed() {
		t.Errorf("%s is not listed", n.Name())
	}
	for range 2 {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	if listed() {
		t.Errorf("%s is still listed", n.Name())
	}
	if err := n.Do(func() error { return nil }); err == nil {
		t.Error("no error from Do in a closed namespace")
	}
}

func TestNewNamespaceFailsWithoutLeftovers(t *testing.T) {
	labtest.NewNamespace(t).Close() // skips without root
	before := leftovers(t)
	if n, err := lab.NewNamespace("no/such/directory"); err == nil {
		t.Error("no error from a name with slashes")
		n.Close()
	}
	if after := leftovers(t); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestNamespacesLeaveNothing(t *testing.T) {
	labtest.NewNamespace(t).Close() // what is opened once, is open now
	before, threads := leftovers(t), len(threadNamespaces(t))
	for range 200 {
		n, err := lab.NewNamespace("xdpeel-test")
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if after := leftovers(t); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
	// The Go runtime keeps the threads it has once needed: a few, but not one each time.
	if now := len(threadNamespaces(t)); now > threads+20 {
		t.Errorf("%d threads became %d", threads, now)
	}
}

// traces counts what this process could leave behind.
type traces struct{ files, mounts, names int }

func leftovers(t *testing.T) traces {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	own := fmt.Sprintf("xdpeel-test-%d-", os.Getpid())
	names, err := filepath.Glob(filepath.Join(netspace.Directory, own+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return traces{len(files), bytes.Count(mounts, []byte(own)), len(names)}
}
