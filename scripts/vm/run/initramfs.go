package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// guestModules are loaded in every guest, with what they depend on. It has no
// modprobe, so nothing is loaded later.
var guestModules = []string{
	"virtio_pci", "virtio_net", "vmxnet3",
	"veth", "dummy", "bridge", "8021q", "vxlan", "geneve",
	"sch_ingress", "cls_bpf",
}

// job tells the guest what to do. It is jobPath in the initramfs.
type job struct {
	Modules []string // paths, dependencies first
	Command []string
	Env     []string // NAME=VALUE
	Dir     string
}

const jobPath = "/job.json"

// writeInitramfs writes the guest's whole file system.
func (m *machine) writeInitramfs(w io.Writer) error {
	archive := newCPIO(w)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := "/bin/" + filepath.Base(m.binary)
	files := append([]file{{self, "/init"}, {m.binary, command}}, m.files...)
	for _, f := range files {
		if err := archive.addTree(f.from, f.to); err != nil {
			return fmt.Errorf("add %q: %w", f.from, err)
		}
	}
	tree, err := findModules(filepath.Join(m.kernel, "modules"))
	if err != nil {
		return err
	}
	modules, err := tree.inLoadOrder(guestModules)
	if err != nil {
		return err
	}
	j := job{Command: append([]string{command}, m.args...), Env: m.env, Dir: m.dir}
	for _, module := range modules {
		name := "/modules/" + module.name + ".ko"
		archive.add(name, 0o644, module.image)
		j.Modules = append(j.Modules, name)
	}
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	archive.add(jobPath, 0o644, text)
	return archive.close()
}
