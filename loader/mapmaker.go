package loader

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
)

// MapMaker is another process, which makes the maps of policies for one that has
// given its capabilities up. It can do nothing else: a request is a number of
// regions, an answer a map of that size.
type MapMaker struct {
	command *exec.Cmd
	conn    *net.UnixConn
}

// ErrMakerGone says that the process is gone that makes maps: no policy can be set any more.
var ErrMakerGone = errors.New("the map maker is gone")

// makerDescriptor is where the maker finds its end of the conversation.
const makerDescriptor = 3

// StartMapMaker runs a command that calls ServeMaps, with CAP_BPF and nothing more.
func StartMapMaker(command *exec.Cmd) (*MapMaker, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(ends[1]), "maker")
	defer theirs.Close()
	conn, err := unixConn(ends[0])
	if err != nil {
		return nil, err
	}
	command.ExtraFiles = []*os.File{theirs} // the first is makerDescriptor
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{
		AmbientCaps: []uintptr{unix.CAP_BPF},
		Setpgid:     true, // a terminal's signals are for the daemon
	}
	if err := command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start map maker: %w", err), conn.Close())
	}
	return &MapMaker{command, conn}, nil
}

// unixConn makes a connection of a descriptor, and closes that.
func unixConn(fd int) (*net.UnixConn, error) {
	file := os.NewFile(uintptr(fd), "maker")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("use socket: %w", err)
	}
	return conn.(*net.UnixConn), nil
}

// make returns a map of so many regions.
func (m *MapMaker) make(regions int) (*ebpf.Map, error) {
	if _, err := m.conn.Write([]byte{byte(regions)}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMakerGone, err)
	}
	said, control := make([]byte, 1024), make([]byte, unix.CmsgSpace(4))
	n, nControl, _, _, err := m.conn.ReadMsgUnix(said, control)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMakerGone, err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:nControl])
	if err != nil || len(messages) == 0 {
		return nil, errors.Join(errors.New(string(said[:n])), err)
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, fmt.Errorf("hear map maker: %w", err)
	}
	return ebpf.NewMapFromFD(descriptors[0])
}

// Close ends the maker. One that was killed is no error any more.
func (m *MapMaker) Close() error {
	err := m.conn.Close()
	waitErr := m.command.Wait()
	if errors.As(waitErr, new(*exec.ExitError)) {
		waitErr = nil
	}
	return errors.Join(err, waitErr)
}

// ServeMaps makes maps for the process that started this one, until that ends.
func ServeMaps() error {
	spec, err := bpf.LoadXdpeel()
	if err != nil {
		return fmt.Errorf("read embedded object: %w", err)
	}
	conn, err := unixConn(makerDescriptor)
	if err != nil {
		return err
	}
	defer conn.Close()
	wish := make([]byte, 1)
	for {
		n, err := conn.Read(wish)
		if n == 0 || err != nil {
			return nil // nobody asks any more
		}
		if err := answer(conn, spec.Maps[bpf.XdpeelMapPolicies].InnerMap, int(wish[0])); err != nil {
			return err
		}
	}
}

// answer sends a map of so many regions, or why there is none.
func answer(conn *net.UnixConn, spec *ebpf.MapSpec, regions int) error {
	if regions < 1 || regions > abi.RegionMax {
		_, err := fmt.Fprintf(conn, "a policy has no %d regions", regions)
		return err
	}
	spec = spec.Copy()
	spec.MaxEntries = uint32(regions)
	m, err := ebpf.NewMap(spec)
	if err != nil {
		_, err := conn.Write([]byte(err.Error()))
		return err
	}
	defer m.Close()
	_, _, err = conn.WriteMsgUnix([]byte("map"), unix.UnixRights(m.FD()), nil)
	return err
}

// Delegate prepares a program for the time when the process has no capabilities any
// more: maps of policies come from the maker, which Close ends, and what may have to be
// attached again is loaded now. Veths cannot be opened then.
func (p *Program) Delegate(maker *MapMaker) error {
	p.maker = maker
	for _, f := range []fragments{withFragments, withoutFragments} {
		program, err := p.load(f)
		if err != nil {
			return err
		}
		if err := program.Close(); err != nil { // the original stays
			return err
		}
	}
	return nil
}
