package main

import "testing"

// What Suricata makes of frames live is what `suricata -r` makes of them in a file,
// but for what is Suricata's own.
func TestSuricataLive(t *testing.T) {
	needSuricata(t)
	for name, list := range map[string][]traffic{"inner": innerTraffic(t), "mirrored": mirroredTraffic(t)} {
		t.Run(name, func(t *testing.T) {
			expectOwnDifferences(t, list, readFiles(t, list), readPlain(t, list))
		})
	}
}
