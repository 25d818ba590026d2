package loader

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/loader/pair"
)

// A daemon and its helper send each other messages of fixed form, in this host's byte
// order: equipment with the descriptors of the maps, once; then a request, an answer,
// a request, an answer. Whatever has another length ends the conversation.

// errProtocol says that a message is none that there is.
var errProtocol = errors.New("not in the protocol")

// equipment is what a helper's workshop has in common with the daemon's.
type equipment struct {
	SelfTest  uint64
	Constants bpf.XdpeelConfig
}

// requestKind is what a request asks for.
type requestKind uint32

const (
	requestPolicyMap    requestKind = iota + 1 // a map of Regions
	requestCopySetMap                          // a map for a set of veths
	requestPacketSocket                        // a packet socket
	requestBuildVeth                           // programs, links of the Missing, and a probe
	requestRemoveVeth                          // the veth of Name
)

type request struct {
	Kind      requestKind
	Regions   uint32
	Slot      uint32
	Queues    uint32
	MTU       uint32
	Missing   ends
	Name      [unix.IFNAMSIZ]byte
	Peer      [unix.IFNAMSIZ]byte
	Namespace [256]byte
}

// describe puts a veth's options into a request.
func (r *request) describe(o *VethOptions) error {
	if len(o.Name) >= len(r.Name) || len(o.Peer) >= len(r.Peer) {
		return fmt.Errorf("veth %q to %q: a name is too long", o.Name, o.Peer)
	}
	if len(o.PeerNamespace) >= len(r.Namespace) {
		return fmt.Errorf("network namespace %q: its name is longer than %d bytes", o.PeerNamespace, len(r.Namespace)-1)
	}
	r.Slot, r.Queues, r.MTU = uint32(o.Slot), uint32(o.Queues), uint32(o.MTU)
	copy(r.Name[:], o.Name)
	copy(r.Peer[:], o.Peer)
	copy(r.Namespace[:], o.PeerNamespace)
	return nil
}

// options are those of the veth that a request is about, if they are good ones.
func (r *request) options() (*VethOptions, error) {
	o := &VethOptions{Slot: int(r.Slot), Options: pair.Options{Queues: int(r.Queues), MTU: int(r.MTU)}}
	for _, text := range []struct {
		of []byte
		to *string
	}{{r.Name[:], &o.Name}, {r.Peer[:], &o.Peer}, {r.Namespace[:], &o.PeerNamespace}} {
		name, rest, ended := bytes.Cut(text.of, []byte{0})
		if !ended || slices.Max(append(rest, 0)) != 0 {
			return nil, fmt.Errorf("%w: %q", errProtocol, text.of)
		}
		*text.to = string(name)
	}
	if r.Missing>>endMax != 0 {
		return nil, fmt.Errorf("%w: ends %b", errProtocol, r.Missing)
	}
	return o, o.Check()
}

// failure is why an answer has nothing.
type failure uint32

const (
	failureNone       failure = iota
	failureOther              // Text tells
	failureForeign            // as above; wraps pair.ErrForeign
	failureNamespace          // as above; wraps pair.ErrNoNamespace
	failureCapability         // Text has the names of those that are missing, and after a comma of those that are there
)

// answer is what a request led to. What was made comes as descriptors.
type answer struct {
	Failure   failure
	Index     uint32 // of our end of the veth
	PeerIndex uint32 // of the consumer's
	Adopted   uint32 // the pair was there before
	Length    uint32 // of Text, in bytes
	Text      [1000]byte
}

// failed is the answer of an error; nil is none.
func failed(err error) *answer {
	a := new(answer)
	if err == nil {
		return a
	}
	text := err.Error()
	var capability *CapabilityError
	switch {
	case errors.As(err, &capability):
		a.Failure, text = failureCapability, strings.Join(capability.Missing, " ")+","+strings.Join(capability.Has, " ")
	case errors.Is(err, pair.ErrForeign):
		a.Failure = failureForeign
	case errors.Is(err, pair.ErrNoNamespace):
		a.Failure = failureNamespace
	default:
		a.Failure = failureOther
	}
	a.Length = uint32(copy(a.Text[:], text))
	return a
}

// err is the error of an answer.
func (a *answer) err() error {
	text := string(a.Text[:min(int(a.Length), len(a.Text))])
	switch a.Failure {
	case failureCapability:
		missing, has, _ := strings.Cut(text, ",")
		return &CapabilityError{strings.Fields(missing), strings.Fields(has)}
	case failureForeign:
		return &helperError{text, pair.ErrForeign}
	case failureNamespace:
		return &helperError{text, pair.ErrNoNamespace}
	}
	return errors.New(text)
}

// helperError is an error that the helper met, and what it wraps.
type helperError struct {
	text  string
	wraps error
}

func (e *helperError) Error() string { return e.text }
func (e *helperError) Unwrap() error { return e.wraps }
