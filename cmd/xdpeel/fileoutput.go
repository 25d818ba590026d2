package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/upload"
)

// fileOutput is where an output's capture files are written, and uploaded if they are.
type fileOutput struct {
	*export.Archive
	uploads *upload.Queue // nil: they are not
}

// openFiles opens an output that writes capture files. What the follower loses
// stands in their statistics.
func openFiles(c config.Output, sessions sessionInfo, follower *export.Follower, book *books.Book, log *slog.Logger) (*fileOutput, error) {
	if info, err := os.Stat(c.Path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", c.Path)
	}
	owner, err := ownerOf(c.Files)
	if err != nil {
		return nil, err
	}
	log = log.With("output", c.Name)
	o := &fileOutput{}
	options := export.ArchiveOptions{
		File: export.FileOptions{
			Path: c.Path, Format: export.Format(c.Type),
			Application: "xdpeel " + versionOf(),
			SnapLength:  uint32(c.Snap.Bytes),
			Name:        sessions.sessionName,
			Statistics: func(session mirror.Session) export.Statistics {
				counts := sessions.statistics(session)
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
		Book:    book,
		Log:     log,
	}
	if c.S3.Bucket != "" {
		if o.uploads, err = openUploads(c.S3, log); err != nil {
			return nil, err
		}
		options.Uploads = o.uploads
	}
	if o.Archive, err = export.NewArchive(options); err != nil && o.uploads != nil {
		err = errors.Join(err, o.uploads.Close())
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

func openUploads(c config.S3, log *slog.Logger) (*upload.Queue, error) {
	if _, err := export.ExpandTime(c.Prefix, time.Now()); err != nil {
		return nil, fmt.Errorf("read s3 prefix: %w", err)
	}
	return upload.New(upload.Options{
		Bucket: c.Bucket, Region: c.Region, Endpoint: c.Endpoint, PathStyle: c.PathStyle, StorageClass: c.StorageClass,
		Parallel: c.Parallel, PartSize: c.PartSize, RemoveLocal: c.RemoveLocal, Log: log,
		Key: func(name string, ended time.Time) (string, error) {
			prefix, err := export.ExpandTime(c.Prefix, ended)
			return prefix + name, err
		},
	})
}

// files says what became of the files.
func (o *fileOutput) files() *export.FilesReading {
	reading := &export.FilesReading{FileCounts: o.Files()}
	if o.uploads != nil {
		uploads := export.UploadReading(o.uploads.Counts())
		reading.Uploads = &uploads
	}
	return reading
}
