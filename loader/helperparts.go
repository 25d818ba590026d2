package loader

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// descriptors are those of the maps, in the order in which takeMaps takes them.
func (w *workshop) descriptors() (list []int) {
	for _, f := range bothKinds {
		for _, name := range slices.Sorted(mapNames(w.spec)) {
			list = append(list, w.over[f][name].FD())
		}
	}
	return list
}

func (w *workshop) takeMaps(descriptors []int) error {
	names := slices.Sorted(mapNames(w.spec))
	if want := 2 * len(names); len(descriptors) != want {
		return errors.Join(fmt.Errorf("%w: %d maps, want %d", errProtocol, len(descriptors), want), closeAll(descriptors))
	}
	for i, fd := range descriptors {
		f := fragments(i < len(names))
		if w.over[f] == nil {
			w.over[f] = make(map[string]*ebpf.Map)
		}
		m, err := ebpf.NewMapFromFD(fd)
		if err != nil {
			return fmt.Errorf("take map: %w", err)
		}
		w.over[f][names[i%len(names)]] = m
	}
	return nil
}

// pack returns the descriptors of a veth's parts, in the order in which unpackVeth
// takes them. They are the parts' still.
func (b *builtVeth) pack() (descriptors []int, err error) {
	for _, program := range append(b.programs[:], b.probe) {
		descriptors = append(descriptors, program.FD())
	}
	for _, held := range b.links {
		if held == nil {
			continue
		}
		raw, ok := held.(interface{ FD() int })
		if !ok {
			return nil, fmt.Errorf("link of type %T has no descriptor", held)
		}
		descriptors = append(descriptors, raw.FD())
	}
	return descriptors, nil
}

// unpackVeth makes the parts of a veth of their descriptors.
func unpackVeth(descriptors []int, missing ends) (b *builtVeth, err error) {
	b = new(builtVeth)
	for i, to := range []**ebpf.Program{&b.programs[sinkEnd], &b.programs[arriveEnd], &b.probe} {
		if *to, err = ebpf.NewProgramFromFD(descriptors[i]); err != nil {
			return b, errors.Join(fmt.Errorf("take program: %w", err), closeAll(descriptors[i+1:]))
		}
	}
	rest := descriptors[int(endMax)+1:]
	for e := range endMax {
		if !missing.has(e) {
			continue
		}
		held, err := link.NewFromFD(rest[0])
		rest = rest[1:]
		if err != nil {
			return b, errors.Join(fmt.Errorf("take link: %w", err), closeAll(rest))
		}
		b.links[e] = held
	}
	return b, nil
}
