// Package corpus finds the captures that others made of real tunnels, and what
// independent dissectors say is in them. They are no part of this project: tests
// that want them are skipped where they are absent.
package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/xdpeel/xdpeel/capfile"
	"github.com/xdpeel/xdpeel/lab/checkout"
)

// ErrAbsent says that there is no corpus on this machine.
var ErrAbsent = errors.New("needs the corpus of real captures, in ../shared/corpus beside the checkout or in XDPEEL_CORPUS")

// Action is what a decapsulator that strips one layer does with a frame.
type Action string

// The actions.
const (
	Decap     Action = "decap"
	NotEncap  Action = "not-encap"
	Malformed Action = "malformed"
)

// Frame is a frame of a capture, and what the dissectors say of it.
type Frame struct {
	Data       []byte
	WireLength int

	Number          int // from 1
	Action          Action
	Reason          string
	VNI             uint32
	InnerLength     int    `json:"inner_len"`              // bytes
	InnerHash       string `json:"inner_sha256"`           // hexadecimal
	AvailableLength int    `json:"inner_available_len"`    // of a frame that the capture's snap length has cut
	AvailableHash   string `json:"inner_available_sha256"` // likewise
}

// Capture is a file of frames, all of them wrapped or none.
type Capture struct {
	Name   string // of the file
	Path   string
	Ports  struct{ VXLAN, GENEVE []uint16 }
	Frames []Frame
}

// Directory returns where the corpus is, or ErrAbsent.
func Directory() (string, error) {
	directory := os.Getenv("XDPEEL_CORPUS")
	if directory == "" {
		root, err := checkout.Root()
		if errors.Is(err, checkout.ErrNone) {
			return "", ErrAbsent
		}
		if err != nil {
			return "", err
		}
		directory = filepath.Join(root, "..", "shared", "corpus")
	}
	if _, err := os.Stat(directory); err != nil {
		return "", ErrAbsent
	}
	return directory, nil
}

// Mirrored reads all captures of tunnels. It returns ErrAbsent where there is no corpus.
func Mirrored() ([]Capture, error) {
	directory, err := Directory()
	if err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(directory, "mirrored", "*"))
	if err != nil {
		return nil, err
	}
	var captures []Capture
	for _, path := range paths {
		capture, err := read(path, filepath.Join(directory, "expected", filepath.Base(path)+".json"))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		captures = append(captures, capture)
	}
	return captures, nil
}

// Inner returns the paths of all captures of plain Ethernet frames, to be wrapped. It
// returns ErrAbsent where there is no corpus.
func Inner() ([]string, error) {
	directory, err := Directory()
	if err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(directory, "inner", "*.pcap"))
}

func read(path, expected string) (capture Capture, err error) {
	text, err := os.ReadFile(expected)
	if err != nil {
		return capture, err
	}
	if err := json.Unmarshal(text, &capture); err != nil {
		return capture, err
	}
	capture.Name, capture.Path = filepath.Base(path), path
	frames, err := Frames(path)
	if err != nil {
		return capture, err
	}
	if len(frames) != len(capture.Frames) {
		return capture, fmt.Errorf("%d frames, of which the dissectors found %d", len(frames), len(capture.Frames))
	}
	for i, frame := range frames {
		f := &capture.Frames[i]
		f.Number, f.Data, f.WireLength = i+1, frame.Data, frame.WireLength
	}
	return capture, nil
}

// Frames returns all frames of a capture file.
func Frames(path string) (frames []capfile.Frame, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reader, err := capfile.NewReader(file)
	for err == nil {
		var frame capfile.Frame
		if frame, err = reader.Next(); err == nil {
			frame.Data = slices.Clone(frame.Data)
			frames = append(frames, frame)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return frames, err
}

// Hash returns the hash of an inner frame in the form of Frame's.
func Hash(inner []byte) string {
	sum := sha256.Sum256(inner)
	return hex.EncodeToString(sum[:])
}
