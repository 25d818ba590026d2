package main

import (
	"errors"

	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// tap is xdpeel on a lane: its program at the receiver's end, and what reads its rings.
// Who reads must have ended before it is closed.
type tap struct {
	teardown
	lane       *Lane
	program    *loader.Program
	attachment *loader.Attachment
	reader     *loader.Reader
}

func newTap(policy *mirror.Policy) (_ *tap, err error) {
	t := new(tap)
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	if t.lane, err = NewLane(1500); err != nil {
		return nil, err
	}
	t.then(t.lane.Close)
	if t.program, err = loader.Load(mirror.Options{}, policy); err != nil {
		return nil, err
	}
	t.then(t.program.Close)
	err = t.lane.pair.B.Namespace.Do(func() (err error) {
		t.attachment, err = t.program.Attach(t.lane.pair.B.Name, loader.ModeNative)
		return err
	})
	if err != nil {
		return nil, err
	}
	t.then(t.detach)
	if t.reader, err = t.program.NewReader(); err != nil {
		return nil, err
	}
	t.then(t.reader.Close)
	return t, nil
}

// detach takes the program off the lane; what is in the rings can still be read.
func (t *tap) detach() error {
	if t.attachment == nil {
		return nil
	}
	err := t.attachment.Close()
	t.attachment = nil
	return err
}
