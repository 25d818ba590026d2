package main

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
)

// The ring of a packet counter: as many blocks of as many bytes, each of which is the
// reader's when it is full, or counterRetire after its first packet.
const (
	counterBlocks = 64
	counterBlock  = 128 << 10
	counterRetire = 8 * time.Millisecond
	counterPoll   = 100 * time.Millisecond // between two looks whether it is to end
)

// packetCounter is the least that can be done with packets: a thread on the receiver's
// CPU that counts them, out of the ring of a packet socket as capture programs and
// intrusion detection read it (TPACKET_V3). Its filter takes frames of one length, and
// leaves all but the first of their bytes.
type packetCounter struct {
	teardown
	socket  int
	ring    []byte
	thread  int // of the reader
	packets atomic.Uint64
	stopped atomic.Bool
}

// newPacketCounter counts the frames of so many bytes that arrive on an interface.
func newPacketCounter(ns *lab.Namespace, ifname string, length int) (_ *packetCounter, err error) {
	c := new(packetCounter)
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := ns.Do(func() error { return c.open(ifname, length) }); err != nil {
		return nil, fmt.Errorf("open packet counter on %q: %w", ifname, err)
	}
	started, ended := make(chan int, 1), make(chan error, 1)
	go func() {
		ended <- lab.OnCPU(receiverCPU, func() error { started <- unix.Gettid(); return c.read() })
	}()
	c.then(func() error { c.stopped.Store(true); return <-ended })
	select {
	case c.thread = <-started:
		return c, nil
	case err := <-ended:
		ended <- nil // for Close
		return nil, err
	}
}

// open opens the socket in the calling thread's namespace. Nothing comes before it is
// bound.
func (c *packetCounter) open(ifname string, length int) (err error) {
	iface, err := net.InterfaceByName(ifname)
	if err != nil {
		return err
	}
	if c.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open packet socket: %w", err)
	}
	c.then(func() error { return unix.Close(c.socket) })
	if err := attachFilter(c.socket, lengthFilter(length)); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(c.socket, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("choose ring: %w", err)
	}
	const frame = 2048 // the kernel wants a number, and does not keep to it
	err = unix.SetsockoptTpacketReq3(c.socket, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
		Block_size: counterBlock, Block_nr: counterBlocks, Frame_size: frame, Frame_nr: counterBlocks * counterBlock / frame,
		Retire_blk_tov: uint32(counterRetire.Milliseconds()),
	})
	if err != nil {
		return fmt.Errorf("make ring: %w", err)
	}
	if c.ring, err = unix.Mmap(c.socket, 0, counterBlocks*counterBlock, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map ring: %w", err)
	}
	c.then(func() error { return unix.Munmap(c.ring) })
	if err := unix.Bind(c.socket, &unix.SockaddrLinklayer{Ifindex: iface.Index, Protocol: networkOrder(unix.ETH_P_ALL)}); err != nil {
		return fmt.Errorf("bind packet socket: %w", err)
	}
	return nil
}

// lengthFilter takes one byte of frames of a length, and nothing of others: not of one
// that still has its wrapping, either.
func lengthFilter(length int) []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: uint32(length)},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
}

// read counts, block by block, until it is stopped.
func (c *packetCounter) read() error {
	poll := []unix.PollFd{{Fd: int32(c.socket), Events: unix.POLLIN}}
	for block := 0; !c.stopped.Load(); {
		start := block*counterBlock + int(unsafe.Offsetof(unix.TpacketBlockDesc{}.Hdr))
		header := (*unix.TpacketHdrV1)(unsafe.Pointer(&c.ring[start]))
		if atomic.LoadUint32(&header.Block_status)&unix.TP_STATUS_USER == 0 {
			if _, err := unix.Poll(poll, int(counterPoll.Milliseconds())); err != nil && err != unix.EINTR {
				return fmt.Errorf("wait for packets: %w", err)
			}
			continue
		}
		c.packets.Add(uint64(header.Num_pkts))
		atomic.StoreUint32(&header.Block_status, unix.TP_STATUS_KERNEL)
		block = (block + 1) % counterBlocks
	}
	return nil
}
