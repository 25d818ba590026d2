package main

import (
	"context"
	"fmt"
	"io"
	"os"
)

// openInput opens a capture file, or stdin for "-". Whoever writes to stdin may
// pause at any time, so what was read before is pushed out before each wait, and
// a wait ends with ctx.
func openInput(ctx context.Context, env *environment, path string, push func() error) (in io.ReadCloser, name string, err error) {
	if path == "-" {
		return &pipeReader{interruptible(ctx, env.stdin), push}, "stdin", nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("read capture: %w", err)
	}
	return file, path, nil
}

// pipeReader pushes before it reads.
type pipeReader struct {
	io.ReadCloser
	push func() error
}

func (p *pipeReader) Read(to []byte) (int, error) {
	if err := p.push(); err != nil {
		return 0, err
	}
	return p.ReadCloser.Read(to)
}

// interruptible returns a reader of in whose reads end with ctx's error when ctx
// does, which a read of a pipe would not.
func interruptible(ctx context.Context, in io.Reader) io.ReadCloser {
	reader, writer := io.Pipe()
	go func() {
		_, err := io.Copy(writer, in)
		writer.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { reader.CloseWithError(ctx.Err()) })
	return reader
}
