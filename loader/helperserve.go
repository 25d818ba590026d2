package loader

import (
	"errors"
	"fmt"
	"net"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/loader/pair"
)

// ServeHelper is a helper's whole life: it makes what the process that started this
// one asks for, until that ends. It takes no descriptors but those of the maps, which
// come first, and no path but a network namespace's.
func ServeHelper() error {
	conn, err := unixConn(helperDescriptor)
	if err != nil {
		return err
	}
	defer conn.Close()
	w, err := setUp(conn)
	if err == nil {
		err = reply(conn, new(answer), nil)
	}
	if err != nil {
		return errors.Join(err, reply(conn, failed(err), nil))
	}
	defer w.close()
	for {
		var r request
		descriptors, err := receive(conn, &r)
		if errors.Is(err, errEnded) {
			return nil // nobody asks any more
		}
		if err == nil && len(descriptors) > 0 {
			err = errors.Join(fmt.Errorf("%w: descriptors", errProtocol), closeAll(descriptors))
		}
		if err == nil {
			err = w.serve(conn, &r)
		}
		if err != nil {
			return err
		}
	}
}

// setUp makes a workshop of what comes first.
func setUp(conn *net.UnixConn) (*workshop, error) {
	var e equipment
	descriptors, err := receive(conn, &e)
	if err != nil {
		return nil, err
	}
	spec, err := bpf.LoadXdpeel()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read embedded object: %w", err), closeAll(descriptors))
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("count possible CPUs: %w", err), closeAll(descriptors))
	}
	sizeMaps(spec, cpus)
	w := newWorkshop(spec, e.Constants, e.SelfTest)
	return w, w.takeMaps(descriptors)
}

// serve does what a request asks for, and answers. An error ends the helper.
func (w *workshop) serve(conn *net.UnixConn, r *request) error {
	switch r.Kind {
	case requestPolicyMap:
		if r.Regions < 1 || r.Regions > abi.RegionMax {
			return reply(conn, failed(fmt.Errorf("a policy has no %d regions", r.Regions)), nil)
		}
		m, err := w.policyMap(int(r.Regions))
		return replyMap(conn, m, err)
	case requestCopySetMap:
		m, err := w.copySetMap()
		return replyMap(conn, m, err)
	case requestPacketSocket:
		fd, err := w.packetSocket()
		if err != nil {
			return reply(conn, failed(err), nil)
		}
		return errors.Join(reply(conn, new(answer), []int{fd}), closeAll([]int{fd}))
	case requestBuildVeth:
		return w.serveVeth(conn, r)
	case requestRemoveVeth:
		o, err := r.options()
		if errors.Is(err, errProtocol) {
			return err
		}
		if err == nil {
			err = pair.Remove(o.Name)
		}
		return reply(conn, failed(err), nil)
	}
	return fmt.Errorf("%w: request %d", errProtocol, r.Kind)
}

func replyMap(conn *net.UnixConn, m *ebpf.Map, err error) error {
	if err != nil {
		return reply(conn, failed(err), nil)
	}
	defer m.Close()
	return reply(conn, new(answer), []int{m.FD()})
}

// serveVeth builds a veth and hands it over.
func (w *workshop) serveVeth(conn *net.UnixConn, r *request) error {
	o, err := r.options()
	if errors.Is(err, errProtocol) {
		return err
	}
	if err != nil {
		return reply(conn, failed(err), nil)
	}
	b, err := w.buildVeth(*o, r.Missing)
	if err != nil {
		return reply(conn, failed(err), nil)
	}
	said := &answer{Index: uint32(b.pair.Index), PeerIndex: uint32(b.pair.PeerIndex)}
	if b.pair.Adopted {
		said.Adopted = 1
	}
	descriptors, err := b.pack()
	if err != nil {
		return errors.Join(reply(conn, failed(err), nil), b.close())
	}
	return errors.Join(reply(conn, said, descriptors), b.close())
}
