package export

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// capture is what a pcapng file holds, read without the code under test.
type capture struct {
	interfaces []capturedInterface
	packets    []capturedPacket
	statistics []capturedStatistics
}

type capturedInterface struct {
	snapLength        uint32
	name, description string
}

type capturedPacket struct {
	number           uint32
	time             int64
	captured, length uint32
	data             string
	flags            uint32
	comment          string
}

type capturedStatistics struct {
	number            uint32
	start, end        int64
	received, dropped uint64
}

// walk reads a file of whole blocks in one section. An empty file has none.
func walk(file []byte) (capture, error) {
	var c capture
	le := binary.LittleEndian
	for at := 0; at < len(file); {
		rest := file[at:]
		if len(rest) < 12 {
			return c, fmt.Errorf("block at %d: %d bytes left", at, len(rest))
		}
		kind, size := le.Uint32(rest), int(le.Uint32(rest[4:]))
		if size < 12 || size%4 != 0 || size > len(rest) || int(le.Uint32(rest[size-4:])) != size {
			return c, fmt.Errorf("block at %d: type %#x of %d bytes, %d left", at, kind, size, len(rest))
		}
		if (kind == 0x0a0d0d0a) != (at == 0) {
			return c, fmt.Errorf("block at %d: type %#x, want one section header at 0", at, kind)
		}
		if err := c.block(kind, rest[8:size-4]); err != nil {
			return c, fmt.Errorf("block at %d: type %#x: %w", at, kind, err)
		}
		at += size
	}
	return c, nil
}

func (c *capture) block(kind uint32, body []byte) error {
	le := binary.LittleEndian
	time := func(b []byte) int64 { return int64(le.Uint32(b))<<32 | int64(le.Uint32(b[4:])) }
	switch kind {
	case 0x0a0d0d0a:
		if le.Uint32(body) != 0x1a2b3c4d || le.Uint32(body[4:]) != 1 {
			return errors.New("not a little endian section of version 1.0")
		}
	case 1:
		options, err := walkOptions(body[8:])
		if err != nil || options[9] != "\x09" || le.Uint16(body) != 1 {
			return fmt.Errorf("options %v, link type %d: %v", options, le.Uint16(body), err)
		}
		c.interfaces = append(c.interfaces, capturedInterface{le.Uint32(body[4:]), options[2], options[3]})
	case 6:
		captured := le.Uint32(body[12:])
		options, err := walkOptions(body[20+(captured+3)&^3:])
		if err != nil || len(options[2]) != 4 {
			return fmt.Errorf("options %v: %v", options, err)
		}
		c.packets = append(c.packets, capturedPacket{
			number: le.Uint32(body), time: time(body[4:]), captured: captured, length: le.Uint32(body[16:]),
			data: string(body[20:][:captured]), flags: le.Uint32([]byte(options[2])), comment: options[1],
		})
		if int(le.Uint32(body)) >= len(c.interfaces) {
			return errors.New("packet of an interface without a block")
		}
	case 5:
		options, err := walkOptions(body[12:])
		if options[1] == unknownCounts && len(options) == 3 {
			options[4], options[5] = "\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x00"
			delete(options, 1)
		}
		if err != nil || len(options) != 4 || int(le.Uint32(body)) >= len(c.interfaces) {
			return fmt.Errorf("interface %d, options %v: %v", le.Uint32(body), options, err)
		}
		c.statistics = append(c.statistics, capturedStatistics{
			number: le.Uint32(body), start: time([]byte(options[2])), end: time([]byte(options[3])),
			received: le.Uint64([]byte(options[4])), dropped: le.Uint64([]byte(options[5])),
		})
	default:
		return errors.New("unknown type")
	}
	return nil
}

// walkOptions returns values by code, and wants zeros as padding.
func walkOptions(b []byte) (map[uint16]string, error) {
	options := make(map[uint16]string)
	for len(b) >= 4 {
		code, length := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		end := 4 + (length+3)&^3
		if end > len(b) {
			return nil, fmt.Errorf("option %d of %d bytes is longer than the block", code, length)
		}
		if code == 0 {
			if len(b) != 4 {
				return nil, fmt.Errorf("%d bytes behind the end of options", len(b)-4)
			}
			return options, nil
		}
		if padding := string(b[4+length : end]); strings.Trim(padding, "\x00") != "" {
			return nil, fmt.Errorf("option %d is padded with %q", code, padding)
		}
		options[code] = string(b[4 : 4+length])
		b = b[end:]
	}
	return nil, errors.New("options without an end")
}

func mustWalk(t *testing.T, file []byte) capture {
	t.Helper()
	c, err := walk(file)
	if err != nil {
		t.Fatalf("file is not whole: %v", err)
	}
	return c
}
