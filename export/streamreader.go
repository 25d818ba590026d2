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

// maxStreamBlock bounds a block: the largest packet, with its options.
const maxStreamBlock = 1 << 20

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
	var head [8]byte
	if _, err := io.ReadFull(r.from, head[:]); err != nil {
		return 0, nil, err
	}
	kind, size := blockType(binary.LittleEndian.Uint32(head[:])), int(binary.LittleEndian.Uint32(head[4:]))
	if size < 12 || size%4 != 0 || size > maxStreamBlock {
		return 0, nil, fmt.Errorf("read stream: a block of %d bytes", size)
	}
	if cap(r.block) < size {
		r.block = make([]byte, size)
	}
	r.block = r.block[:size-8]
	if _, err := io.ReadFull(r.from, r.block); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return kind, r.block[:size-12], nil
}

// options calls each with the options of a block.
func options(body []byte, each func(code optionCode, value []byte)) error {
	for len(body) >= 4 {
		code, length := optionCode(binary.LittleEndian.Uint16(body)), int(binary.LittleEndian.Uint16(body[2:]))
		if code == optionEnd {
			return nil
		}
		if body = body[4:]; padded(length) > len(body) {
			return errors.New("an option runs over its block")
		}
		each(code, body[:length])
		body = body[padded(length):]
	}
	return nil
}

func (r *StreamReader) addInterface(body []byte) error {
	if len(body) < 8 {
		return errShortBlock
	}
	var title, name string
	err := options(body[8:], func(code optionCode, value []byte) {
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
	err = options(body[12:], func(code optionCode, value []byte) {
		if len(value) != 8 {
			return
		}
		switch number := binary.LittleEndian.Uint64(value); code {
		case statisticsReceived:
			counts.Offered = number
		case statisticsDropped:
			counts.Dropped = number
		case statisticsAccepted:
			counts.Accepted = number
		}
	})
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
	header := packetHeaderSize - 8 // without type and length
	if len(body) < header {
		return p, errShortBlock
	}
	captured := int(binary.LittleEndian.Uint32(body[12:]))
	if captured > len(body)-header {
		return p, errShortBlock
	}
	p.Time = int64(uint64(binary.LittleEndian.Uint32(body[4:]))<<32 | uint64(binary.LittleEndian.Uint32(body[8:])))
	p.Length = int(binary.LittleEndian.Uint32(body[16:]))
	p.Data = body[header : header+captured]
	p.Outputs = mirror.FirstOutput
	err = options(body[min(header+padded(captured), len(body)):], func(code optionCode, value []byte) {
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
