package lab

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/xdpeel/xdpeel/lab/frames"
)

// prefixed returns parts behind their length, in width bytes, big endian.
func prefixed(width int, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	length := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	return append(length[4-width:], body...)
}

// ICMP types, RFC 792.
const (
	icmpEchoReply   = 0
	icmpEchoRequest = 8
)

// echo returns an ICMP message with the 56 bytes of data that ping sends.
func echo(kind byte, sequence uint16) []byte {
	message := []byte{kind, 0, 0, 0, 0x2b, 0x07}
	message = binary.BigEndian.AppendUint16(message, sequence)
	for i := range byte(56) {
		message = append(message, i)
	}
	binary.BigEndian.PutUint16(message[2:], frames.Checksum(message))
	return message
}

const dnsID = "\xd4\x1c"

// dnsQuery returns the query for a name's IPv4 address (RFC 1035).
func dnsQuery(name string) []byte {
	return slices.Concat([]byte(dnsID+"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"), dnsQuestion(name))
}

// dnsResponse returns the response to dnsQuery.
func dnsResponse(name string, address netip.Addr) []byte {
	header := []byte(dnsID + "\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00")
	answer := []byte("\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c") // the name in question, A, IN, for 60 s
	return slices.Concat(header, dnsQuestion(name), answer, prefixed(2, address.AsSlice()))
}

func dnsQuestion(name string) []byte {
	var question []byte
	for label := range strings.SplitSeq(name, ".") {
		question = append(question, prefixed(1, []byte(label))...)
	}
	return append(question, 0, 0, 1, 0, 1) // root, A, IN
}

const (
	pageHead = "<!DOCTYPE html>\n<html><head><title>Orders</title></head><body><table>\n"
	pageTail = "</table></body></html>\n"
)

var (
	httpRequest = []byte("GET /orders HTTP/1.1\r\nHost: shop.example.com\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
		"Accept: text/html\r\nConnection: close\r\n\r\n")
	httpResponse = httpPage(pageHead + strings.Repeat("<tr><td>1001</td><td>teapot</td><td>2</td></tr>\n", 40) + pageTail)
)

func httpPage(body string) []byte {
	return []byte("HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\nConnection: close\r\n\r\n" + body)
}

// Messages of PostgreSQL's protocol 3.0, "Message Formats" in its manual.
var (
	postgresStartup   = postgres("", "\x00\x03\x00\x00user\x00shop\x00database\x00orders\x00\x00")
	postgresReady     = slices.Concat(postgres("R", "\x00\x00\x00\x00"), postgres("Z", "I"))
	postgresQuery     = postgres("Q", "SELECT id, item FROM orders ORDER BY id LIMIT 3\x00")
	postgresTerminate = postgres("X", "")
	postgresRows      = slices.Concat(
		postgres("T", "\x00\x02"+
			"id\x00\x00\x00\x40\x01\x00\x01\x00\x00\x00\x17\x00\x04\xff\xff\xff\xff\x00\x00"+
			"item\x00\x00\x00\x40\x01\x00\x02\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00"),
		postgresRow("1001", "teapot"), postgresRow("1002", "kettle"), postgresRow("1003", "sugar tongs"),
		postgres("C", "SELECT 3\x00"), postgres("Z", "I"))
)

// postgres returns a message: its kind, then its length with the length itself.
func postgres(kind, body string) []byte {
	message := binary.BigEndian.AppendUint32([]byte(kind), uint32(4+len(body)))
	return append(message, body...)
}

func postgresRow(columns ...string) []byte {
	body := binary.BigEndian.AppendUint16(nil, uint16(len(columns)))
	for _, column := range columns {
		body = append(body, prefixed(4, []byte(column))...)
	}
	return postgres("D", string(body))
}
