package config

import (
	"net/url"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// S3 says where complete files are uploaded to.
type S3 struct {
	Bucket       string // "": nowhere
	Prefix       string // of keys, with strftime conversions of the time when a file was ended
	Region       string // "": what the environment says
	Endpoint     string // URL; "": AWS's
	PathStyle    bool   // the bucket is in the path, not in the host's name
	StorageClass string // "": the bucket's
	Parallel     int    // files, and parts of files, at a time
	PartSize     int64  // bytes; a larger file goes in parts
	RemoveLocal  bool   // a file that the store has
}

const (
	defaultParallel = 4
	maxParallel     = 64
	defaultPartSize = 64 << 20
	minPartSize     = 5 << 20 // S3's
	maxPartSize     = 5 << 30 // likewise
)

// s3Keys are the keys of `s3`, of an output of files.
var s3Keys = []key[S3]{
	{"bucket", func(r *reader, n *yaml.Node, s *S3) {
		text, ok := r.text(n, "bucket")
		if ok && !bucketName.MatchString(text) {
			r.complain(n, "bucket %q is not the name of one", text)
		}
		s.Bucket = text
	}},
	{"prefix", func(r *reader, n *yaml.Node, s *S3) {
		s.Prefix, _ = r.text(n, "prefix")
		if strings.HasPrefix(s.Prefix, "/") {
			r.complain(n, "prefix %q begins with a slash: a key has none", s.Prefix)
		}
	}},
	{"region", func(r *reader, n *yaml.Node, s *S3) { s.Region, _ = r.text(n, "region") }},
	{"endpoint", func(r *reader, n *yaml.Node, s *S3) {
		text, ok := r.text(n, "endpoint")
		if at, err := url.Parse(text); ok && (err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https") {
			r.complain(n, "endpoint %q is not a URL, as https://s3.example.com", text)
		}
		s.Endpoint = text
	}},
	{"path_style", func(r *reader, n *yaml.Node, s *S3) { s.PathStyle = r.yes(n, "path_style") }},
	{"storage_class", func(r *reader, n *yaml.Node, s *S3) { s.StorageClass, _ = r.text(n, "storage_class") }},
	{"parallel", func(r *reader, n *yaml.Node, s *S3) {
		s.Parallel = r.limited(n, "parallel", 1, maxParallel, s.Parallel)
	}},
	{"part_size", func(r *reader, n *yaml.Node, s *S3) {
		s.PartSize = r.size(n, "part_size")
		if s.PartSize != 0 && (s.PartSize < minPartSize || s.PartSize > maxPartSize) {
			r.complain(n, "part_size is from 5MiB to 5GiB")
		}
	}},
	{"remove_local", func(r *reader, n *yaml.Node, s *S3) { s.RemoveLocal = r.yes(n, "remove_local") }},
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func readS3(r *reader, n *yaml.Node, o *Output) {
	o.Files.S3 = S3{Parallel: defaultParallel, PartSize: defaultPartSize}
	before := len(r.complaints)
	if readMapping(r, n, "s3", s3Keys, &o.Files.S3) && o.Files.S3.Bucket == "" && len(r.complaints) == before {
		r.complain(n, "s3 needs the key bucket")
	}
}
