package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// moduleTree knows where a kernel's modules are. Debian's packages hold no
// modules.dep, which is made when they are installed: each module is asked
// itself what it depends on.
type moduleTree struct {
	dir     string
	files   map[string]string // by name
	builtin map[string]bool
}

// module is a kernel module, ready to be loaded.
type module struct {
	name  string
	image []byte // ELF, not compressed
}

// findModules looks through a directory such as /lib/modules/VERSION.
func findModules(dir string) (*moduleTree, error) {
	t := &moduleTree{dir: dir, files: make(map[string]string), builtin: make(map[string]bool)}
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if strings.Contains(filepath.Base(name), ".ko") {
			t.files[moduleName(name)] = name
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find modules: %w", err)
	}
	list, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, fmt.Errorf("find modules: %w", err)
	}
	for _, name := range strings.Fields(string(list)) {
		t.builtin[moduleName(name)] = true
	}
	return t, nil
}

// moduleName returns the name that the kernel itself uses for a module's file:
// without directory and endings, and with underscores.
func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// inLoadOrder returns the named modules and all that they depend on, each behind
// its dependencies. What is built into the kernel is left out.
func (t *moduleTree) inLoadOrder(names []string) ([]module, error) {
	var order []module
	seen := make(map[string]bool)
	var visit func(name string) error
	visit = func(name string) error {
		if seen[name] || t.builtin[name] {
			return nil
		}
		seen[name] = true
		m, err := t.read(name)
		if err != nil {
			return fmt.Errorf("read module %q: %w", name, err)
		}
		dependencies, err := m.dependencies()
		if err != nil {
			return fmt.Errorf("read module %q: %w", name, err)
		}
		for _, dependency := range dependencies {
			if err := visit(dependency); err != nil {
				return err
			}
		}
		order = append(order, m)
		return nil
	}
	for _, name := range names {
		if err := visit(moduleName(name)); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// read decompresses here, which an emulated CPU would take far longer to do.
func (t *moduleTree) read(name string) (module, error) {
	file, ok := t.files[name]
	if !ok {
		return module{}, fmt.Errorf("neither built in nor below %q", t.dir)
	}
	var image []byte
	var err error
	switch filepath.Ext(file) {
	case ".xz":
		image, err = exec.Command("xz", "-dc", file).Output()
	case ".zst":
		image, err = exec.Command("zstd", "-dcq", file).Output()
	default:
		image, err = os.ReadFile(file)
	}
	return module{name, image}, err
}

// dependencies reads "depends=a,b" among the NUL-terminated strings of the
// section .modinfo.
func (m module) dependencies() ([]string, error) {
	image, err := elf.NewFile(bytes.NewReader(m.image))
	if err != nil {
		return nil, err
	}
	section := image.Section(".modinfo")
	if section == nil {
		return nil, errors.New("no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for _, field := range strings.Split(string(info), "\x00") {
		if list, ok := strings.CutPrefix(field, "depends="); ok && list != "" {
			names := strings.Split(list, ",")
			for i := range names {
				names[i] = moduleName(names[i])
			}
			return names, nil
		}
	}
	return nil, nil
}
