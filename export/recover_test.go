package export

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// leftBehind is what a process leaves of a file that is killed after it wrote n
// packets, and how many bytes the file had after each of some of them.
func leftBehind(t *testing.T, extension string, n int) (content []byte, sizes map[int]int) {
	t.Helper()
	directory := t.TempDir()
	o := archiveOptions(filepath.Join(directory, "a"+extension), new(lab.Transcript))
	if strings.HasPrefix(extension, ".pcap.") || extension == ".pcap" {
		o.File.Format = FormatPcap
	}
	a := openArchive(t, o)
	var s series
	sizes = make(map[int]int)
	for i := range n / 10 {
		if err := errors.Join(a.Write(s.batch(10, 60, 2)), a.Flush()); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			labtest.Eventually(t, "packets are written", func() bool { return a.Account().Delivered == uint64(s.next) })
			sizes[len(read(t, filepath.Join(directory, "a"+extension+".part")))] = int(s.next)
		}
	}
	labtest.Eventually(t, "packets are written", func() bool { return a.Account().Delivered == uint64(s.next) })
	return read(t, filepath.Join(directory, "a"+extension+".part")), sizes
}

// Wherever a file is torn, what is whole of it is a good file after the next start,
// and another is never touched.
func TestRecoverTornFile(t *testing.T) {
	t.Parallel()
	for _, extension := range []string{".pcapng", ".pcap", ".pcapng.zst", ".pcapng.gz"} {
		t.Run(extension, func(t *testing.T) {
			t.Parallel()
			content, sizes := leftBehind(t, extension, 60)
			whole := 0
			for size := 0; size <= len(content); size += max(1, len(content)/61) {
				for at, n := range sizes {
					if at <= size {
						whole = max(whole, n)
					}
				}
				directory := t.TempDir()
				path := filepath.Join(directory, "a"+extension)
				// What power failures leave behind the last bytes.
				torn := append(bytes.Clone(content[:size]), make([]byte, size%50)...)
				if err := os.WriteFile(path+".part", torn, 0o644); err != nil {
					t.Fatal(err)
				}
				log := new(lab.Transcript)
				o := archiveOptions(path, log)
				if strings.HasPrefix(extension, ".pcap.") || extension == ".pcap" {
					o.File.Format = FormatPcap
				}
				a := openArchive(t, o)
				if err := a.Discard(); err != nil {
					t.Fatal(err)
				}
				checkRecovered(t, path, size, whole, log)
			}
			if whole == 0 {
				t.Error("no size was that of whole packets")
			}
		})
	}
}

// checkRecovered wants at least the packets that were whole, in a good file.
func checkRecovered(t *testing.T, path string, size, whole int, log *lab.Transcript) {
	t.Helper()
	left := listed(t, filepath.Dir(path))
	if whole == 0 && (len(left) == 0 || left[0] == filepath.Base(path)+".part") {
		if len(left) > 0 && size > 0 && !strings.Contains(log.String(), errNotOurs.Error()) {
			t.Fatalf("%d bytes: files %v; log:\n%s", size, left, log)
		}
		return
	}
	if diff := cmp.Diff([]string{filepath.Base(path)}, left); diff != "" {
		t.Fatalf("%d bytes: files (-want +got):\n%s\n%s", size, diff, log)
	}
	content := expand(t, path)
	if filepath.Ext(path) == ".pcap" {
		n := 0
		for at := pcapHeaderSize; at < len(content); at += pcapRecordSize + 60 {
			n++
		}
		if n < whole || len(content) != pcapHeaderSize+n*(pcapRecordSize+60) {
			t.Fatalf("%d bytes: %d packets in %d bytes, want %d", size, n, len(content), whole)
		}
		return
	}
	c, err := walkRecovered(content)
	if err != nil || len(c) < whole {
		t.Fatalf("%d bytes: %d packets, want %d: %v", size, len(c), whole, err)
	}
	for i, number := range c {
		if int(number) != i {
			t.Fatalf("%d bytes: packet %d is number %d", size, i, number)
		}
	}
}

