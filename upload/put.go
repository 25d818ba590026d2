package upload

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// anyObject is what must not be under a key.
const anyObject = "*"

// abortTimeout is how long giving up an upload in parts may take.
const abortTimeout = 10 * time.Second

// send has a request that sends bytes wait for its turn.
func (s *store) send(ctx context.Context, size int64, request func(context.Context) error) error {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.slots }()
	ctx, cancel := within(ctx, size)
	defer cancel()
	return request(ctx)
}

func (s *store) putWhole(ctx context.Context, o *object) error {
	return s.send(ctx, o.size, func(ctx context.Context) error {
		_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.Bucket, Key: &o.key, IfNoneMatch: aws.String(anyObject),
			Body: io.NewSectionReader(o, 0, o.size), ContentLength: &o.size, ChecksumCRC32C: &o.sums.whole,
			Metadata: map[string]string{sumKey: o.sums.whole}, StorageClass: types.StorageClass(s.StorageClass),
		})
		return err
	})
}

// putParts puts an object in parts. If it cannot, the parts are given up: a store
// keeps them, and has them paid for, until somebody does.
func (s *store) putParts(ctx context.Context, o *object, partSize int64) (err error) {
	id, err := s.begin(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = setAttribute(o.File, multipartAttribute, "")
			return
		}
		// The mark stays: a part that was under way may have come after this, and the
		// next attempt gives the upload up once more.
		err = errors.Join(err, s.abort(o.key, id))
	}()
	parts, err := s.sendParts(ctx, o, id, partSize)
	if err != nil {
		return err
	}
	_, err = s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &s.Bucket, Key: &o.key, UploadId: &id, IfNoneMatch: aws.String(anyObject),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

// begin begins an upload in parts, and has the file say so. It is not called off: an
// upload whose id nobody has could not be given up.
func (s *store) begin(ctx context.Context, o *object) (id string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	created, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.Bucket, Key: &o.key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c,
		Metadata: map[string]string{sumKey: o.sums.whole}, StorageClass: types.StorageClass(s.StorageClass),
	})
	if err != nil {
		return "", err
	}
	id = aws.ToString(created.UploadId)
	if err := setAttribute(o.File, multipartAttribute, id+"\x00"+o.key); err != nil {
		return "", errors.Join(err, s.abort(o.key, id))
	}
	return id, nil
}

// sendParts sends the parts of an object, as many at a time as may be.
func (s *store) sendParts(ctx context.Context, o *object, id string, partSize int64) ([]types.CompletedPart, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := make([]types.CompletedPart, len(o.sums.parts))
	errs := make([]error, len(parts))
	var sending sync.WaitGroup
	for i := range parts {
		number, at := int32(i+1), int64(i)*partSize
		size := min(partSize, o.size-at)
		sending.Go(func() {
			errs[i] = s.send(ctx, size, func(ctx context.Context) error {
				sent, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
					Bucket: &s.Bucket, Key: &o.key, UploadId: &id, PartNumber: &number,
					Body: io.NewSectionReader(o, at, size), ContentLength: &size, ChecksumCRC32C: &o.sums.parts[i],
				})
				if err == nil {
					parts[i] = types.CompletedPart{ETag: sent.ETag, PartNumber: &number, ChecksumCRC32C: &o.sums.parts[i]}
				}
				return err
			})
			if errs[i] != nil {
				cancel() // the others would be in vain
			}
		})
	}
	sending.Wait()
	return parts, first(errs)
}

// first returns the first error that is not of the others' being called off.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(errs...)
}

// abort gives up an upload in parts, also when everything is called off.
func (s *store) abort(key, id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), abortTimeout)
	defer cancel()
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.Bucket, Key: &key, UploadId: &id})
	var gone *types.NoSuchUpload
	if errors.As(err, &gone) {
		return nil
	}
	return err
}

// abortLeft gives up the upload that a killed process left of a file. If it cannot,
// the store's own rules have to clean up.
func (s *store) abortLeft(ctx context.Context, o *object) {
	left := attribute(o.Name(), multipartAttribute)
	id, key, ok := strings.Cut(left, "\x00")
	if !ok || ctx.Err() != nil {
		return
	}
	if err := s.abort(key, id); err != nil {
		s.Log.Warn("an upload in parts is not given up", "key", key, "error", err, "hint", "have the bucket delete incomplete uploads")
		return
	}
	_ = setAttribute(o.File, multipartAttribute, "") // it is set anew, or of no use
}
