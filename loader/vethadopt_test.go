package loader

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// lameWorkshop builds veths, and says that it failed.
type lameWorkshop struct{ *workshop }

var errLame = errors.New("lame")

func (w lameWorkshop) buildVeth(o VethOptions, missing ends) (*builtVeth, error) {
	b, err := w.workshop.buildVeth(o, missing)
	if err != nil {
		return nil, err
	}
	return nil, errors.Join(errLame, b.close())
}

// A veth that cannot be taken over is fed as it was, wherever that fails, by the process
// before.
func TestVethNotAdopted(t *testing.T) {
	for name, cripple := range map[string]func(p *Program){
		"not built": func(p *Program) { p.craft = lameWorkshop{p.shop} },
		"not fed":   func(p *Program) { p.maps.Veths.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			l.begin().die()
			receiver, err := lab.OpenReceiver(l.consumer, theirEnd)
			if err != nil {
				t.Fatal(err)
			}
			defer receiver.Close()
			err = l.pair.B.Namespace.Do(func() error {
				pins, err := OpenPins(PinOptions{Root: l.root, Interfaces: []string{l.pair.B.Name}})
				if err != nil {
					return err
				}
				program, err := LoadPinned(mirror.Options{}, l.policy, pins)
				if err != nil {
					return err
				}
				cripple(program)
				if _, err := program.OpenVeth(l.vethOptions()); err == nil {
					t.Error("the veth is open")
				}
				return program.Close()
			})
			if err != nil {
				t.Fatal(err)
			}
			inner := frames.UDPFrame(client, instance, frames.Payload(100))
			l.send(slices.Repeat([][]byte{frames.Wrap(inner, 7, source, target)}, 5))
			c := &consumer{namespace: l.consumer, end: theirEnd, receiver: receiver}
			sameFrames(t, slices.Repeat([][]byte{inner}, 5), c.receive(t, 5))
		})
	}
}

// soon is how long a link is held that nobody should hold any more.
const soon = 100 * time.Millisecond

// A link that nobody holds any more may be there for a moment yet, as when its pin went
// with a file system: who comes next waits for that.
func TestAttachAwaitsLinks(t *testing.T) {
	w := newWire(t, lab.VethOptions{MTU: wireMTU})
	o := vethOptions(slotOfVeth, wireMTU)
	o.Name, o.Peer, o.Queues = ourEnd, theirEnd, 1
	freed := make(chan error, 1)
	begin := func() (v *Veth, a *Attachment, err error) {
		program := newProgram(t, mirror.Options{})
		err = w.pair.B.Namespace.Do(func() error {
			if v, err = program.OpenVeth(o); err == nil {
				a, err = program.Attach(w.pair.B.Name, ModeAuto)
			}
			return err
		})
		return v, a, err
	}
	veth, attachment, err := begin()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(soon)
		err := veth.Leave()
		time.Sleep(soon)
		freed <- errors.Join(err, attachment.Leave())
	}()
	veth, attachment, err = begin()
	if err := errors.Join(err, <-freed); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(veth.SelfTest(), attachment.Close(), veth.Remove()); err != nil {
		t.Error(err)
	}
}
