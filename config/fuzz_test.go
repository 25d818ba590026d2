package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Whatever the text, there is a configuration that can be used or there are
// complaints with a place.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"contract.yaml", "wrong.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("sessions: &a [*a, {vni: any, sample: {one_in: 3}}]\nfilters: {x: &f {ingress: &r [{rule: 1}], egress: *r}, y: *f}"))
	f.Add([]byte("outputs: {a: &o {type: pcapng, path: x}, b: *o, *o : c}\n? {}\n: []\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f", text, map[string]int{"archive": 7, "ids": 31})
		if err == nil {
			if err := c.Policy.Check(); err != nil {
				t.Errorf("%v", err)
			}
			return
		}
		var complaints Complaints
		if !errors.As(err, &complaints) || len(complaints) == 0 {
			t.Fatalf("%v", err)
		}
		for _, complaint := range complaints {
			if complaint.Line < 1 || complaint.Column < 1 || complaint.Text == "" {
				t.Errorf("%v", complaint)
			}
		}
	})
}
