package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", "configure.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// Each key that there is has a line in the section of the page that is about it, and
// no section has a line for another.
func TestPageNamesEveryKey(t *testing.T) {
	t.Parallel()
	sections := strings.Split(readPage(t), "\n## ")
	want := map[string]map[string]bool{
		"The file": keySet(names(configKeys), names(portsKeys)),
		"Sessions": keySet(names(sessionKeys), names(sampleKeys)),
		"Filters":  keySet(names(filterKeys), names(ruleKeys)),
		"Outputs":  keySet(names(outputKeys[OutputPcapng]), names(s3Keys), names(outputKeys[OutputVeth]), names(outputKeys[OutputAFPacket]), names(socketKeys)),
	}
	for _, section := range sections {
		title, text, _ := strings.Cut(section, "\n")
		if want[title] == nil {
			continue
		}
		got := make(map[string]bool)
		for line := range strings.Lines(text) {
			if key, ok := strings.CutPrefix(line, "| `"); ok {
				key, _, _ = strings.Cut(key, "` |")
				got[key] = true
			}
		}
		if diff := cmp.Diff(want[title], got); diff != "" {
			t.Errorf("section %s (-there are +the page has):\n%s", title, diff)
		}
		delete(want, title)
	}
	if len(want) > 0 {
		t.Errorf("no sections %v", want)
	}
}

func keySet(lists ...string) map[string]bool {
	set := make(map[string]bool)
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ", ") {
			set[name] = true
		}
	}
	return set
}

// The page's example is the one that TestContract reads.
func TestPageExample(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(readPage(t), "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	want, err := os.ReadFile(filepath.Join("testdata", "contract.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), example); diff != "" {
		t.Error(diff)
	}
}

// What the page shows of complaints is what is said.
func TestPageComplaints(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("testdata", "wrong.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, wrong := Parse("wrong.yaml", text, nil)
	shown := 0
	for line := range strings.Lines(readPage(t)) {
		complaint, ok := strings.CutPrefix(line, "    xdpeel: error: ")
		if !ok {
			continue
		}
		shown++
		if !strings.Contains(wrong.Error()+"\n", complaint) {
			t.Errorf("the page shows %s, of\n%v", complaint, wrong)
		}
	}
	if shown == 0 {
		t.Error("the page shows none")
	}
}

// The page names every protocol that rules know by name.
func TestPageNamesProtocols(t *testing.T) {
	t.Parallel()
	page := readPage(t)
	for name := range protocolNames {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/configure.md does not name protocol %s", name)
		}
	}
}
