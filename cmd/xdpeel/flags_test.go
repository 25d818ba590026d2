package main

import "testing"

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{
		"1": 1e6, "0.5": 5e5, "10B": 10, "1KiB": 1024, "2MiB": 2 << 20, "1GiB": 1 << 30, "3kB": 3000, "4MB": 4e6,
		"1k": 1 << 10, "1M": 1 << 20, "1g": 1 << 30,
	} {
		var got byteSize
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "x", "1XiB", "1e30", "NaN", "Inf", "0.1B", "KiB"} {
		var got byteSize
		if err := got.Set(text); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}
