package handlers

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"userapi/handlers/problem"
)

// arriving is a body of one letter, octet by octet or as much as there is room for, that notes how much
// room its buffer has had for what had arrived.
type arriving struct {
	io.Reader
	buffer  *bytes.Buffer
	arrived int
	watch   func(arrived, room int)
}

func (a *arriving) Read(octets []byte) (int, error) {
	a.watch(a.arrived, a.buffer.Cap())
	n, err := a.Reader.Read(octets)
	a.arrived += n
	return n, err
}

func (*arriving) Close() error { return nil }

func TestReadBody(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	t.Run("a body of any size comes whole, however it arrives", func(t *testing.T) {
		t.Parallel()
		for _, size := range []int{0, 1, 100, firstRoom - bytes.MinRead, firstRoom, firstRoom + 1, 100_000, limit - 1, limit} {
			for says, pieces := range map[string]func(io.Reader) io.Reader{
				"at once": func(r io.Reader) io.Reader { return r }, "in halves": iotest.HalfReader, "with its end": iotest.DataErrReader,
			} {
				for _, length := range []int64{int64(size), -1} {
					text := strings.Repeat("ab", size/2+1)[:size]
					buffer := new(bytes.Buffer)
					req := &http.Request{Body: io.NopCloser(pieces(strings.NewReader(text))), ContentLength: length}
					if err := readBody(buffer, req, limit); err != nil || buffer.String() != text {
						t.Errorf("%d octets %s, declared as %d: %d octets, %v", size, says, length, buffer.Len(), err)
					}
				}
			}
		}
	})
	t.Run("one octet too many is too large", func(t *testing.T) {
		t.Parallel()
		for _, length := range []int64{limit + 1, -1} {
			req := &http.Request{Body: io.NopCloser(strings.NewReader(strings.Repeat("a", limit+1))), ContentLength: length}
			if err := readBody(new(bytes.Buffer), req, limit); !errors.Is(err, problem.ErrBodyTooLarge) {
				t.Errorf("declared as %d: %v", length, err)
			}
		}
	})
	t.Run("a buffer has room for what has arrived and little more, along with what it outgrew", func(t *testing.T) {
		t.Parallel()
		for _, length := range []int64{limit, -1} {
			buffer, rooms := new(bytes.Buffer), map[int]bool{}
			body := &arriving{iotest.HalfReader(strings.NewReader(strings.Repeat("a", limit))), buffer, 0, func(arrived, room int) {
				rooms[room] = true
				if room > max(2*growth*(arrived+bytes.MinRead), firstRoom) {
					t.Errorf("declared as %d: room for %d when %d have arrived", length, room, arrived)
				}
			}}
			if err := readBody(buffer, &http.Request{Body: body, ContentLength: length}, limit); err != nil || buffer.Len() != limit {
				t.Errorf("%d octets, %v", buffer.Len(), err)
			}
			all := 0
			for room := range rooms {
				all += room
			}
			if all > limit*3/2 {
				t.Errorf("declared as %d: %d octets for %d: %v", length, all, limit, rooms)
			}
		}
	})
}
