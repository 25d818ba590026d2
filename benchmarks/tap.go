package main

import (
	"errors"

	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// tap is xdpeel on a lane: its program at the receiver's end, and what reads its rings.
type tap struct {
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
	if t.program, err = loader.Load(mirror.Options{}, policy); err != nil {
		return nil, err
	}
	err = t.lane.pair.B.Namespace.Do(func() (err error) {
		t.attachment, err = t.program.Attach(t.lane.pair.B.Name, loader.ModeNative)
		return err
	})
	if err != nil {
		return nil, err
	}
	t.reader, err = t.program.NewReader()
	return t, err
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

// Close takes everything down. Who reads must have ended.
func (t *tap) Close() error {
	var errs []error
	if t.reader != nil {
		errs = append(errs, t.reader.Close())
	}
	errs = append(errs, t.detach())
	if t.program != nil {
		errs = append(errs, t.program.Close())
	}
	if t.lane != nil {
		errs = append(errs, t.lane.Close())
	}
	return errors.Join(errs...)
}