// walkRecovered returns the numbers of a file's packets, whose interfaces must all
// have statistics that say their counts are not known.
func walkRecovered(content []byte) (numbers []uint32, err error) {
	blocks := &scan{application: "xdpeel"}
	if whole := blocks.add(content); whole != len(content) {
		return nil, fmt.Errorf("whole up to %d of %d bytes", whole, len(content))
	}
	if n := bytes.Count(content, []byte(unknownCounts)); n != len(blocks.times) {
		return nil, fmt.Errorf("%d interfaces, %d statistics without counts", len(blocks.times), n)
	}
	for range blocks.packets {
		numbers = append(numbers, uint32(len(numbers)))
	}
	return numbers, nil
}

// What is recovered is read by everybody's tools.
func TestRecoveredIsReadable(t *testing.T) {
	t.Parallel()
	for _, extension := range []string{".pcapng", ".pcap", ".pcapng.zst", ".pcapng.gz"} {
		t.Run(extension, func(t *testing.T) {
			t.Parallel()
			content, _ := leftBehind(t, extension, 60)
			path := filepath.Join(t.TempDir(), "a"+extension)
			if err := os.WriteFile(path+".part", content[:len(content)-5], 0o644); err != nil {
				t.Fatal(err)
			}
			o := archiveOptions(path, new(lab.Transcript))
			if extension == ".pcap" {
				o.File.Format = FormatPcap
			}
			a := openArchive(t, o)
			if err := a.Discard(); err != nil {
				t.Fatal(err)
			}
			if lines := strings.Count(wireshark(t, "tshark", "-r", path), "\n"); lines < 40 || a.Files().Recovered != 1 {
				t.Errorf("tshark sees %d packets; %+v", lines, a.Files())
			}
			wireshark(t, "capinfos", path)
			if extension == ".pcapng" || extension == ".pcap" {
				if said, err := exec.Command("tcpdump", "-nr", path).CombinedOutput(); err != nil {
					t.Errorf("tcpdump: %v: %s", err, said)
				}
			}
		})
	}
}

// What another process writes is left alone, and so is what is no file of ours.
func TestRecoverLeavesOthers(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "a.pcapng")
	log := new(lab.Transcript)
	living := openArchive(t, archiveOptions(path, log)) // which may meet the foreign file, too
	var s series
	if err := errors.Join(living.Write(s.batch(5, 60, 1)), living.Flush()); err != nil {
		t.Fatal(err)
	}
	foreign := []byte("a download of somebody's")
	// Whole at once: one of no bytes is an earlier run's that came to nothing.
	begun := filepath.Join(directory, "begun")
	if err := errors.Join(os.WriteFile(begun, foreign, 0o644), os.Rename(begun, filepath.Join(directory, "a-7.pcapng.part"))); err != nil {
		t.Fatal(err)
	}
	other := openArchive(t, archiveOptions(path, log))
	if err := errors.Join(other.Discard(), living.Write(s.batch(5, 60, 1)), living.Close()); err != nil {
		t.Fatal(err)
	}
	if n := len(inFiles(t, path)); n != 10 || living.Files().Complete != 1 || other.Files() != (FileCounts{}) {
		t.Errorf("%d packets; %+v, %+v", n, living.Files(), other.Files())
	}
	if !bytes.Equal(read(t, filepath.Join(directory, "a-7.pcapng.part")), foreign) || !strings.Contains(log.String(), errNotOurs.Error()) {
		t.Errorf("the foreign file is not as it was; log:\n%s", log)
	}
}

// A file that is being made while those of an earlier run are looked through is its
// maker's: it gets the name that was asked for, and none is left behind.
func TestRecoverLeavesWhatIsBegun(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.pcapng"+hiddenEnd)
	p := new(publisher)
	done, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		for {
			select {
			case <-done:
				return
			default:
				if err := p.recover(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
					return
				}
			}
		}
	}()
	for i := range 2000 {
		made, err := createPart(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		if made.suffix != 0 {
			t.Errorf("file %d is %s", i, made.place())
		}
		if err := errors.Join(made.discard(), made.out.Close()); err != nil {
			t.Fatal(err)
		}
		if made.suffix != 0 {
			break
		}
	}
	close(done)
	<-looked
}
