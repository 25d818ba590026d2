package judges

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/xdpeel/xdpeel/mirror"
)

// Names are those of the judges, as [Open] takes them.
var Names = []string{"native", "mirror", "kernel"}

// Open makes a panel of the judges of names. server is what [BuildServer] built;
// it is needed for "native" only.
func Open(names []string, server string) (*Panel, error) {
	p := &Panel{}
	for _, name := range names {
		switch name {
		case "native":
			native, err := openNative(server, os.Stderr)
			if err != nil {
				return nil, err
			}
			p.Judges = append(p.Judges, native)
		case "mirror":
			p.Judges = append(p.Judges, Reference{})
		case "kernel":
			p.Judges = append(p.Judges, openKernel())
		default:
			return nil, fmt.Errorf("open judge %q: there are %s", name, strings.Join(Names, ", "))
		}
	}
	return p, nil
}

// Shortest returns the length in bytes of the shortest frame that all of names
// can judge.
func Shortest(names []string) int {
	if slices.Contains(names, "kernel") {
		return mirror.EthernetLength
	}
	return 0
}

// fuzzed returns fuzzPolicies, the same for all files.
func (p *Panel) fuzzed() *Policies {
	if p.fuzzPolicies == nil {
		p.fuzzPolicies = fuzzPolicies()
	}
	return p.fuzzPolicies
}

// Replay asks the panel about a file: one that the fuzzer wrote, or that a
// disagreement was saved in. Frames shorter than shortest are left out. It
// returns how many frames were judged; a file that is no sequence has none.
func (p *Panel) Replay(path string, shortest int) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	s := Sequence{Policies: p.fuzzed()}
	if s.UnmarshalBinary(data) != nil {
		return 0, nil
	}
	s.Frames = slices.DeleteFunc(s.Frames, func(f Frame) bool { return len(f.Bytes) < shortest })
	if _, err := p.Ask(&s); err != nil {
		return 0, fmt.Errorf("replay %s: %w", path, err)
	}
	return len(s.Frames), nil
}
