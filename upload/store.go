package upload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Options say where files go.
type Options struct {
	Bucket       string
	Region       string // "": what the environment says, else us-east-1
	Endpoint     string // URL of a store that is not AWS's; "": AWS
	PathStyle    bool   // the bucket is in the path, not in the host's name
	StorageClass string // "": the store's default
	Parallel     int    // files, and parts of files, at a time
	// PartSize is the most bytes that are put at once, from 5 MiB; a larger file goes in
	// parts. Less is taken for 5 MiB.
	PartSize    int64
	RemoveLocal bool // once the store has a file
	// Key returns the key of a file from its name and the time of its end. A file
	// must always have the same. Required.
	Key func(name string, ended time.Time) (string, error)
	Log *slog.Logger
}

const (
	minPartSize = 5 << 20 // bytes, S3's
	maxParts    = 10_000  // of an object, S3's
	maxNumber   = 1000    // of keys that are tried for a file
	// slowest is the rate, in bytes a second, below which a request is given up.
	slowest = 64 << 10
	// sumKey is where an object has the CRC-32C of all of it, as S3 does not of an
	// object of parts.
	sumKey = "xdpeel-crc32c"
)

// store is a bucket.
type store struct {
	Options
	client *s3.Client
	slots  chan struct{} // one is held by each request that sends bytes
}

func newStore(o Options) (*store, error) {
	o.PartSize = max(o.PartSize, minPartSize)
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.ResponseHeaderTimeout = time.Minute
	})
	settings := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client),
		// What is sent has its checksum already.
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	}
	if o.Region != "" {
		settings = append(settings, config.WithRegion(o.Region))
	}
	c, err := config.LoadDefaultConfig(context.Background(), settings...)
	if err != nil {
		return nil, fmt.Errorf("configure s3: %w", err)
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	s := &store{Options: o, slots: make(chan struct{}, o.Parallel)}
	s.client = s3.NewFromConfig(c, func(to *s3.Options) {
		to.UsePathStyle = o.PathStyle
		if o.Endpoint != "" {
			to.BaseEndpoint = aws.String(o.Endpoint)
		}
	})
	return s, nil
}

// place is what a file is marked with that the store has.
func (s *store) place() string { return s.Endpoint + " " + s.Bucket }

// upload brings a file to the store, makes sure that it is there, and marks or
// removes it. An error leaves the file as it was.
func (s *store) upload(ctx context.Context, f file) (err error) {
	opened, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	o := &object{File: opened}
	if err := o.lock(); err != nil {
		return err
	}
	info, err := opened.Stat()
	if err != nil {
		return err
	}
	o.size = info.Size()
	partSize := max(s.PartSize, (o.size+maxParts-1)/maxParts)
	if o.sums, err = sum(opened, o.size, partSize); err != nil {
		return err
	}
	key, err := s.Key(f.name, info.ModTime())
	if err != nil {
		return err
	}
	s.abortLeft(ctx, o)
	if err := s.putSomewhere(ctx, o, key, partSize); err != nil {
		return err
	}
	if s.RemoveLocal {
		return o.remove()
	}
	return setAttribute(opened, uploadedAttribute, s.place())
}

// putSomewhere puts an object under the first key that no other has: key, or that with
// a number.
func (s *store) putSomewhere(ctx context.Context, o *object, key string, partSize int64) error {
	for number := range maxNumber + 1 {
		o.key = numbered(key, number)
		taken, err := s.put(ctx, o, partSize)
		if err != nil {
			return fmt.Errorf("put s3://%s/%s: %w", s.Bucket, o.key, err)
		}
		if !taken {
			return nil
		}
	}
	return fmt.Errorf("put s3://%s/%s: too many objects of this name", s.Bucket, key)
}

// put puts an object under a key that has none, or says that another one has it. One
// that is this very file counts as put: it was, and nobody lived to note it.
func (s *store) put(ctx context.Context, o *object, partSize int64) (taken bool, err error) {
	if o.size <= partSize {
		err = s.putWhole(ctx, o)
	} else {
		// Only the end of an upload in parts would tell that the key is taken.
		if same, err := s.has(ctx, o); err == nil {
			return !same, nil
		}
		err = s.putParts(ctx, o, partSize)
	}
	if err != nil && !isTaken(err) {
		return false, err
	}
	same, headErr := s.has(ctx, o)
	switch {
	case headErr != nil:
		return false, headErr
	case same:
		return false, nil
	case err == nil:
		return false, errors.New("what the store has is not what was sent")
	}
	return true, nil
}

// has says whether what is under a key is the file.
func (s *store) has(ctx context.Context, o *object) (bool, error) {
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &s.Bucket, Key: &o.key, ChecksumMode: types.ChecksumModeEnabled,
	})
	if err != nil {
		return false, err
	}
	if aws.ToInt64(head.ContentLength) != o.size || head.Metadata[sumKey] != o.sums.whole {
		return false, nil
	}
	// A store that has checked what it was sent says so.
	sum := aws.ToString(head.ChecksumCRC32C)
	return sum == "" || sum == o.sums.whole || sum == o.sums.all, nil
}

// isTaken says whether a key has an object already.
func isTaken(err error) bool {
	var response *awshttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() == http.StatusPreconditionFailed
}

// within bounds a request that sends bytes.
func within(ctx context.Context, size int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 2*time.Minute+time.Duration(size/slowest)*time.Second)
}

// numbered puts "-3" before what a key's name ends in: ".pcapng.zst" as of files.
func numbered(key string, number int) string {
	if number == 0 {
		return key
	}
	directory, name := key[:strings.LastIndex(key, "/")+1], key[strings.LastIndex(key, "/")+1:]
	stem, end, ok := strings.Cut(name, ".")
	if !ok || stem == "" {
		return fmt.Sprintf("%s-%d", key, number)
	}
	return fmt.Sprintf("%s%s-%d.%s", directory, stem, number, end)
}
