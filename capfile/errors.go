package capfile

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrNotCapture says that a file is no capture, or of a kind that cannot be
// read. The error that wraps it says what the file is, as far as that is known.
var ErrNotCapture = errors.New("not a readable capture file")

// TornError says that a capture ends or breaks in the middle of a record. All
// frames before that place were read.
type TornError struct {
	Offset int64  // bytes from the beginning to the end of the last whole record or block
	Frames int    // frames read before that
	Reason string // what is wrong with the record at Offset
}

func (e *TornError) Error() string {
	return fmt.Sprintf("capture file is cut short or damaged after %d frames, at byte %d: %s", e.Frames, e.Offset, e.Reason)
}

// LinkTypeError says that frames do not begin with an Ethernet header.
type LinkTypeError struct {
	LinkType int // LINKTYPE_ value, https://www.tcpdump.org/linktypes.html
}

const linkTypeEthernet = 1

var linkTypeNames = map[int]string{
	0:   "BSD loopback",
	101: "raw IP",
	105: "IEEE 802.11",
	108: "OpenBSD loopback",
	113: "Linux cooked",
	127: "IEEE 802.11 with radiotap",
	228: "raw IPv4",
	229: "raw IPv6",
	276: "Linux cooked v2",
}

func (e *LinkTypeError) Error() string {
	name := linkTypeNames[e.LinkType]
	if name == "" {
		name = "of another kind"
	}
	return fmt.Sprintf("link type is %d (%s): only Ethernet (%d) can be read", e.LinkType, name, linkTypeEthernet)
}

const modifiedPcap = "is in Kuznetzov's modified pcap format: convert it first, for instance with editcap -F pcap"

var foreignMagics = []struct {
	magic []byte
	hint  string
}{
	{[]byte{0x1f, 0x8b}, "is gzip-compressed: decompress it first"},
	{[]byte{0x28, 0xb5, 0x2f, 0xfd}, "is zstd-compressed: decompress it first"},
	{[]byte{0x04, 0x22, 0x4d, 0x18}, "is lz4-compressed: decompress it first"},
	{[]byte{0xfd, '7', 'z', 'X'}, "is xz-compressed: decompress it first"},
	{[]byte("BZh"), "is bzip2-compressed: decompress it first"},
	{[]byte{0xa1, 0xb2, 0xcd, 0x34}, modifiedPcap},
	{[]byte{0x34, 0xcd, 0xb2, 0xa1}, modifiedPcap},
}

// notCapture tells by its first bytes what a file is instead of a capture.
func notCapture(head []byte) error {
	if len(head) == 0 {
		return fmt.Errorf("%w: it is empty", ErrNotCapture)
	}
	hint := "is neither pcap nor pcapng"
	for _, foreign := range foreignMagics {
		if bytes.HasPrefix(head, foreign.magic) {
			hint = foreign.hint
		}
	}
	return fmt.Errorf("%w: it %s (starts with % x)", ErrNotCapture, hint, head)
}
