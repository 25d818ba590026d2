package judges

import (
	"encoding/binary"
	"errors"
	"unsafe"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// frameMax is the longest frame in bytes: FRAME_MAX of native/judge.h.
const frameMax = 72 * 1024

// frame is a frame as a driver hands it over.
type frame struct {
	Bytes  []byte
	Linear int // bytes of it in the first buffer; the rest is in others
	// Policy is the number of the policy that judges it. Another than the frame's
	// before is a change of policy.
	Policy uint32
}

// sequence is a run of frames and what they are judged under.
type sequence struct {
	Options  mirror.Options // ports and snap length are always set
	Policies *policies      // no part of the binary form
	Frames   []frame
}

func portsOf(from *[abi.LimitPorts]uint16) []uint16 {
	ports := []uint16{} // not nil, which would be the default port
	for i := range from {
		if port := binary.BigEndian.Uint16(bytesOf(&from[i])); port != 0 {
			ports = append(ports, port)
		}
	}
	return ports
}

// AppendBinary appends the form that native/sequence.h describes. It never fails.
func (s *sequence) AppendBinary(to []byte) ([]byte, error) {
	c := loader.Config(s.Options)
	to = append(to, bytesOf(&c)...)
	for _, frame := range s.Frames {
		to = binary.LittleEndian.AppendUint32(to, uint32(len(frame.Bytes)))
		to = binary.LittleEndian.AppendUint32(to, uint32(frame.Linear))
		to = binary.LittleEndian.AppendUint32(to, 0) // FAULT_NONE
		to = binary.LittleEndian.AppendUint32(to, frame.Policy)
		to = append(to, frame.Bytes...)
	}
	return to, nil
}

// UnmarshalBinary reads what AppendBinary writes or the fuzzer found, whose
// faults are left out: no other judge knows them. The frames are parts of data.
func (s *sequence) UnmarshalBinary(data []byte) error {
	var c bpf.XdpeelConfig
	const header = int(unsafe.Sizeof(c))
	if len(data) < header {
		return errors.New("read sequence: it ends within its configuration")
	}
	copy(bytesOf(&c), data)
	s.Options = optionsOf(&c)
	s.Frames = framesOf(data[header:])
	return nil
}

func optionsOf(c *bpf.XdpeelConfig) mirror.Options {
	o := mirror.Options{
		VXLANPorts:  portsOf(&c.VxlanPorts),
		GENEVEPorts: portsOf(&c.GenevePorts),
		SnapLength:  int(c.SnapLength),
	}
	if c.SnapLength < mirror.EthernetLength || c.SnapLength > abi.LimitSnapLength {
		o.SnapLength = abi.LimitSnapLength
	}
	return o
}

func framesOf(data []byte) []frame {
	const header = 16
	var frames []frame
	for len(data) >= header {
		length := binary.LittleEndian.Uint32(data)
		linear := binary.LittleEndian.Uint32(data[4:])
		policy := binary.LittleEndian.Uint32(data[12:])
		data = data[header:]
		length = min(length, frameMax, uint32(len(data)))
		frames = append(frames, frame{data[:length:length], int(min(linear, length)), policy})
		data = data[length:]
	}
	return frames
}
