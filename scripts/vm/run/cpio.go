package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// cpioWriter writes an archive in the "newc" form that the kernel unpacks into
// its first file system (Documentation/driver-api/early-userspace/buffer-format.rst).
// Write errors stay in the buffer until close.
type cpioWriter struct {
	w           *bufio.Writer
	inode       int
	directories map[string]bool
}

func newCPIO(w io.Writer) *cpioWriter {
	return &cpioWriter{w: bufio.NewWriterSize(w, 1<<20), directories: make(map[string]bool)}
}

// entry writes one member. Header with name, and data, are each padded to 4 bytes.
func (c *cpioWriter) entry(name string, mode uint32, data []byte) {
	c.inode++
	const magic, links = "070701", 1
	// Inode, mode, user, group, links, time, size, device and special device
	// (major, minor), length of the name with its NUL, checksum.
	header := fmt.Sprintf("%s%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		magic, c.inode, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name)
	c.w.WriteString(header + padding(len(header)))
	c.w.Write(data)
	c.w.WriteString(padding(len(data)))
}

func padding(length int) string { return "\x00\x00\x00"[:-length&3] }

// add writes a regular file, and before it the directories on its way. A leading
// slash makes no difference.
func (c *cpioWriter) add(name string, perm fs.FileMode, data []byte) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	for i := range name {
		if parent := name[:i]; name[i] == '/' && !c.directories[parent] {
			c.directories[parent] = true
			c.entry(parent, 0o040755, nil)
		}
	}
	c.entry(name, 0o100000|uint32(perm.Perm()), data)
}

// addTree writes the file `from`, or all files below it, as `to`.
func (c *cpioWriter) addTree(from, to string) error {
	return filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		below, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		c.add(path.Join(to, filepath.ToSlash(below)), 0o755, data)
		return nil
	})
}

func (c *cpioWriter) close() error {
	c.entry("TRAILER!!!", 0, nil)
	return c.w.Flush()
}
