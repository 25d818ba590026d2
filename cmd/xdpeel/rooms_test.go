package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const repository = "../.."

var (
	roomRow   = regexp.MustCompile("(?m)^\\| `([^`]+)/` \\|.*\\|([^|]*)\\|$")
	inQuotes  = regexp.MustCompile("`([^`]+)`")
	namedFile = regexp.MustCompile("`([\\w/.-]+\\.(?:go|h|c|md))`")
)

func architecture(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sources are all files of the repository that ARCHITECTURE.md may name.
func sources(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "build" || name == "testdata" || len(name) > 2 && name[0] == '.') {
			return filepath.SkipDir
		}
		path, err = filepath.Rel(repository, path)
		paths = append(paths, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// Each room imports what the page says, tests apart, and no other.
func TestArchitectureNamesImports(t *testing.T) {
	t.Parallel()
	want, got := map[string][]string{}, map[string][]string{}
	for _, row := range roomRow.FindAllStringSubmatch(architecture(t), -1) {
		want[row[1]], got[row[1]] = []string{}, []string{}
		for _, name := range inQuotes.FindAllStringSubmatch(row[2], -1) {
			want[row[1]] = append(want[row[1]], name[1])
		}
		slices.Sort(want[row[1]])
	}
	for _, path := range sources(t) {
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(repository, path), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		room := filepath.Dir(path)
		for want[room] == nil && room != "." {
			room = filepath.Dir(room) // a program of the room's own
		}
		for _, imported := range file.Imports {
			name, _ := strconv.Unquote(imported.Path.Value)
			name, ours := strings.CutPrefix(name, "github.com/xdpeel/xdpeel/")
			if _, isRoom := want[name]; ours && isRoom && name != room {
				got[room] = append(got[room], name)
			}
		}
	}
	for room := range maps.Keys(got) {
		slices.Sort(got[room])
		got[room] = slices.Compact(got[room])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("imports (-page +source):\n%s", diff)
	}
}

// Each file that the page names is there.
func TestArchitectureNamesFiles(t *testing.T) {
	t.Parallel()
	paths := sources(t)
	for _, name := range namedFile.FindAllStringSubmatch(architecture(t), -1) {
		if !slices.ContainsFunc(paths, func(path string) bool { return path == name[1] || strings.HasSuffix(path, "/"+name[1]) }) {
			t.Errorf("there is no %s", name[1])
		}
	}
}
