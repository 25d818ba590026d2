package loader

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/loader/pair"
)

// helper is another process, which makes what takes capabilities to make for one that
// has given its own up. It holds nothing of what it made: maps, programs and links are
// handed over, and all goes on as it is when it dies. Any goroutine may use it.
type helper struct {
	command *exec.Cmd
	gone    chan struct{} // closed when the process has ended

	mu   sync.Mutex // held for a request and its answer
	conn *net.UnixConn
}

// ErrHelperGone says that the process is gone that makes maps and veths: no policy can
// be set any more, and no veth be made or removed.
var ErrHelperGone = errors.New("the helper is gone")

// HelperCapabilities are those that the helper keeps, as far as there are any.
var HelperCapabilities = []int{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_SYS_ADMIN}

const (
	// helperDescriptor is where the helper finds its end of the conversation.
	helperDescriptor = 3
	// helperPatience is how long it may take for an answer: a veth takes a moment
	// until it has carrier.
	helperPatience = 20 * time.Second
)

// Delegate prepares a program for the time when the process has no capabilities any
// more: it runs a command that calls ServeHelper, which Close ends, and loads now what
// may have to be attached again.
func (p *Program) Delegate(command *exec.Cmd) error {
	for _, f := range bothKinds {
		program, err := p.load(f)
		if err != nil {
			return err
		}
		if err := program.Close(); err != nil { // the original stays
			return err
		}
	}
	if err := learnToRun(); err != nil {
		return err
	}
	helper, err := startHelper(command)
	if err != nil {
		return err
	}
	if err := helper.equip(p.shop); err != nil {
		return errors.Join(err, helper.close())
	}
	p.helper, p.craft = helper, helper
	return nil
}

// HelperGone says whether the program has lost its helper, which nothing brings back.
func (p *Program) HelperGone() bool {
	if p.helper == nil {
		return false
	}
	select {
	case <-p.helper.gone:
		return true
	default:
		return false
	}
}

// learnToRun runs a program that does nothing: before the first, the library asks the
// kernel whether it can, which takes capabilities.
func learnToRun() error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}, License: "GPL",
	})
	if err != nil {
		return fmt.Errorf("load a program to run: %w", err)
	}
	defer program.Close()
	if _, err := program.Run(&ebpf.RunOptions{Data: make([]byte, selfTestLength)}); err != nil {
		return fmt.Errorf("run a program: %w", err)
	}
	return nil
}

// startHelper runs the command with those of HelperCapabilities that there are.
func startHelper(command *exec.Cmd) (*helper, error) {
	has, err := effective()
	if err != nil {
		return nil, err
	}
	var ambient []uintptr
	for _, capability := range HelperCapabilities {
		if has(capability) {
			ambient = append(ambient, uintptr(capability))
		}
	}
	sockets, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(sockets[1]), "helper")
	defer theirs.Close()
	conn, err := unixConn(sockets[0])
	if err != nil {
		return nil, err
	}
	command.ExtraFiles = []*os.File{theirs} // the first is helperDescriptor
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{
		AmbientCaps: ambient,
		Setpgid:     true, // a terminal's signals are for the daemon
	}
	if err := command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start helper: %w", err), conn.Close())
	}
	h := &helper{command: command, gone: make(chan struct{}), conn: conn}
	go func() {
		command.Wait() // however it ended: it is gone
		close(h.gone)
	}()
	return h, nil
}

// unixConn makes a connection of a descriptor, and closes that.
func unixConn(fd int) (*net.UnixConn, error) {
	file := os.NewFile(uintptr(fd), "helper")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("use socket: %w", err)
	}
	return conn.(*net.UnixConn), nil
}

// equip gives the helper a workshop like this one, once.
func (h *helper) equip(w *workshop) error {
	_, descriptors, err := h.ask(&equipment{SelfTest: w.selfTest, Constants: w.constants}, w.descriptors(), 0)
	return errors.Join(err, closeAll(descriptors))
}

// ask sends a message and returns the answer to it, which has so many descriptors. A
// helper that does not keep to the protocol is ended.
func (h *helper) ask(message any, give []int, want int) (*answer, []int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.conn.SetDeadline(time.Now().Add(helperPatience))
	if err == nil {
		err = send(h.conn, message, give)
	}
	var said answer
	var descriptors []int
	if err == nil {
		descriptors, err = receive(h.conn, &said)
	}
	if err == nil && said.Failure != failureNone {
		return nil, nil, errors.Join(said.err(), closeAll(descriptors))
	}
	if err == nil && len(descriptors) != want {
		err = fmt.Errorf("%d descriptors, want %d", len(descriptors), want)
	}
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errProtocol) {
			h.command.Process.Kill()
		}
		return nil, nil, errors.Join(fmt.Errorf("%w: %w", ErrHelperGone, err), closeAll(descriptors))
	}
	return &said, descriptors, nil
}

// close ends the helper. One that was killed is no error any more.
func (h *helper) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.conn.Close()
	select {
	case <-h.gone:
	case <-time.After(helperPatience):
		h.command.Process.Kill()
		<-h.gone
	}
	return err
}

func (h *helper) policyMap(regions int) (*ebpf.Map, error) {
	return h.askMap(&request{Kind: requestPolicyMap, Regions: uint32(regions)})
}

func (h *helper) copySetMap() (*ebpf.Map, error) { return h.askMap(&request{Kind: requestCopySetMap}) }

func (h *helper) askMap(r *request) (*ebpf.Map, error) {
	_, descriptors, err := h.ask(r, nil, 1)
	if err != nil {
		return nil, err
	}
	return ebpf.NewMapFromFD(descriptors[0])
}

func (h *helper) packetSocket() (int, error) {
	_, descriptors, err := h.ask(&request{Kind: requestPacketSocket}, nil, 1)
	if err != nil {
		return -1, err
	}
	return descriptors[0], unix.SetNonblock(descriptors[0], true)
}

func (h *helper) buildVeth(o VethOptions, missing ends) (*builtVeth, error) {
	r := &request{Kind: requestBuildVeth, Missing: missing}
	if err := r.describe(&o); err != nil {
		return nil, err
	}
	wanted := int(endMax) + 1 + missing.count()
	said, descriptors, err := h.ask(r, nil, wanted)
	if err != nil {
		return nil, err
	}
	b, err := unpackVeth(descriptors, missing)
	if err == nil {
		b.pair, err = pair.Known(o.Options, int(said.Index), int(said.PeerIndex), said.Adopted != 0)
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (h *helper) removeVeth(p *pair.Pair) error {
	r := &request{Kind: requestRemoveVeth}
	if err := r.describe(&VethOptions{Options: p.Options}); err != nil {
		return err
	}
	_, _, err := h.ask(r, nil, 0)
	return err
}
