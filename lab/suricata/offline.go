package suricata

import (
	"context"
	"fmt"
	"os/exec"
)

// ReadFile has Suricata read a capture file, as `suricata -r` does, in a directory
// that is empty. All packets go through one thread.
func ReadFile(ctx context.Context, directory, path string) (*Findings, error) {
	if err := prepare(directory, nil); err != nil {
		return nil, fmt.Errorf("prepare Suricata: %w", err)
	}
	command := exec.CommandContext(ctx, "suricata", append(arguments(directory), "--runmode", "single", "-r", path)...)
	if out, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("run suricata -r %s: %w: %s", path, err, out)
	}
	return readFindings(directory)
}
