package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

// openFiles opens an output that writes capture files. What the follower loses
// stands in their statistics.
func openFiles(c config.Output, book sessionBook, follower *export.Follower, log *slog.Logger) (*export.Archive, error) {
	if info, err := os.Stat(c.Path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", c.Path)
	}
	owner, err := ownerOf(c.Files)
	if err != nil {
		return nil, err
	}
	return export.NewArchive(export.ArchiveOptions{
		File: export.FileOptions{
			Path: c.Path, Format: export.Format(c.Type),
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
		},
		Split:   c.Split,
		Keep:    export.Keep{Size: c.KeepSize, Files: c.KeepFiles, Free: c.KeepFree},
		Owner:   owner,
		Command: export.Command{Arguments: c.OnRotate.List(), Timeout: c.OnRotateTimeout},
		Log:     log.With("output", c.Name),
	})
}

// ownerOf looks up whose the files of an output are to be.
func ownerOf(f config.Files) (owner export.Owner, err error) {
	owner = export.Owner{User: -1, Group: -1, Mode: f.Mode}
	if f.Owner != "" {
		if owner.User, err = strconv.Atoi(f.Owner); err != nil {
			known, err := user.Lookup(f.Owner)
			if err != nil {
				return owner, fmt.Errorf("look up owner: %w", err)
			}
			owner.User, _ = strconv.Atoi(known.Uid)
		}
	}
	if f.Group != "" {
		if owner.Group, err = strconv.Atoi(f.Group); err != nil {
			known, err := user.LookupGroup(f.Group)
			if err != nil {
				return owner, fmt.Errorf("look up group: %w", err)
			}
			owner.Group, _ = strconv.Atoi(known.Gid)
		}
	}
	return owner, nil
}
