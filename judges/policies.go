package judges

import (
	"encoding/binary"
	"fmt"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/loader/tables"
	"github.com/xdpeel/xdpeel/mirror"
)

// maxPolicies is how many a sequence can choose among: POLICIES_MAX of
// native/policies.h.
const maxPolicies = 16

// policies are what the frames of a sequence can be judged by, and their tables.
type policies struct {
	list   []*mirror.Policy
	images []*tables.Image
	binary []byte // the form of native/policies.h
}

// newPolicies compiles policies, of which there are 1 to 16.
func newPolicies(list ...*mirror.Policy) (*policies, error) {
	if len(list) == 0 || len(list) > maxPolicies {
		return nil, fmt.Errorf("make policies: %d of them, from 1 to %d are allowed", len(list), maxPolicies)
	}
	p := &policies{list: list, binary: binary.LittleEndian.AppendUint32(nil, uint32(len(list)))}
	for i, policy := range list {
		if err := policy.Check(); err != nil {
			return nil, fmt.Errorf("make policy %d: %w", i, err)
		}
		image, err := tables.Compile(policy, uint32(i+1))
		if err != nil {
			return nil, fmt.Errorf("make policy %d: %w", i, err)
		}
		p.images = append(p.images, image)
		p.appendImage(image)
	}
	return p, nil
}

// appendImage appends the regions, each as far as it is used.
func (p *policies) appendImage(image *tables.Image) {
	regions := image.Regions()
	p.binary = binary.LittleEndian.AppendUint32(p.binary, uint32(len(regions)))
	for _, region := range regions {
		used := usedLines(region)
		p.binary = binary.LittleEndian.AppendUint32(p.binary, uint32(used))
		p.binary = append(p.binary, region[:used*lineBytes]...)
	}
}

// lineBytes is the size of a line of a region.
const lineBytes = tables.RegionBytes / abi.RegionLines

// usedLines returns how many lines there are up to the last that is not zero.
func usedLines(region []byte) int {
	used := len(region)
	for used > lineBytes && binary.LittleEndian.Uint64(region[used-8:]) == 0 {
		used -= 8
	}
	return (used + lineBytes - 1) / lineBytes
}

// index returns which policy a number means: any number means one.
func (p *policies) index(number uint32) int { return int(number % uint32(len(p.list))) }
