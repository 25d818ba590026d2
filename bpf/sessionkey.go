package bpf

import (
	"net/netip"
	"unsafe"
)

// Address returns the mirrored interface's address, in which the key has IPv4 as
// ::ffff:a.b.c.d.
func (k *XdpeelSessionKey) Address() netip.Addr {
	return netip.AddrFrom16(*k.source()).Unmap()
}

// SetAddress is the other way round.
func (k *XdpeelSessionKey) SetAddress(address netip.Addr) {
	*k.source() = address.As16()
}

// source returns the bytes of the address as they were on the wire, which the program
// copies word by word.
func (k *XdpeelSessionKey) source() *[16]byte {
	return (*[16]byte)(unsafe.Pointer(&k.Source))
}
