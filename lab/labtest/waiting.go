// Package labtest has what the tests of several rooms share: waiting, skipping what a
// machine lacks, and parts of the lab that go with their test. Each function fails or
// skips the test itself.
package labtest

import (
	"os"
	"testing"
	"time"
)

// Patience is how long a test waits for what should happen at once.
var Patience = Slowly(20 * time.Second)

// IsGuest says whether the environment calls the machine a guest of scripts/vm.
func IsGuest() bool { return os.Getenv("XDPEEL_VM") == "1" }

// Slowly is how long something may take here that takes d elsewhere: a guest is emulated.
func Slowly(d time.Duration) time.Duration {
	if IsGuest() {
		return 5 * d
	}
	return d
}

// Eventually waits until something holds, for as long as Patience.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	Within(t, Patience, what, holds)
}

// Within waits until something holds, for as long as it may take.
func Within(t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain, for %s: %s", limit, what)
		}
	}
}
