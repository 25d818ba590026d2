package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// The operator's page has a line for every subject, and no other.
func TestPageNamesEverySubject(t *testing.T) {
	t.Parallel()
	if labtest.IsGuest() {
		t.Skip("the pages are not in a guest")
	}
	page, err := os.ReadFile(filepath.Join("..", "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[string]bool)
	for line := range strings.Lines(string(page)) {
		if word, ok := strings.CutPrefix(line, "| `"); ok {
			word, _, _ = strings.Cut(word, "` |")
			there[word] = true
		}
	}
	all := (&visit{nic: new(nic)}).examiners()
	for _, e := range all {
		if !there[string(e.subject)] {
			t.Errorf("docs/doctor.md has no line for %s", e.subject)
		}
	}
	if len(there) != len(all) {
		t.Errorf("docs/doctor.md has %d subjects, there are %d", len(there), len(all))
	}
}
