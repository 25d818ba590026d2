package loader

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// clockInterval is how often the distance between the clocks is measured again, in nanoseconds.
const clockInterval = 1e9

// clock turns the program's CLOCK_MONOTONIC into wall time. The distance between
// the two clocks changes as the wall clock is slewed or set, so it is measured
// again every second. CLOCK_TAI would spare that, but is zero off UTC on hosts
// whose time service knows no leap seconds.
type clock struct {
	offset   int64 // wall time less monotonic time, nanoseconds
	measured int64 // monotonic time of the measurement
}

// wall returns the wall time of a monotonic time, both in nanoseconds.
func (c *clock) wall(monotonic uint64) int64 {
	return int64(monotonic) + c.offset
}

// refresh measures the offset if the last measurement is old at the monotonic time now.
func (c *clock) refresh(now int64) error {
	if c.measured != 0 && now-c.measured < clockInterval {
		return nil
	}
	offset, err := measureOffset()
	if err != nil {
		return err
	}
	c.offset, c.measured = offset, now
	return nil
}

// measureOffset reads the wall clock between two readings of the monotonic one,
// and believes the tightest of a few such readings: a preempted one is wide.
func measureOffset() (int64, error) {
	best, offset := int64(-1), int64(0)
	for range 5 {
		before, err := readClock(unix.CLOCK_MONOTONIC)
		if err != nil {
			return 0, err
		}
		wall, err := readClock(unix.CLOCK_REALTIME)
		if err != nil {
			return 0, err
		}
		after, err := readClock(unix.CLOCK_MONOTONIC)
		if err != nil {
			return 0, err
		}
		if width := after - before; best < 0 || width < best {
			best, offset = width, wall-(before+width/2)
		}
	}
	return offset, nil
}

func readClock(id int32) (int64, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		return 0, fmt.Errorf("read clock %d: %w", id, err)
	}
	return t.Nano(), nil
}
