package judges

import (
	"fmt"
	"os"
	"slices"
)

// fuzzed returns fuzzPolicies, the same for all files.
func (p *Panel) fuzzed() *policies {
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
	s := sequence{Policies: p.fuzzed()}
	if s.UnmarshalBinary(data) != nil {
		return 0, nil
	}
	s.Frames = slices.DeleteFunc(s.Frames, func(f frame) bool { return len(f.Bytes) < shortest })
	if _, err := p.ask(&s); err != nil {
		return 0, fmt.Errorf("replay %s: %w", path, err)
	}
	return len(s.Frames), nil
}
