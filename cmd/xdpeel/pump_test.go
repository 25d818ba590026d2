package main

import (
	"testing"
	"time"
)

// A pump is past a time once a later read left nothing, or waits for packets since.
func TestPumpIsPast(t *testing.T) {
	start := time.Now().Add(-time.Minute)
	at := start.Add(10 * time.Second)
	for name, test := range map[string]struct {
		reading, caughtUp time.Duration
		want              bool
	}{
		"writes":                 {0, 0, false},
		"read all before":        {0, 9 * time.Second, false},
		"read all just after":    {0, 10*time.Second + readerLag, false},
		"read all later":         {0, 11 * time.Second, true},
		"waits since before":     {9 * time.Second, 0, true},
		"waits since after":      {11 * time.Second, 0, true},
		"has begun to wait":      {time.Minute, 9 * time.Second, false},
		"waits, and was past it": {time.Minute, 11 * time.Second, true},
	} {
		p := &pump{start: start}
		p.reading.Store(int64(test.reading))
		p.caughtUp.Store(int64(test.caughtUp))
		if got := p.isPast(at); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// A pump that does not turn is found out, and the service manager hears no more.
func TestPumpIsStuck(t *testing.T) {
	p := newPump(nil, nil)
	p.start = p.start.Add(-stuckAfter)
	if !p.isStuck() {
		t.Error("a pump that never read is not stuck")
	}
	p.reading.Store(1)
	if p.isStuck() {
		t.Error("a pump that waits for packets is stuck")
	}
	p.reading.Store(0)
	p.turned.Store(int64(stuckAfter))
	if p.isStuck() {
		t.Error("a pump that has just read is stuck")
	}
}
