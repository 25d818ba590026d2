package mirror

// EthernetLength is the length in bytes of an Ethernet header without tags.
const EthernetLength = 14

// AppendMadeUpEthernet appends the Ethernet header that a bare payload is given,
// so that those who read Ethernet can read it. Its addresses are locally
// administered, and nobody's.
func AppendMadeUpEthernet(to []byte, etherType uint16) []byte {
	to = append(to, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1)
	return append(to, byte(etherType>>8), byte(etherType))
}
