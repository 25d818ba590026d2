package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// moduleImage is the least ELF file that has a section .modinfo.
func moduleImage(t *testing.T, info string) []byte {
	t.Helper()
	const names = "\x00.modinfo\x00.shstrtab\x00"
	const headerSize, sectionSize = 64, 64
	body := info + names
	header := elf.Header64{
		Ident:     [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:      uint16(elf.ET_REL),
		Machine:   uint16(elf.EM_X86_64),
		Version:   uint32(elf.EV_CURRENT),
		Shoff:     uint64(headerSize + len(body)),
		Ehsize:    headerSize,
		Shentsize: sectionSize,
		Shnum:     3,
		Shstrndx:  2,
	}
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: headerSize, Size: uint64(len(info))},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: uint64(headerSize + len(info)), Size: uint64(len(names))},
	}
	var image bytes.Buffer
	for _, part := range []any{header, []byte(body), sections} {
		if err := binary.Write(&image, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return image.Bytes()
}

// writeModules makes a tree of modules: file name to what depends= says, or
// nothing where there is no such line.
func writeModules(t *testing.T, builtin string, depends map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string][]byte{"modules.builtin": []byte(builtin)}
	for name, list := range depends {
		files["kernel/drivers/net/"+name] = moduleImage(t, "license=GPL\x00"+list+"vermagic=6.1\x00")
	}
	for name, data := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func names(modules []module) []string {
	var list []string
	for _, m := range modules {
		list = append(list, m.name)
	}
	return list
}

func TestModulesInLoadOrder(t *testing.T) {
	t.Parallel()
	tree, err := findModules(writeModules(t, "kernel/drivers/virtio/virtio.ko\nkernel/net/ipv6/ipv6.ko\n", map[string]string{
		"vxlan.ko":       "depends=udp_tunnel,ip6-udp-tunnel,ipv6\x00",
		"geneve.ko":      "depends=ip6_udp_tunnel,udp_tunnel\x00",
		"udp_tunnel.ko":  "depends=ip6_udp_tunnel\x00",
		"virtio-net.ko":  "depends=virtio,failover\x00",
		"failover.ko":    "depends=\x00",
		"broken.ko":      "depends=nowhere\x00",
		"circle.ko":      "depends=circle2\x00",
		"circle2.ko":     "depends=circle\x00",
		"undependent.ko": "",
		// Named with dashes on disk, with underscores by those who depend on it.
		"ip6-udp-tunnel.ko": "depends=\x00",
	}))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		ask     []string
		want    []string
		wantErr string
	}{
		{name: "dependencies first, each once", ask: []string{"vxlan", "geneve"},
			want: []string{"ip6_udp_tunnel", "udp_tunnel", "vxlan", "geneve"}},
		{name: "dashes are underscores, built in is left out", ask: []string{"virtio-net", "ipv6"},
			want: []string{"failover", "virtio_net"}},
		{name: "asked for twice", ask: []string{"failover", "failover"}, want: []string{"failover"}},
		{name: "no depends line", ask: []string{"undependent"}, want: []string{"undependent"}},
		{name: "a circle ends", ask: []string{"circle"}, want: []string{"circle2", "circle"}},
		{name: "absent", ask: []string{"absent"}, wantErr: `read module "absent": neither built in nor below`},
		{name: "dependency absent", ask: []string{"broken"}, wantErr: `read module "nowhere": neither built in`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := tree.inLoadOrder(test.ask)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("error %v, want one with %q", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, names(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompressedModules(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"xz", "zstd"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			labtest.Need(t, program)
			dir := writeModules(t, "", map[string]string{"veth.ko": "depends=\x00"})
			file := filepath.Join(dir, "kernel/drivers/net/veth.ko")
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(program, "-q", file).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			// zstd keeps what it compressed.
			if err := os.RemoveAll(file); err != nil {
				t.Fatal(err)
			}
			tree, err := findModules(dir)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tree.inLoadOrder([]string{"veth"})
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || !bytes.Equal(got[0].image, want) {
				t.Errorf("%d modules, not the one that was compressed", len(got))
			}
		})
	}
}
