package loader

// Sizes of rings, in bytes. Each CPU has a ring that its caches hold, so that a record is
// read from where it was written; what comes while the reader is late goes to a larger one
// behind, its spill. Rings take their sizes in kernel memory, so all spills of a host
// together take at most ringsTotal. Where a spill would be hardly larger than the ring,
// there is a ring of that size alone. ringMin holds three records of the largest kind.
const (
	ringsTotal = 64 << 20
	ringMin    = 256 << 10
	ringNear   = 1 << 20 // half of the second cache of a server's core
	spillMax   = 16 << 20
)

// ringSizes returns the sizes of the ring and of the spill of each of n CPUs, powers of
// two, as the kernel asks; the spill's is 0 where there is none.
func ringSizes(n int) (ring, spill uint32) {
	size := uint32(spillMax)
	for size > ringMin && int(size)*n > ringsTotal {
		size /= 2
	}
	if size <= 2*ringNear {
		return size, 0
	}
	return ringNear, size
}

// ringsOf returns how many rings n CPUs have, with the spills.
func ringsOf(n int) int {
	if _, spill := ringSizes(n); spill > 0 {
		return 2 * n
	}
	return n
}
