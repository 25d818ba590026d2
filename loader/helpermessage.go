package loader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/loader/pair"
)

// A daemon and its helper send each other messages of fixed form, in this host's byte
// order: equipment with the descriptors of the maps, once; then a request, an answer,
// a request, an answer. Whatever has another length ends the conversation.

// errEnded says that nobody is at the other end.
var errEnded = io.EOF

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

// send sends a message and descriptors.
func send(conn *net.UnixConn, message any, descriptors []int) error {
	data, err := binary.Append(nil, binary.NativeEndian, message)
	if err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	_, _, err = conn.WriteMsgUnix(data, rights, nil)
	return err
}

func reply(conn *net.UnixConn, a *answer, descriptors []int) error { return send(conn, a, descriptors) }

// receive reads a message, a pointer, and the descriptors that come with it. It returns
// an error that wraps errEnded if there comes none any more, or errProtocol.
func receive(conn *net.UnixConn, message any) (descriptors []int, err error) {
	size := binary.Size(message)
	data, control := make([]byte, size+1), make([]byte, unix.CmsgSpace(4*descriptorMax))
	n, nControl, flags, _, err := conn.ReadMsgUnix(data, control)
	if err != nil {
		return nil, err
	}
	if messages, err := unix.ParseSocketControlMessage(control[:nControl]); err == nil {
		for i := range messages {
			some, _ := unix.ParseUnixRights(&messages[i])
			descriptors = append(descriptors, some...)
		}
	}
	switch {
	case n == 0:
		err = errEnded
	case n != size || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
		err = fmt.Errorf("%w: %d bytes, want %d", errProtocol, n, size)
	default:
		_, err = binary.Decode(data[:n], binary.NativeEndian, message)
	}
	if err != nil {
		return nil, errors.Join(err, closeAll(descriptors))
	}
	return descriptors, nil
}

// descriptorMax is how many descriptors come with one message; the equipment's are most.
const descriptorMax = 64

func closeAll(descriptors []int) error {
	var errs []error
	for _, fd := range descriptors {
		errs = append(errs, unix.Close(fd))
	}
	return errors.Join(errs...)
}

// descriptors are those of the maps, in the order in which takeMaps takes them.
func (w *workshop) descriptors() (list []int) {
	for _, f := range []fragments{withFragments, withoutFragments} {
		for _, name := range slices.Sorted(mapNames(w.spec)) {
			list = append(list, w.over[f][name].FD())
		}
	}
	return list
}

func (w *workshop) takeMaps(descriptors []int) error {
	names := slices.Sorted(mapNames(w.spec))
	if want := 2 * len(names); len(descriptors) != want {
		return errors.Join(fmt.Errorf("%w: %d maps, want %d", errProtocol, len(descriptors), want), closeAll(descriptors))
	}
	for i, fd := range descriptors {
		f := fragments(i < len(names))
		if w.over[f] == nil {
			w.over[f] = make(map[string]*ebpf.Map)
		}
		m, err := ebpf.NewMapFromFD(fd)
		if err != nil {
			return fmt.Errorf("take map: %w", err)
		}
		w.over[f][names[i%len(names)]] = m
	}
	return nil
}

func (s ends) count() int { return bits.OnesCount32(uint32(s)) }

// pack returns the descriptors of a veth's parts, in the order in which unpackVeth
// takes them. They are the parts' still.
func (b *builtVeth) pack() (descriptors []int, err error) {
	for _, program := range append(b.programs[:], b.probe) {
		descriptors = append(descriptors, program.FD())
	}
	for _, held := range b.links {
		if held == nil {
			continue
		}
		raw, ok := held.(interface{ FD() int })
		if !ok {
			return nil, fmt.Errorf("link of type %T has no descriptor", held)
		}
		descriptors = append(descriptors, raw.FD())
	}
	return descriptors, nil
}

// unpackVeth makes the parts of a veth of their descriptors.
func unpackVeth(descriptors []int, missing ends) (b *builtVeth, err error) {
	b = new(builtVeth)
	for i, to := range []**ebpf.Program{&b.programs[sinkEnd], &b.programs[arriveEnd], &b.probe} {
		if *to, err = ebpf.NewProgramFromFD(descriptors[i]); err != nil {
			return b, errors.Join(fmt.Errorf("take program: %w", err), closeAll(descriptors[i+1:]))
		}
	}
	rest := descriptors[int(endMax)+1:]
	for e := range endMax {
		if !missing.has(e) {
			continue
		}
		held, err := link.NewFromFD(rest[0])
		rest = rest[1:]
		if err != nil {
			return b, errors.Join(fmt.Errorf("take link: %w", err), closeAll(rest))
		}
		b.links[e] = held
	}
	return b, nil
}
