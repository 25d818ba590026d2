package export

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab"
)

// Of the child that is killed: which file it writes, and where its series begins.
const (
	childPath  = "XDPEEL_TEST_CHILD_PATH"
	childFirst = "XDPEEL_TEST_CHILD_FIRST"
)

const (
	childPacket = 300              // bytes
	childBlock  = childPacket + 44 // of a packet's block
)

// TestChildWrites is the child of TestKilled: it writes until it is killed, and says
// what it has handed over, and when.
func TestChildWrites(t *testing.T) {
	path := os.Getenv(childPath)
	if path == "" {
		t.Skip("is the child of another test")
	}
	first, err := strconv.ParseUint(os.Getenv(childFirst), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	o := archiveOptions(path, new(lab.Transcript))
	o.File.RotateSize = 300 << 10
	a := openArchive(t, o)
	s := series{next: uint32(first)}
	for {
		if err := errors.Join(a.Write(s.batch(20+rand.IntN(60), childPacket, 4)), a.Flush()); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("handed %d %d\n", s.next, time.Now().UnixNano())
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
	}
}

// killedChild has a child write for a while and kills it. It returns the number
// behind the last that the child has said, and that of 100 ms before.
func killedChild(t *testing.T, path string, first uint32, after time.Duration) (last, early uint32) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChildWrites$")
	child.Env = append(os.Environ(), childPath+"="+path, childFirst+"="+strconv.Itoa(int(first)))
	said, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var killed time.Time
	kill := time.AfterFunc(after, func() {
		killed = time.Now()
		_ = child.Process.Kill()
	})
	defer kill.Stop()
	type saying struct {
		next uint32
		at   int64
	}
	var sayings []saying
	for lines := bufio.NewScanner(said); lines.Scan(); {
		var s saying
		if n, _ := fmt.Sscanf(lines.Text(), "handed %d %d", &s.next, &s.at); n == 2 {
			sayings = append(sayings, s)
		}
	}
	_ = child.Wait() // it was killed
	last, early = first, first
	for _, s := range sayings {
		last = s.next
		if s.at <= killed.Add(-100*time.Millisecond).UnixNano() {
			early = s.next
		}
	}
	return last, early
}

// Killed at any moment, a process leaves files that are good, but for the last, of
// which the next start makes a good one; it lacks the last 100 ms or 1 MiB at most, and no
// packet stands twice. XDPEEL_TEST_KILLS sets how often; 20 without.
func TestKilled(t *testing.T) {
	kills := 20
	if text := os.Getenv("XDPEEL_TEST_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for i, extension := range []string{".pcapng", ".pcapng.zst", ".pcapng.gz"} {
		t.Run(extension, func(t *testing.T) {
			share := kills / 3
			if i < kills%3 {
				share++
			}
			for done := 0; done < share; done += 10 {
				killOften(t, extension, min(10, share-done))
			}
		})
	}
}

// killOften kills children that write to one directory, one after the other.
func killOften(t *testing.T, extension string, times int) {
	t.Helper()
	directory, err := os.MkdirTemp(t.TempDir(), "killed")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(directory, "a"+extension)
	type span struct{ first, early, last uint32 }
	var spans []span
	first := uint32(0)
	for range times {
		last, early := killedChild(t, path, first, time.Duration(50+rand.IntN(400))*time.Millisecond)
		spans = append(spans, span{first, early, last})
		first = last + 1000 // beyond what it may have written and not said
	}
	log := new(lab.Transcript)
	if err := openArchive(t, archiveOptions(path, log)).Discard(); err != nil {
		t.Fatal(err)
	}
	for _, left := range globbed(t, directory+"/*.part") {
		if len(read(t, left)) > 0 { // an empty one is left until it is old
			t.Fatalf("left %q; log:\n%s", left, log)
		}
	}
	paths := globbed(t, directory+"/*"+extension)
	numbers := inFiles(t, paths...)
	lost, most := 0, 0
	for _, s := range spans {
		end := s.first
		for numbers[end] == 1 {
			end++
		}
		for number := end; number < s.last; number++ {
			if numbers[number] != 0 {
				t.Fatalf("packet %d is there, and %d before it is not", number, end)
			}
		}
		missing := int(s.last) - int(end)
		if end < s.early && missing*childBlock > 1<<20 {
			t.Fatalf("%d packets are lost, more than 1 MiB, from %d on; %d was handed over 100 ms before the kill", missing, end, s.early)
		}
		lost, most = lost+max(missing, 0), max(most, missing)
	}
	for number, n := range numbers {
		if n != 1 {
			t.Fatalf("packet %d is there %d times", number, n)
		}
	}
	if strings.Count(extension, ".") == 1 && lost > 0 {
		t.Errorf("%d packets were lost that had been written", lost)
	}
	t.Logf("%d kills: %d packets in %d files, %d lost, at most %d at once", times, len(numbers), len(paths), lost, most)
	checkTools(t, extension, paths)
}

// checkTools has everybody's tools read the files. tshark is slow, and reads a few.
func checkTools(t *testing.T, extension string, paths []string) {
	t.Helper()
	wireshark(t, "capinfos", paths...)
	for i, path := range paths {
		if i%(len(paths)/4+1) == 0 {
			wireshark(t, "tshark", "-r", path)
		}
	}
	if extension != ".pcapng" {
		return
	}
	for _, path := range paths {
		if said, err := exec.Command("tcpdump", "-nr", path, "-w", os.DevNull).CombinedOutput(); err != nil {
			t.Errorf("tcpdump: %v: %s", err, said)
		}
	}
}
