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

// native is the kernel program compiled for the host, in a process of its own.
type native struct {
	command  *exec.Cmd
	question io.WriteCloser
	answer   io.Reader
	buffer   []byte
	answered []byte    // data of the last judgements
	policies *policies // that the process has
}

// openNative starts the program that BuildServer has built. report gets what the
// sanitizers find.
func openNative(server string, report io.Writer) (*native, error) {
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
	return &native{command: command, question: question, answer: answer}, nil
}

// Name returns "native".
func (n *native) Name() string { return "native" }

// Close ends the process. It fails if a sanitizer found something.
func (n *native) Close() error {
	if err := errors.Join(n.question.Close(), n.command.Wait()); err != nil {
		return fmt.Errorf("end native judge: %w", err)
	}
	return nil
}

// Judge implements [judge].
func (n *native) Judge(s *sequence, out *judgements) error {
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
func (n *native) ask(s *sequence) error {
	question := append(n.buffer[:0], 0, 0, 0, 0)
	if n.policies != s.Policies {
		question = append(question, s.Policies.binary...)
		binary.LittleEndian.PutUint32(question, uint32(len(s.Policies.binary)))
		n.policies = s.Policies
	}
	start := len(question)
	question, err := s.AppendBinary(append(question, 0, 0, 0, 0))
	if err != nil {
		return err
	}
	n.buffer = question
	binary.LittleEndian.PutUint32(question[start:], uint32(len(question)-start-4))
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
func addAnswer(from []byte, out *judgements) (int, error) {
	const size = 4
	if len(from) < size {
		return 0, errors.New("read native judge's answer: it ends early")
	}
	outcome, verdict, recorded := abi.Outcome(from[0]), from[1], from[2]
	consumed, err := isConsumed(uint32(verdict))
	if err != nil {
		return 0, err
	}
	if recorded == 0 {
		out.List = append(out.List, mirror.Judgement{Outcome: outcome, Consumed: consumed})
		return size, nil
	}
	if outcome != abi.OutcomeDelivered || !consumed {
		return 0, fmt.Errorf("read native judge's answer: a record of outcome %s, consumed %t", outcome, consumed)
	}
	used, err := out.addRecord(from[size:])
	return size + used, err
}

// isConsumed says what an XDP verdict means for the host.
func isConsumed(verdict uint32) (bool, error) {
	if verdict != xdpDrop && verdict != xdpPass {
		return false, fmt.Errorf("check verdict: %d is none that the program gives", verdict)
	}
	return verdict == xdpDrop, nil
}

// addLedger reads what is behind the frames' answers.
func addLedger(from []byte, out *judgements) error {
	var ledger struct {
		accounts [1]bpf.XdpeelAccounts
		overflow bpf.XdpeelSessionCount
	}
	const size = int(unsafe.Sizeof(ledger))
	if len(from) < size {
		return errors.New("read native judge's ledger: it ends early")
	}
	copy(bytesOf(&ledger), from)
	out.addAccounts(ledger.accounts[:])
	out.Overflow = accountOf(ledger.overflow)
	from, err := eachState(from[size:], func(session *sessionState) {
		out.Sessions[sessionOf(session.key)] = accountOf(session.count)
	})
	if err != nil {
		return err
	}
	from, err = eachState(from, func(stranger *strangerState) { out.addStranger(stranger.key, stranger.stranger) })
	if err == nil && len(from) > 0 {
		err = fmt.Errorf("read native judge's ledger: %d bytes too many", len(from))
	}
	return err
}

// The structs of native/judge.h.
type (
	sessionState struct {
		key   bpf.XdpeelSessionKey
		_     uint32
		count bpf.XdpeelSessionCount
	}
	strangerState struct {
		key      bpf.XdpeelSessionKey
		_        uint32
		stranger bpf.XdpeelStranger
	}
)

// eachState calls use with each of a counted list of states, and returns what is
// behind the list.
func eachState[T any](from []byte, use func(*T)) ([]byte, error) {
	var count uint32
	var state T
	size := int(unsafe.Sizeof(state))
	rest := from[copy(bytesOf(&count), from):]
	if len(from) < 4 || len(rest) < int(count)*size {
		return nil, fmt.Errorf("read native judge's ledger: %d bytes for %d entries of %d", len(from), count, size)
	}
	for range count {
		copy(bytesOf(&state), rest)
		use(&state)
		rest = rest[size:]
	}
	return rest, nil
}
