package export

import (
	"bytes"
	"io"
	"strconv"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Lines is a Sink that writes a line a packet, for a terminal:
//
//	20:13:45.123456 vni 12345 from 10.0.12.59 Out IP 10.0.12.59.51234 > 93.184.216.34.443: TCP [S], length 74
//
// That is the time of day, the session, the direction as the mirrored interface
// saw it (In, Out or ?), what the inner frame is, and its length before anything
// cut it, in bytes from its Ethernet header on.
type Lines struct {
	out     io.Writer
	zone    *time.Location
	buffer  []byte
	account account
	stopped mirror.Loss // why no more packets are taken; "" while they are

	session mirror.Session
	label   string // of session; made anew only when it changes
}

// directionColumns are equally wide, so that lines stand in columns; four of
// them, so that no index is out of range.
var directionColumns = [4]string{
	abi.DirectionUnknown: "?  ", abi.DirectionIngress: "In ", abi.DirectionEgress: "Out", 3: "?  ",
}

// NewLines writes to out, with times of day in zone; nil is the local one.
func NewLines(out io.Writer, zone *time.Location) *Lines {
	if zone == nil {
		zone = time.Local
	}
	return &Lines{out: out, zone: zone, label: mirror.Session{}.String()}
}

// Write writes the lines of a batch at once. Its error is a *WriteError; the
// lines that were not written to their end are counted as lost, and so are the
// packets of later calls, which return nil.
func (l *Lines) Write(b *mirror.Batch) error {
	packets := len(b.Packets)
	l.account.offer(packets)
	if l.stopped != "" {
		l.account.lose(l.stopped, packets)
		return nil
	}
	if packets == 0 {
		return nil
	}
	l.buffer = l.buffer[:0]
	for i := range b.Packets {
		l.buffer = l.appendLine(l.buffer, &b.Packets[i])
	}
	n, err := l.out.Write(l.buffer)
	if err == nil && n < len(l.buffer) {
		err = io.ErrShortWrite
	}
	if err == nil {
		l.account.deliver(packets)
		return nil
	}
	failure := newWriteError("write", standardOutput, err)
	l.stopped = failure.Loss
	whole := bytes.Count(l.buffer[:n], []byte("\n"))
	l.account.deliver(whole)
	l.account.lose(l.stopped, packets-whole)
	return failure
}

// Flush does nothing: Write leaves nothing behind.
func (l *Lines) Flush() error { return nil }

// Close does nothing to the writer, which others opened.
func (l *Lines) Close() error {
	if l.stopped == "" {
		l.stopped = mirror.LossWriteError
	}
	return nil
}

// Account says what became of the packets; see Sink.
func (l *Lines) Account() mirror.OutputAccount { return l.account.snapshot() }

// appendLine appends the line of p.
func (l *Lines) appendLine(dst []byte, p *mirror.Packet) []byte {
	if p.Session != l.session {
		l.session, l.label = p.Session, p.Session.String()
	}
	dst = time.Unix(0, p.Time).In(l.zone).AppendFormat(dst, "15:04:05.000000 ")
	dst = append(dst, l.label...)
	dst = append(dst, ' ')
	dst = append(dst, directionColumns[p.Direction%4]...)
	dst = append(dst, ' ')
	dst = appendFrame(dst, p.Data)
	dst = append(dst, ", length "...)
	dst = strconv.AppendInt(dst, int64(p.Length), 10)
	if len(p.Data) < p.Length {
		dst = append(dst, " ("...)
		dst = strconv.AppendInt(dst, int64(len(p.Data)), 10)
		dst = append(dst, " captured)"...)
	}
	return append(dst, '\n')
}
