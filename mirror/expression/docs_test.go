package expression

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var codeSpan = regexp.MustCompile("`([^`]+)`")

// documented returns the expressions in the first column of the table under a
// heading of docs/filters.md.
func documented(t *testing.T, heading string) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "filters.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var texts []string
	for line := range strings.Lines(strings.ReplaceAll(section, `\|`, "\x00")) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, span := range codeSpan.FindAllStringSubmatch(cells[1], -1) {
			texts = append(texts, strings.ReplaceAll(span[1], "\x00", "|"))
		}
	}
	if len(texts) == 0 {
		t.Fatalf("docs/filters.md has no expressions under %q", heading)
	}
	return texts
}

func TestDocumentedSubset(t *testing.T) {
	t.Parallel()
	for _, text := range documented(t, "Expressions") {
		if _, err := Compile(text); err != nil {
			t.Errorf("docs/filters.md says that it takes %s: %v", text, err)
		}
	}
}

func TestDocumentedRefusals(t *testing.T) {
	t.Parallel()
	for _, text := range documented(t, "What is refused") {
		if rules, err := Compile(text); err == nil {
			t.Errorf("docs/filters.md says that it refuses %s:\n%s", text, Format(rules))
		}
	}
}

func TestDocumentedExpansion(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "filters.md"))
	if err != nil {
		t.Fatal(err)
	}
	const text = "tcp port 443 and not src net 10.9.0.0/16"
	rules, err := Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	want := "$ xdpeel config expand " + text + "\n" + Format(rules)
	if !strings.Contains(string(page), strings.ReplaceAll(strings.TrimSpace(want), "\n", "\n    ")) {
		t.Errorf("docs/filters.md does not show\n%s", want)
	}
}
