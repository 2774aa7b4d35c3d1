package middleware

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// gzipLevel costs about what zstd does, and gains most of what there is to gain.
	gzipLevel = 3
	// zstdWindow is how far back a content is looked for what it repeats: a page of a thousand users fits.
	zstdWindow = 256 << 10
	// scratchMost is how large a buffer an encoder keeps from one content to the next.
	scratchMost = 1 << 20
)

// encoder compresses one content at a time. It takes its memory with the first.
type encoder struct {
	gzip    *gzip.Writer
	zstd    *zstd.Encoder
	scratch []byte
}

func newEncoder() (*encoder, error) {
	e := new(encoder)
	var err error
	if e.gzip, err = gzip.NewWriterLevel(nil, gzipLevel); err != nil {
		return nil, err
	}
	e.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstdWindow), zstd.WithEncoderConcurrency(1))
	return e, err
}

// encode returns a content in a coding, in a buffer of just its size, longer by some octets of padding
// that no decoder shows.
func (e *encoder) encode(coding string, content []byte, padding int) ([]byte, error) {
	if coding == CodingZstd {
		e.scratch = e.zstd.EncodeAll(content, e.scratch[:0])
		if padding > 0 { // a frame that is skipped (RFC 8878, section 3.1.2)
			e.scratch = binary.LittleEndian.AppendUint32(e.scratch, 0x184D2A50)
			e.scratch = binary.LittleEndian.AppendUint32(e.scratch, uint32(padding)) //nolint:gosec // it is small
			e.scratch = append(e.scratch, make([]byte, padding)...)
		}
	} else {
		out := bytes.NewBuffer(e.scratch[:0])
		e.gzip.Reset(out)
		e.gzip.Comment = strings.Repeat("x", padding)
		if _, err := e.gzip.Write(content); err != nil {
			return nil, err
		}
		if err := e.gzip.Close(); err != nil {
			return nil, err
		}
		e.scratch = out.Bytes()
	}
	encoded := bytes.Clone(e.scratch)
	if cap(e.scratch) > scratchMost {
		e.scratch = nil
	}
	return encoded, nil
}
