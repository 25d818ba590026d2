package judges

import (
	"fmt"
	"os"
	"path/filepath"
)

// exportedFrames is short, so that the fuzzer finds out what matters.
const exportedFrames = 4

// Export writes generated sequences into directory, one a file, for the fuzzer
// to start from; their policies are fuzzPolicies. Those of jumbo frames are left out: they slow it down.
func Export(directory string, seed uint64, count int) error {
	g := generator{Seed: seed, Frames: exportedFrames, book: fuzzBook()}
	var s sequence
	for number := range count {
		g.fill(uint64(number), &s)
		data, err := s.AppendBinary(nil)
		if err != nil {
			return fmt.Errorf("export sequence: %w", err)
		}
		if len(data) > 4096 {
			continue
		}
		path := filepath.Join(directory, fmt.Sprintf("generated-%d-%d", seed, number))
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("export sequence: %w", err)
		}
	}
	return nil
}
