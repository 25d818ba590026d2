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

// Panel asks several judges the same.
type Panel struct {
	judges       []judge
	judgements   []judgements
	tally        judgements
	fuzzPolicies *policies
}

// Open makes a panel of the judges of names. server is what [BuildServer] built;
// it is needed for "native" only.
func Open(names []string, server string) (*Panel, error) {
	p := &Panel{}
	for _, name := range names {
		switch name {
		case "native":
			n, err := openNative(server, os.Stderr)
			if err != nil {
				return nil, err
			}
			p.judges = append(p.judges, n)
		case "mirror":
			p.judges = append(p.judges, reference{})
		case "kernel":
			p.judges = append(p.judges, openKernel())
		default:
			return nil, fmt.Errorf("open judge %q: there are %s", name, strings.Join(Names, ", "))
		}
	}
	return p, nil
}

// ask has all judges judge s. The first one's judgements are returned; the error
// is a [disagreement] if another's are not the same, or if a judge's ledger is
// not the sum of its judgements.
func (p *Panel) ask(s *sequence) (*judgements, error) {
	if p.judgements == nil {
		p.judgements = make([]judgements, len(p.judges))
	}
	for i, judge := range p.judges {
		if err := judge.Judge(s, &p.judgements[i]); err != nil {
			return nil, fmt.Errorf("judge %s: %w", judge.Name(), err)
		}
	}
	first := &p.judgements[0]
	for frame := range s.Frames {
		for i := range p.judgements[1:] {
			if !equal(&first.List[frame], &p.judgements[i+1].List[frame]) {
				return nil, p.disagree(s, frame)
			}
		}
	}
	for i := range p.judgements {
		if err := p.checkLedger(s, i); err != nil {
			return nil, err
		}
	}
	return first, nil
}

// Close closes the judges and returns the first error.
func (p *Panel) Close() error {
	var failed error
	for _, judge := range p.judges {
		if err := judge.Close(); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

// Shortest returns the length in bytes of the shortest frame that all of names
// can judge.
func Shortest(names []string) int {
	if slices.Contains(names, "kernel") {
		return mirror.EthernetLength
	}
	return 0
}
