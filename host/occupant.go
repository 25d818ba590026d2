package host

import (
	"fmt"

	"github.com/xdpeel/xdpeel/loader"
)

func examineOccupant(v *visit) ([]Finding, error) {
	holder, err := loader.HolderOf(v.nic.link)
	if err != nil {
		return nil, err
	}
	return judgeOccupant(v.Interface, holder), nil
}

func judgeOccupant(name string, holder *loader.Holder) []Finding {
	switch {
	case holder == nil:
		return found("%s carries no XDP program", name)
	case holder.Hidden:
		return []Finding{{
			Level: Failure, Found: fmt.Sprintf("%s carries an XDP program (id %d)", name, holder.ID),
			Why:    "an interface takes one; whose it is takes CAP_SYS_ADMIN to tell",
			Remedy: "sudo xdpeel doctor -i " + name,
		}}
	case holder.Ours:
		return []Finding{{
			Level: Note, Found: fmt.Sprintf("%s carries xdpeel's program (id %d)", name, holder.ID),
			Why: "another xdpeel runs here, or has left its program on", Remedy: "xdpeel detach -i " + name,
		}}
	}
	return []Finding{{
		Level: Failure, Found: fmt.Sprintf("%s carries the XDP program %q (id %d)", name, holder.Name, holder.ID),
		Why:    "an interface takes one, and xdpeel takes none off that is somebody else's",
		Remedy: "bpftool net show dev " + name,
	}}
}
