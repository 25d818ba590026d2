// Package judges puts the same question to three judges: the kernel program in
// the kernel, the same C compiled for the host with sanitizers, and the reference
// in package mirror. They must say the same of every frame, byte for byte; where
// they do not, docs/judgement.md says who is wrong.
//
// The questions come from a generator of almost good frames and from the inputs
// that libFuzzer finds; see the programs in judges/run and judges/native.
package judges

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// judge judges sequences of frames. It is not safe for concurrent use.
type judge interface {
	Name() string
	// Judge judges the frames of s in their order, from a state in which no
	// session is known. It fills out, whose memory it may keep using until the
	// next call.
	Judge(s *sequence, out *judgements) error
	// Close releases the judge. Its judgements must not be used any more.
	Close() error
}

// judgements are what one judge said of a sequence.
type judgements struct {
	List []mirror.Judgement // one for each frame

	// TellsAll says that List tells of every packet that has a session which. The
	// program tells that of what it delivers, and of all else the outcome.
	TellsAll bool

	// What the judge counted by itself. No judge's clock is another's: LastSeen is 0.
	Received  uint64
	Outcomes  [abi.OutcomeMax]uint64
	Sessions  map[mirror.Session]mirror.SessionAccount
	Overflow  mirror.SessionAccount
	Strangers map[mirror.Session]mirror.Stranger

	arena []byte // of data that is not a part of something longer-lived
}

func (j *judgements) reset() {
	clear(j.Sessions)
	clear(j.Strangers)
	*j = judgements{List: j.List[:0], Sessions: j.Sessions, Strangers: j.Strangers, arena: j.arena[:0]}
	if j.Sessions == nil {
		j.Sessions = make(map[mirror.Session]mirror.SessionAccount)
		j.Strangers = make(map[mirror.Session]mirror.Stranger)
	}
}

// keep copies data into memory that lasts until the next reset.
func (j *judgements) keep(data ...[]byte) []byte {
	from := len(j.arena)
	for _, d := range data {
		j.arena = append(j.arena, d...)
	}
	return slices.Clip(j.arena[from:])
}

// addRecord appends the judgement that a ring record holds and returns how many
// bytes of record it took; more may follow.
func (j *judgements) addRecord(record []byte) (int, error) {
	var packet bpf.XdpeelPacket
	size := copy(bytesOf(&packet), record)
	kept := int(packet.Captured)
	if packet.Ethertype != 0 {
		kept -= mirror.EthernetLength
	}
	if size < int(unsafe.Sizeof(packet)) || kept < 0 || len(record) < size+kept {
		return 0, fmt.Errorf("read record: %d bytes for %d captured", len(record), packet.Captured)
	}
	data := record[size : size+kept]
	if packet.Ethertype != 0 {
		data = j.keep(mirror.AppendMadeUpEthernet(nil, packet.Ethertype), data)
	}
	j.List = append(j.List, mirror.Judgement{
		Outcome:   abi.OutcomeDelivered,
		Consumed:  true,
		Offset:    int(packet.Offset),
		Arrived:   int(packet.Arrived),
		Captured:  int(packet.Captured),
		EtherType: packet.Ethertype,
		Packet: mirror.Packet{
			Session:   sessionOf(packet.Key),
			Endpoint:  packet.Endpoint,
			Direction: abi.Direction(packet.Direction),
			Tunnel:    abi.Tunnel(packet.Tunnel),
			Truncated: packet.Truncated == 1,
			Rule:      packet.Rule,
			Outputs:   mirror.OutputSet(packet.Outputs),
			Length:    int(packet.Length),
			Data:      data,
		},
	})
	return size + kept, nil
}

// addAccounts adds the CPUs' ledgers.
func (j *judgements) addAccounts(cpus []bpf.XdpeelAccounts) {
	for i := range cpus {
		j.Received += cpus[i].Received.Packets
		for outcome, count := range cpus[i].Outcomes {
			j.Outcomes[outcome] += count.Packets
		}
	}
}

func accountOf(count bpf.XdpeelSessionCount) mirror.SessionAccount {
	return mirror.SessionAccount{
		Packets: count.Packets, Bytes: count.Bytes, Truncated: count.Truncated, Lost: count.RingLost,
		Filtered: count.Filtered, SampledOut: count.SampledOut,
	}
}

// addStranger adds an entry of the program's map.
func (j *judgements) addStranger(key bpf.XdpeelSessionKey, value bpf.XdpeelStranger) {
	session := sessionOf(key)
	j.Strangers[session] = mirror.Stranger{
		Session: session, Unknown: value.Unknown, Denied: value.Denied, Bytes: value.Bytes,
	}
}

func sessionOf(key bpf.XdpeelSessionKey) mirror.Session {
	return mirror.Session{VNI: key.Vni, Source: key.Address()}
}

// bytesOf returns the memory of a value without pointers, in the byte order and
// the layout of the host, which are those of the program.
func bytesOf[T any](value *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(value)), unsafe.Sizeof(*value))
}
