package upload

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
)

// sums are the CRC-32Cs of a file: of all of it, and of its parts.
type sums struct {
	whole string
	parts []string
	all   string // of the parts' sums, as S3 says it of an object of parts
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum reads a file of size bytes in parts.
func sum(file io.ReaderAt, size, partSize int64) (s sums, err error) {
	whole, parts := crc32.New(castagnoli), crc32.New(castagnoli)
	for at := int64(0); at < size || at == 0; at += partSize {
		part := crc32.New(castagnoli)
		if _, err := io.Copy(io.MultiWriter(whole, part), io.NewSectionReader(file, at, min(partSize, size-at))); err != nil {
			return s, fmt.Errorf("read: %w", err)
		}
		s.parts = append(s.parts, base64.StdEncoding.EncodeToString(part.Sum(nil)))
		_, _ = parts.Write(part.Sum(nil))
	}
	s.whole = base64.StdEncoding.EncodeToString(whole.Sum(nil))
	s.all = fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(parts.Sum(nil)), len(s.parts))
	return s, nil
}
