package config

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/aws"
)

// update rewrites the golden files: go test ./config -update
var update = flag.Bool("update", false, "rewrite testdata")

func readTestdata[T any](t *testing.T, path string, read func(io.Reader) (T, error)) T {
	t.Helper()
	in, err := os.Open(filepath.Join("testdata", path))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	list, err := read(in)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// What is imported is the same whatever the order of the input, is read without a
// complaint, and has the filters' rules.
func TestImport(t *testing.T) {
	t.Parallel()
	sessions := readTestdata(t, "import/sessions.json", aws.ReadSessions)
	filters := readTestdata(t, "filters.json", aws.ReadFilters)
	interfaces := readTestdata(t, "import/interfaces.json", aws.ReadInterfaces)
	reversed := slices.Clone(sessions)
	slices.Reverse(reversed)
	for _, test := range []struct {
		golden     string
		interfaces map[string]aws.Interface
		taken      int // sessions
		notes      []string
	}{
		{"full.yaml", interfaces, 3, []string{
			`session tms-04: no address of its interface "eni-04" is known: its source is left out`,
			"session tms-05 has no VirtualNetworkId: it is left out",
			"sessions tms-02, tms-03 are one here, of VNI 12345",
			"filter tmf-0456: AWS also mirrors amazon-dns, which no rule says: add rules that take it, or it is filtered",
		}},
		{"sessions.yaml", nil, 2, []string{
			"session tms-05 has no VirtualNetworkId: it is left out",
			"sessions tms-01, tms-02, tms-03 are one here, of VNI 12345; with the interfaces they can be told apart by source",
			"filter tmf-0456: AWS also mirrors amazon-dns, which no rule says: add rules that take it, or it is filtered",
		}},
	} {
		text, notes, err := FromAWS(sessions, filters, test.interfaces)
		if err != nil {
			t.Fatal(err)
		}
		checkGolden(t, filepath.Join("testdata", "import", test.golden), string(text))
		if diff := cmp.Diff(test.notes, notes); diff != "" {
			t.Errorf("%s: %s", test.golden, diff)
		}
		again, _, err := FromAWS(reversed, filters, test.interfaces)
		if err != nil || string(again) != string(text) {
			t.Errorf("%s: another order of sessions gives another text, or %v", test.golden, err)
		}
		c := parse(t, string(text))
		if len(c.Policy.Sessions) != test.taken {
			t.Errorf("%s: %d sessions, want %d", test.golden, len(c.Policy.Sessions), test.taken)
		}
		for _, filter := range filters {
			got := c.Filters[filter.ID]
			if !slices.Equal(got.Ingress, filter.Rules.Ingress) || !slices.Equal(got.Egress, filter.Rules.Egress) {
				t.Errorf("%s: filter %s is %+v, want %+v", test.golden, filter.ID, got, filter.Rules)
			}
		}
	}
}

func checkGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestImportWithoutFilter(t *testing.T) {
	t.Parallel()
	_, _, err := FromAWS([]aws.Session{{ID: "tms-1", FilterID: "tmf-1"}, {ID: "tms-2", FilterID: "tmf-2"}}, []aws.Filter{{ID: "tmf-2"}}, nil)
	if err == nil || err.Error() != "session tms-1: its filter tmf-1 is not among the filters" {
		t.Errorf("%v", err)
	}
}

// Nothing that people write into names and descriptions makes a text that cannot be
// read.
func FuzzImport(f *testing.F) {
	f.Add("name", "description")
	f.Add("a: b", "#\n- {")
	f.Add("null", "\u2028\ufeff")
	f.Add(`"\`, "\xff")
	f.Fuzz(func(t *testing.T, name, description string) {
		vni := uint32(1)
		filters := []aws.Filter{{
			ID: "tmf-1", Name: name, Description: description, Services: []string{description},
			Rules: &mirror.Filter{Ingress: []mirror.Rule{{Number: 1}}}, IngressDescriptions: []string{description},
		}}
		sessions := []aws.Session{{ID: "tms-1", VNI: &vni, Name: name, Description: description, Owner: name, FilterID: "tmf-1"}}
		text, _, err := FromAWS(sessions, filters, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse("f", text, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if len(c.Policy.Sessions) != 1 || len(c.Filters["tmf-1"].Ingress) != 1 {
			t.Errorf("%s", text)
		}
	})
}
