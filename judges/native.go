package judges

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"unsafe"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// The XDP verdicts that the program gives, from linux/bpf.h.
const (
	xdpDrop = 1
	xdpPass = 2
)

// Native is the kernel program compiled for the host, in a process of its own.
type Native struct {
	command  *exec.Cmd
	question io.WriteCloser
	answer   io.Reader
	buffer   []byte
	answered []byte // data of the last judgements
}

// OpenNative starts the program that BuildServer has built. report gets what the
// sanitizers find.
func OpenNative(server string, report io.Writer) (*Native, error) {
	command := exec.Command(server)
	command.Stderr = report
	question, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start native judge: %w", err)
	}
	answer, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start native judge: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start native judge: %w", err)
	}
	return &Native{command: command, question: question, answer: answer}, nil
}

// Name returns "native".
func (n *Native) Name() string { return "native" }

// Close ends the process. It fails if a sanitizer found something.
func (n *Native) Close() error {
	if err := errors.Join(n.question.Close(), n.command.Wait()); err != nil {
		return fmt.Errorf("end native judge: %w", err)
	}
	return nil
}

// Judge implements [Judge].
func (n *Native) Judge(s *Sequence, out *Judgements) error {
	out.reset()
	if err := n.ask(s); err != nil {
		return fmt.Errorf("ask native judge: %w", err)
	}
	rest := n.answered
	for range s.Frames {
		used, err := addAnswer(rest, out)
		if err != nil {
			return err
		}
		rest = rest[used:]
	}
	return addLedger(rest, out)
}

// ask has a sequence answered into n.answered. The process reads a whole
// question before it answers, so neither waits for the other.
func (n *Native) ask(s *Sequence) error {
	question, err := s.AppendBinary(append(n.buffer[:0], 0, 0, 0, 0))
	if err != nil {
		return err
	}
	n.buffer = question
	binary.LittleEndian.PutUint32(question, uint32(len(question)-4))
	if _, err := n.question.Write(question); err != nil {
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(n.answer, size[:]); err != nil {
		return err
	}
	length := int(binary.LittleEndian.Uint32(size[:]))
	if cap(n.answered) < length {
		n.answered = make([]byte, 2*length)
	}
	n.answered = n.answered[:length]
	_, err = io.ReadFull(n.answer, n.answered)
	return err
}

// addAnswer reads a struct answer of native/server.c, and the record behind it,
// and returns how many bytes that were.
func addAnswer(from []byte, out *Judgements) (int, error) {
	const size = 4
	if len(from) < size {
		return 0, errors.New("read native judge's answer: it ends early")
	}
	outcome, verdict, recorded := abi.Outcome(from[0]), from[1], from[2]
	if err := checkVerdict(outcome, uint32(verdict)); err != nil {
		return 0, err
	}
	if recorded == 0 {
		out.List = append(out.List, mirror.Judgement{Outcome: outcome})
		return size, nil
	}
	used, err := out.addRecord(from[size:])
	return size + used, err
}

// checkVerdict fails unless what is delivered, and nothing else, is taken from
// the host.
func checkVerdict(outcome abi.Outcome, verdict uint32) error {
	if (outcome == abi.OutcomeDelivered) != (verdict == xdpDrop) || verdict != xdpDrop && verdict != xdpPass {
		return fmt.Errorf("check verdict: %d for outcome %s", verdict, outcome)
	}
	return nil
}

// addLedger reads what is behind the frames' answers.
func addLedger(from []byte, out *Judgements) error {
	var ledger struct {
		accounts [1]bpf.XdpeelAccounts
		overflow bpf.XdpeelSessionCount
	}
	var count uint32
	var session struct { // struct session_state of native/judge.h
		key   bpf.XdpeelSessionKey
		_     uint32
		count bpf.XdpeelSessionCount
	}
	const header = int(unsafe.Sizeof(ledger)) + 4
	const size = int(unsafe.Sizeof(session))
	if len(from) < header {
		return errors.New("read native judge's ledger: it ends early")
	}
	copy(bytesOf(&ledger), from)
	copy(bytesOf(&count), from[header-4:])
	out.addAccounts(ledger.accounts[:])
	out.Overflow = accountOf(ledger.overflow)
	from = from[header:]
	if len(from) != int(count)*size {
		return fmt.Errorf("read native judge's ledger: %d bytes for %d sessions", len(from), count)
	}
	for ; len(from) > 0; from = from[size:] {
		copy(bytesOf(&session), from)
		out.Sessions[sessionOf(session.key)] = accountOf(session.count)
	}
	return nil
}
