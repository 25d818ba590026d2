//go:build guest

package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests run in the order in which they stand here, on one installation.

// What the page says, word by word, on a machine that has never seen xdpeel.
func TestInstall(t *testing.T) {
	wire(t)
	page, err := os.ReadFile("docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?m)(^    .*\n)+`).Find(page)
	var script strings.Builder
	for line := range strings.Lines(string(block)) {
		switch {
		case strings.Contains(line, "make build"): // it is built
		case strings.Contains(line, "sudoedit"): // the interface is ens5 here, too
		default:
			script.WriteString(line)
		}
	}
	t.Log(shell(t, script.String()))
	if ready := property(t, "ActiveState"); ready != "active" {
		t.Errorf("the unit is %s", ready)
	}
	if text := property(t, "StatusText"); !strings.Contains(text, "ens5") {
		t.Errorf("systemd says %q of it", text)
	}
	if read := ledger(t); len(read.Interfaces) != 1 || !read.Interfaces[0].Attached {
		t.Errorf("systemd takes it for started, and it says %+v", read.Interfaces)
	}
}

// No thread of the daemon can do anything that a user could not, and the helper no more
// than the unit grants.
func TestConfinement(t *testing.T) {
	daemon := property(t, "MainPID")
	const granted = "000000c000003000" // CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_NET_RAW
	threads, err := filepath.Glob("/proc/" + daemon + "/task/*/status")
	if err != nil || len(threads) == 0 {
		t.Fatalf("%v: no threads of %s", err, daemon)
	}
	for _, path := range threads {
		expectStatus(t, path, "0000000000000000")
	}
	helper := strings.TrimSpace(shell(t, "pgrep -P "+daemon+" -fx 'xdpeel helper'"))
	expectStatus(t, "/proc/"+helper+"/status", granted)
}

func expectStatus(t *testing.T, path, effective string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	user := strings.Fields(shell(t, "id -u xdpeel"))[0]
	for _, line := range []string{
		"Uid:\t" + strings.Repeat("\t"+user, 4)[1:], "CapEff:\t" + effective, "CapPrm:\t" + effective,
		"NoNewPrivs:\t1", "Seccomp:\t2",
	} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("%s lacks %q:\n%s", path, line, text)
		}
	}
}

// A reload is over once the file is in effect; it fails if the daemon refuses the file, and
// says why.
func TestReload(t *testing.T) {
	configure(t, everyOutput)
	before := ledger(t)
	shell(t, "ip link add tap type veth peer name sensor mtu 9216 && ip link set tap mtu 9216 up && ip link set sensor up")
	var after reading
	for round := range uint64(5) {
		shell(t, "systemctl reload xdpeel")
		if after = ledger(t); after.Config.Generation != before.Config.Generation+1+round || len(after.Failing) != 0 {
			t.Fatalf("after reload %d it says %+v", round+1, after)
		}
	}
	for _, bad := range []struct{ old, new, complaint string }{
		{"sessions", "session", "xdpeel.yaml:3:1: "},
		{"[ens5]", "[lo]", "interfaces cannot change while xdpeel runs"},
		{"/var/lib/xdpeel/", "/var/lib/xdpeel/none/", "no such file or directory"},
	} {
		configure(t, strings.Replace(everyOutput, bad.old, bad.new, 1))
		if said, err := try("systemctl reload xdpeel"); err == nil {
			t.Errorf("a bad file was taken: %s", said)
		}
		if status, _ := try("systemctl status --no-pager --lines 20 --full xdpeel"); !strings.Contains(status, "xdpeel: error: ") || !strings.Contains(status, bad.complaint) {
			t.Errorf("the unit's status does not say %q, but %s", bad.complaint, status)
		}
		if state := property(t, "ActiveState"); state != "active" {
			t.Errorf("after a bad file the unit is %s", state)
		}
	}
	if again := ledger(t); again.Config.Generation != after.Config.Generation {
		t.Errorf("after a bad file it says %+v", again.Config)
	}
	configure(t, everyOutput)
}

// Whoever is in the group reads along, and needs no privilege for it.
func TestReadingAlong(t *testing.T) {
	shell(t, "useradd --groups xdpeel analyst")
	count := make(chan string)
	go func() {
		said, err := try("timeout 60 runuser -u analyst -- xdpeel capture -i ens5 -c 10 2>/dev/null | grep -c 'vni 7 from'")
		count <- fmt.Sprint(strings.TrimSpace(said), err)
	}()
	load := startLoad(t)
	if got := <-count; got != "10<nil>" {
		t.Errorf("the reader had %s", got)
	}
	expectAll(t, load.end())
}

