package main

import (
	"fmt"
	"os"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

// openFile opens the first file of an output that writes capture files. What the
// follower loses stands in their statistics.
func openFile(c config.Output, book sessionBook, follower *export.Follower) (*export.File, error) {
	if info, err := os.Stat(c.Path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", c.Path)
	}
	return export.NewFile(export.FileOptions{
		Path:        c.Path,
		Application: "xdpeel " + versionOf(),
		SnapLength:  uint32(c.Snap.Bytes),
		Name:        book.sessionName,
		Statistics: func(session mirror.Session) export.Statistics {
			counts := book.statistics(session)
			counts.Dropped += follower.LostOf(session)
			return counts
		},
		RotateSize:  c.RotateSize,
		RotateEvery: c.RotateEvery,
	})
}
