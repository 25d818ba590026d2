package export

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// StreamRefusal begins the line of text that a reader gets in place of a stream.
const StreamRefusal = "xdpeel: error: "

// StreamReader reads what a Stream writes, back into packets.
type StreamReader struct {
	from       *bufio.Reader
	block      []byte
	interfaces []mirror.Session
	names      map[mirror.Session]string
	counts     map[mirror.Session]StreamCounts
}

// NewStreamReader reads the header of a stream, or an error in the words of who
// refused one.
func NewStreamReader(from io.Reader) (*StreamReader, error) {
	r := &StreamReader{
		from:  bufio.NewReaderSize(from, 256<<10),
		names: make(map[mirror.Session]string), counts: make(map[mirror.Session]StreamCounts),
	}
	if begin, err := r.from.Peek(len(StreamRefusal)); err == nil && string(begin) == StreamRefusal {
		line, _ := r.from.ReadString('\n')
		return nil, errors.New(strings.TrimSpace(line[len(StreamRefusal):]))
	}
	kind, body, err := r.take()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && (kind != blockSection || len(body) < 16 || binary.LittleEndian.Uint32(body) != byteOrderMagic) {
		err = errors.New("it is not pcapng of this byte order")
	}
	if err != nil {
		return nil, fmt.Errorf("read stream: %w", err)
	}
	return r, nil
}

// Buffered says whether the next packet has arrived, at least in part.
func (r *StreamReader) Buffered() bool { return r.from.Buffered() > 0 }

// Counts are what the stream's end said of each session.
func (r *StreamReader) Counts() map[mirror.Session]StreamCounts { return r.counts }

// Name is the configured name of a session, "" without.
func (r *StreamReader) Name(session mirror.Session) string { return r.names[session] }

// Next returns the next packet; its Data lasts until the next call. At the end of
// a stream it returns io.EOF, and io.ErrUnexpectedEOF within a block.
func (r *StreamReader) Next() (p mirror.Packet, err error) {
	for {
		kind, body, err := r.take()
		if err != nil {
			return p, err
		}
		switch kind {
		case blockInterface:
			err = r.addInterface(body)
		case blockStatistics:
			err = r.addCounts(body)
		case blockPacket:
			p, err = r.packet(body)
			if err == nil {
				return p, nil
			}
		}
		if err != nil {
			return p, fmt.Errorf("read stream: %w", err)
		}
	}
}

// take returns the next block's type and what is between its two lengths.
func (r *StreamReader) take() (blockType, []byte, error) {
	var head [blockHeadSize]byte
	if _, err := io.ReadFull(r.from, head[:]); err != nil {
		return 0, nil, err
	}
	kind, size, ok := readBlockHead(head[:])
	if !ok {
		return 0, nil, fmt.Errorf("read stream: a block of %d bytes", size)
	}
	if cap(r.block) < size {
		r.block = make([]byte, size)
	}
	r.block = r.block[:size-blockHeadSize]
	if _, err := io.ReadFull(r.from, r.block); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return kind, r.block[:size-minBlock], nil
}

func (r *StreamReader) addInterface(body []byte) error {
	if len(body) < 8 {
		return errShortBlock
	}
	var title, name string
	err := readOptions(body[8:], func(code optionCode, value []byte) {
		switch code {
		case interfaceName:
			title = string(value)
		case interfaceDescription:
			name = string(value)
		}
	})
	if err != nil {
		return err
	}
	session, err := parseSession(title)
	if err != nil {
		return err
	}
	r.interfaces = append(r.interfaces, session)
	r.names[session] = name
	return nil
}

var errShortBlock = errors.New("a block has no room for its fields")

// parseSession reads what mirror.Session.String writes.
func parseSession(title string) (mirror.Session, error) {
	words := strings.Fields(title)
	if len(words) == 4 && words[0] == "vni" && words[2] == "from" {
		vni, numberErr := strconv.ParseUint(words[1], 10, 24)
		source, addressErr := netip.ParseAddr(words[3])
		if numberErr == nil && addressErr == nil {
			return mirror.Session{VNI: uint32(vni), Source: source}, nil
		}
	}
	return mirror.Session{}, fmt.Errorf("an interface called %q is no session", title)
}

func (r *StreamReader) addCounts(body []byte) error {
	session, err := r.session(body)
	if err != nil || len(body) < 12 {
		return errors.Join(err, errShortBlock)
	}
	counts := r.counts[session]
	err = counts.read(body[12:])
	r.counts[session] = counts
	return err
}

// session returns the session whose interface number a block begins with.
func (r *StreamReader) session(body []byte) (mirror.Session, error) {
	if len(body) < 4 {
		return mirror.Session{}, errShortBlock
	}
	number := binary.LittleEndian.Uint32(body)
	if int(number) >= len(r.interfaces) {
		return mirror.Session{}, fmt.Errorf("a block is of interface %d, but only %d are described", number, len(r.interfaces))
	}
	return r.interfaces[number], nil
}

func (r *StreamReader) packet(body []byte) (p mirror.Packet, err error) {
	if p.Session, err = r.session(body); err != nil {
		return p, err
	}
	header := packetHeaderSize - blockHeadSize
	if len(body) < header {
		return p, errShortBlock
	}
	captured := int(binary.LittleEndian.Uint32(body[12:]))
	if captured > len(body)-header {
		return p, errShortBlock
	}
	p.Time = readTime(body[4:])
	p.Length = int(binary.LittleEndian.Uint32(body[16:]))
	p.Data = body[header : header+captured]
	p.Outputs = mirror.FirstOutput
	err = readOptions(body[min(header+padded(captured), len(body)):], func(code optionCode, value []byte) {
		switch {
		case code == packetFlags && len(value) == 4:
			flags := binary.LittleEndian.Uint32(value)
			p.Truncated = flags&flagChecksumNotReady != 0
			switch flags & 3 {
			case directionFlags[abi.DirectionIngress]:
				p.Direction = abi.DirectionIngress
			case directionFlags[abi.DirectionEgress]:
				p.Direction = abi.DirectionEgress
			}
		case code == optionComment && bytes.HasPrefix(value, []byte(commentPrefix)):
			p.Endpoint, _ = strconv.ParseUint(string(value[len(commentPrefix):]), 16, 64)
		}
	})
	return p, err
}
