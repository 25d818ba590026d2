package judges

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const compiler = "clang-19"

// ErrNoCompiler is what BuildServer and BuildFuzzer fail with where the compiler
// of the kernel program is not installed.
var ErrNoCompiler = errors.New("no " + compiler + ": install the Debian packages clang-19 and libclang-rt-19-dev")

// The C files of each program, in judges/native.
var (
	sharedFiles = []string{"program.c", "hashmap.c", "policies.c", "buffers.c", "handover.c", "sequence.c", "check.c"}
	serverFiles = append([]string{"server.c"}, sharedFiles...)
	fuzzerFiles = append([]string{"fuzz.c", "draft.c", "layers.c", "edits.c"}, sharedFiles...)
)

// Sanitizers watch over a program that runs on the host.
type Sanitizers string

// Addresses finds accesses beyond a buffer and undefined behaviour; Memory finds
// decisions that rest on bytes nobody has set. A program cannot have both. Without
// any it is compiled soonest.
const (
	Addresses    Sanitizers = "address,undefined"
	Memory       Sanitizers = "memory"
	NoSanitizers Sanitizers = ""
)

// flags returns the compiler's.
func (s Sanitizers) flags() []string {
	if s == NoSanitizers {
		return []string{"-O0"}
	}
	return []string{
		"-O2", "-g", "-fno-omit-frame-pointer", "-fsanitize=" + string(s), "-fno-sanitize-recover=all",
		// Headers in a frame are not aligned, and bpf/frame.h reads them as if they were.
		"-fno-sanitize=alignment",
		// bpf_loop knows of its callback as little as the kernel's does.
		"-fno-sanitize=function",
	}
}

// BuildServer compiles the judge that [openNative] starts and returns its path,
// in directory. root is the directory of go.mod.
func BuildServer(root, directory string, sanitizers Sanitizers) (string, error) {
	return build(root, filepath.Join(directory, "server"), sanitizers, serverFiles)
}

// BuildFuzzer compiles the libFuzzer program and returns its path, in directory,
// and writes its policies beside it. root is the directory of go.mod.
func BuildFuzzer(root, directory string) (string, error) {
	if err := os.WriteFile(filepath.Join(directory, "policies"), fuzzPolicies().binary, 0o644); err != nil {
		return "", fmt.Errorf("write policies: %w", err)
	}
	return build(root, filepath.Join(directory, "fuzz"), "fuzzer,"+Addresses, fuzzerFiles)
}

func build(root, output string, sanitizers Sanitizers, files []string) (string, error) {
	path, err := exec.LookPath(compiler)
	if err != nil {
		return "", ErrNoCompiler
	}
	command := exec.Command(path, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter",
		"-Ishim", "-I../../bpf", "-o", output)
	command.Args = append(command.Args, sanitizers.flags()...)
	command.Args = append(command.Args, files...)
	command.Dir = filepath.Join(root, "judges", "native")
	if message, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile %s: %w\n%s", filepath.Base(output), err, message)
	}
	return output, nil
}
