package host

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"

	"github.com/xdpeel/xdpeel/netspace"
)

// NamespaceOfSys returns the name of the network namespace that `ip netns exec` has
// begun this process in, "" if a directory is not in the /sys that it mounted for it
// alone: pins in such a bpffs go when the process does.
func NamespaceOfSys(directory string) string {
	if !strings.HasPrefix(directory, "/sys/") {
		return ""
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer mounts.Close()
	source := ""
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		place, kind, _ := strings.Cut(lines.Text(), " - ")
		fields, of := strings.Fields(place), strings.Fields(kind)
		if len(fields) > 4 && fields[4] == "/sys" && len(of) > 1 && of[0] == "sysfs" {
			source = of[1] // the last one hides the others
		}
	}
	if source == "" || strings.Contains(source, "/") {
		return ""
	}
	if _, err := os.Stat(filepath.Join(netspace.Directory, source)); err != nil {
		return "" // it is called sysfs, mostly
	}
	return source
}
