package main

import (
	"os"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/export"
)

// outputFlags say where packets go.
type outputFlags struct {
	path        string
	rotateSize  byteSize
	rotateEvery uint
	files       uint
	ledger      string
	live        bool // packets come as they are captured
}

func (o *outputFlags) registerRotation(flags *pflag.FlagSet) {
	flags.VarP(&o.rotateSize, "rotate-size", "C", "begin a new file before this `size` is exceeded: millions of bytes, or with a unit")
	flags.UintVarP(&o.rotateEvery, "rotate-every", "G", 0, "begin a new file after this many `seconds`")
	flags.UintVarP(&o.files, "files", "W", 0, "with -C keep the newest `n` files; with -G alone end after n")
}

func (o *outputFlags) registerLedger(flags *pflag.FlagSet) {
	flags.StringVar(&o.ledger, "ledger", "", "write the ledger as JSON to this `file` in the end; - is stdout")
}

// check refuses flags that contradict each other, and a terminal as the place
// for a binary stream.
func (o *outputFlags) check(env *environment) error {
	if o.path == "" && (o.rotateSize != 0 || o.rotateEvery != 0 || o.files != 0) {
		return usageErrorf("-C, -G and -W rotate files: they need -w FILE")
	}
	if o.files != 0 && o.rotateSize == 0 && o.rotateEvery == 0 {
		return usageErrorf("-W limits the number of files: it needs -C or -G")
	}
	if o.path != "-" {
		return nil
	}
	if o.rotateSize != 0 || o.rotateEvery != 0 {
		return usageErrorf("-C and -G rotate files: -w - is none")
	}
	if o.ledger == "-" {
		return usageErrorf("-w - and --ledger - cannot both have stdout")
	}
	if isTerminal(env.stdout) {
		return hinted(usageErrorf("-w - would write pcapng to the terminal"), "pipe it: xdpeel ... -w - | tshark -r -")
	}
	return nil
}

func isTerminal(w any) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// name is what the output is called in the ledger.
func (o *outputFlags) name() string {
	if o.path == "" {
		return "lines"
	}
	return "file"
}

// open opens the output: a file, or without one lines on stdout.
func (o *outputFlags) open(env *environment, snapLength int, book sessionInfo) (export.Sink, error) {
	if o.path == "" {
		return export.NewLines(env.stdout, time.Local), nil
	}
	return export.NewFile(export.FileOptions{
		Path: o.path, Stdout: env.stdout,
		Application: "xdpeel " + versionOf(),
		SnapLength:  uint32(snapLength),
		Name:        book.sessionName,
		Statistics:  book.statistics,
		RotateSize:  int64(o.rotateSize),
		RotateEvery: time.Duration(o.rotateEvery) * time.Second,
		Files:       int(o.files),
		Live:        o.live,
	})
}
