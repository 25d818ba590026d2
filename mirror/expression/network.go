package expression

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strings"
)

// network reads a network, whose address t is already read: `10`, `10.1`,
// `10.1.0.0/16`, `10.1.0.0 mask 255.255.0.0`, `2001:db8::/32`. Without a length,
// it has 8 bits for each number that is written, or all bits of IPv6.
func (p *parser) network(q *qualifier, t token) (node, error) {
	address, length, err := p.networkAddress(t)
	if err != nil {
		return nil, err
	}
	if err := p.fits(q, t, address); err != nil {
		return nil, err
	}
	end := p.peek()
	switch {
	case end.kind == kindSlash:
		length, err = p.prefixLength(t, address)
	case end.isWord("mask"):
		length, err = p.mask(t)
	}
	if err != nil {
		return nil, err
	}
	network := netip.PrefixFrom(address, length)
	if network != network.Masked() {
		return nil, p.refuse(t, "%s has bits set behind the first %d: the network is %s", t.text, length, network.Masked())
	}
	return q.addresses(network), nil
}

// networkAddress returns the address that t begins, and how many bits t gives.
func (p *parser) networkAddress(t token) (address netip.Addr, length int, err error) {
	switch t.kind {
	case kindNumber:
		n, err := p.number(t, 255)
		if err == nil && n == 0 {
			err = p.refuse(t, "to tcpdump net 0 is the host 0.0.0.0: write net 0.0.0.0/8 or another length")
		}
		return netip.AddrFrom4([4]byte{byte(n)}), 8, err
	case kindDotted:
		written := strings.Count(t.text, ".") + 1
		address, err = netip.ParseAddr(t.text + strings.Repeat(".0", 4-written))
		length = 8 * written
	case kindIPv6:
		address, err = netip.ParseAddr(t.text)
		length = address.BitLen()
	default:
		return address, 0, p.refuse(t, "%q is not a network; names are not looked up", t.text)
	}
	if err != nil {
		err = p.refuse(t, "%q is not a network", t.text)
	}
	return address, length, err
}

// prefixLength reads what stands behind an address from its slash.
func (p *parser) prefixLength(of token, address netip.Addr) (int, error) {
	slash := p.next()
	if of.kind == kindNumber {
		return 0, p.refuse(slash, "before a prefix length write all of the address: %s", address)
	}
	if p.peek().kind != kindNumber {
		return 0, p.unexpected("a prefix length")
	}
	length, err := p.number(p.next(), uint64(address.BitLen()))
	return int(length), err
}

// mask reads what stands behind an address from the word mask.
func (p *parser) mask(of token) (int, error) {
	word := p.next()
	if of.kind != kindDotted {
		return 0, p.refuse(word, "a mask is for an IPv4 address with a dot: write a prefix length")
	}
	t := p.peek()
	if t.kind != kindDotted {
		return 0, p.unexpected("a mask such as 255.255.0.0")
	}
	p.next()
	address, _, err := p.networkAddress(t)
	if err != nil {
		return 0, err
	}
	octets := address.As4()
	mask := binary.BigEndian.Uint32(octets[:])
	length := bits.LeadingZeros32(^mask)
	if bits.OnesCount32(mask) != length {
		return 0, p.refuse(t, "the ones of a mask have to come first: %s is no prefix", t.text)
	}
	return length, nil
}
