package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// member is a header of 110 bytes, name and data as the kernel expects them, with
// the padding written out by hand.
func member(inode, mode, size, nameSize, rest string) string {
	zero := strings.Repeat("0", 8)
	return "070701" + inode + mode + zero + zero + "00000001" + zero + size +
		zero + zero + zero + zero + nameSize + zero + rest
}

func TestCPIO(t *testing.T) {
	t.Parallel()
	tree := t.TempDir()
	if err := os.MkdirAll(filepath.Join(tree, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "sub", "d"), []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}

	var got bytes.Buffer
	archive := newCPIO(&got)
	archive.add("/init", 0o755, []byte("abcd"))
	archive.add("a/b", 0o644, []byte("x"))
	if err := archive.addTree(tree, "/a"); err != nil {
		t.Fatal(err)
	}
	if err := archive.addTree(filepath.Join(tree, "sub", "d"), "e"); err != nil {
		t.Fatal(err)
	}
	if err := archive.close(); err != nil {
		t.Fatal(err)
	}

	want := member("00000001", "000081ed", "00000004", "00000005", "init\x00\x00"+"abcd") +
		member("00000002", "000041ed", "00000000", "00000002", "a\x00") +
		member("00000003", "000081a4", "00000001", "00000004", "a/b\x00\x00\x00"+"x\x00\x00\x00") +
		member("00000004", "000041ed", "00000000", "00000006", "a/sub\x00") +
		member("00000005", "000081ed", "00000005", "00000008", "a/sub/d\x00\x00\x00"+"12345\x00\x00\x00") +
		member("00000006", "000081ed", "00000005", "00000002", "e\x00"+"12345\x00\x00\x00") +
		member("00000007", "00000000", "00000000", "0000000b", "TRAILER!!!\x00\x00\x00\x00")
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}