// Restarted again and again under load, it loses nothing in any output.
func TestRestart(t *testing.T) {
	load := startLoad(t)
	for range 3 {
		time.Sleep(300 * time.Millisecond)
		shell(t, "systemctl restart xdpeel")
	}
	expectAll(t, load.end())
	if log := shell(t, "journalctl -u xdpeel --no-pager"); strings.Count(log, "taken over") < 3 {
		t.Errorf("not every daemon took over:\n%s", log)
	}
}

// Killed, it is started again by systemd. The kernel feeds the consumer meanwhile; what
// the killed daemon had in hand is in no file, and counted.
func TestKilled(t *testing.T) {
	load := startLoad(t)
	for round := range 2 {
		time.Sleep(300 * time.Millisecond)
		killMain(t, syscall.SIGKILL)
		eventually(t, fmt.Sprintf("start %d after a kill", round+1), 60*time.Second, func() bool {
			return property(t, "NRestarts") == fmt.Sprint(round+1) && property(t, "ActiveState") == "active"
		})
	}
	expectConsumers(t, load.end(), "ids")
	expectSums(t)
}

// One that does not come to read the rings is ended by the watchdog, and started again.
func TestWatchdog(t *testing.T) {
	dropIn(t, "WatchdogSec=4\nTimeoutAbortSec=5")
	shell(t, "systemctl reset-failed xdpeel; systemctl restart xdpeel")
	killMain(t, syscall.SIGSTOP)
	eventually(t, "start after the watchdog", 60*time.Second, func() bool {
		return property(t, "NRestarts") == "1" && property(t, "ActiveState") == "active"
	})
	if log := shell(t, "journalctl -u xdpeel --no-pager"); !strings.Contains(log, "Watchdog timeout") {
		t.Errorf("it was not the watchdog:\n%s", log)
	}
	dropIn(t, "")
}

// With what the page says of another network namespace, the veth goes there.
func TestNamespace(t *testing.T) {
	page, err := os.ReadFile("docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```ini\n\\[Service\\]\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("the page has no drop-in")
	}
	shell(t, "mkdir -p /data && chown xdpeel: /data && ip netns add ids")
	dropIn(t, regexp.MustCompile(`(?m) +#.*$`).ReplaceAllString(string(block[1]), ""))
	configure(t, strings.NewReplacer("-ids", "-ids, netns: ids", "/var/lib/xdpeel", "/data").Replace(everyOutput))
	shell(t, "systemctl restart xdpeel && ip -n ids link show xdpeel0-ids && xdpeel status")
	load := startLoad(t)
	time.Sleep(300 * time.Millisecond)
	expectAll(t, load.end())
	shell(t, "ls /data/*.pcapng*")
	dropIn(t, "")
	configure(t, everyOutput) // for the next start, which has no /data
}

// Stopped, it is gone but for what it left; that xdpeel detach takes away, and then it
// starts as if for the first time.
func TestStop(t *testing.T) {
	shell(t, "systemctl stop xdpeel")
	if state := property(t, "Result"); state != "success" {
		t.Errorf("it ended with %q:\n%s", state, shell(t, "journalctl -u xdpeel --no-pager | tail -50"))
	}
	shell(t, "xdpeel detach -i ens5")
	if left := shell(t, "ls -A /sys/fs/bpf/xdpeel 2>/dev/null || true; ip -o link show xdpeel0 2>/dev/null || true; ip -o link show ens5 | grep -o xdp || true"); left != "" {
		t.Errorf("left: %s", left)
	}
	shell(t, "systemctl start xdpeel")
	if read := ledger(t); !read.Interfaces[0].Attached || read.Received != 0 {
		t.Errorf("it begins with %+v", read)
	}
}

// Exchanged under load as the page says, it loses nothing; taken off as the page says, it
// leaves what it captured, and nothing else.
func TestAway(t *testing.T) {
	page, err := os.ReadFile("docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Another version")
	blocks := regexp.MustCompile(`(?m)(^    .*\n)+`).FindAllString(section, 2)
	if len(blocks) != 2 {
		t.Fatalf("the page has %d blocks", len(blocks))
	}
	load := startLoad(t)
	shell(t, strings.Replace(blocks[0], "make build", "true", 1)) // it is built
	expectAll(t, load.end())
	dropIn(t, "MemoryMax=1G") // as a site may have
	t.Log(shell(t, blocks[1]))
	// Each of these finds nothing.
	left, _ := try("set +e; ls -d /usr/bin/xdpeel /etc/xdpeel /etc/*/xdpeel* /etc/systemd/system/*xdpeel* /etc/systemd/system/*/*xdpeel* /sys/fs/bpf/xdpeel/* /run/xdpeel 2>/dev/null; " +
		"systemctl list-unit-files --no-legend xdpeel.service; ip -o link show xdpeel0 2>/dev/null; ip -o link show ens5 | grep -o xdp; pgrep -x xdpeel")
	if left != "" {
		t.Errorf("left: %s", left)
	}
	shell(t, "ls /var/lib/xdpeel/*.pcapng && id xdpeel")
}
