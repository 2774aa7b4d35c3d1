package handlers

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"

	"userapi/handlers/problem"
	"userapi/models"
)

// declared says whether the body is declared to be of one of the media types, in UTF-8 and not
// compressed.
func declared(header http.Header, media []string) bool {
	for _, coding := range header["Content-Encoding"] {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return false
		}
	}
	values := header["Content-Type"]
	if len(values) != 1 {
		return false
	}
	if slices.Contains(media, values[0]) {
		return true
	}
	mediaType, params, err := mime.ParseMediaType(values[0])
	if err != nil || !slices.Contains(media, mediaType) {
		return false
	}
	charset, named := params["charset"]
	return !named || strings.EqualFold(charset, "utf-8")
}

// readBody reads the body of a request into an empty buffer.
func readBody(buffer *bytes.Buffer, req *http.Request, limit int64) error {
	if req.ContentLength > limit {
		return problem.ErrBodyTooLarge
	}
	if req.Body == nil {
		return nil
	}
	body := io.Reader(req.Body)
	if req.ContentLength < 0 {
		body = http.MaxBytesReader(nil, req.Body, limit)
	}
	err := fill(buffer, body, req.ContentLength, limit)
	if err == nil {
		return nil
	}
	var timeout net.Error // here, because these cost allocations
	var tooLarge *http.MaxBytesError
	var known *models.Error
	switch {
	case errors.As(err, &known): // who let it arrive does not let it in
		return known
	case errors.As(err, &tooLarge):
		return problem.ErrBodyTooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		return problem.ErrRequestTimeout
	}
	// The framing of the message broke or the client went away in the middle of it.
	return problem.ErrMalformedJSON.Because(err)
}

const (
	// firstRoom is for how many octets a buffer has room at first, if so many can come.
	firstRoom = 4 << 10
	// growth is how many times as much room a buffer is given that is full.
	growth = 4
)

// fill reads all of a body, of a length that is negative if nobody knows it. The buffer grows by what has
// arrived, since many bodies can be on their way, and the last time no further than to the most that can
// come: bytes.Buffer by itself would take up to three times as much, along with what it outgrew.
func fill(buffer *bytes.Buffer, body io.Reader, length, limit int64) error {
	most := int(length)
	if length < 0 {
		most = int(limit) + 1 // which tells that it is too large
	}
	most += bytes.MinRead // that bytes.Buffer wants to have free when it looks for the end
	buffer.Grow(min(most, firstRoom))
	for buffer.Cap() < most {
		room := int64(buffer.Cap() - bytes.MinRead - buffer.Len())
		if n, err := buffer.ReadFrom(io.LimitReader(body, room)); err != nil || n < room {
			return err //nolint:wrapcheck // the caller says what it means
		}
		next := growth * buffer.Cap()
		if next > most/2 {
			next = most // or it would soon be outgrown
		}
		larger := bytes.NewBuffer(make([]byte, 0, next))
		_, _ = larger.Write(buffer.Bytes()) // never fails
		*buffer = *larger
	}
	_, err := buffer.ReadFrom(body)
	return err //nolint:wrapcheck // likewise
}

// release gives a buffer back, unless a large body made it too big to keep.
func (b *strictJSON) release(body *bytes.Buffer) {
	if body.Cap() <= b.keep {
		body.Reset()
		b.bodies.Put(body)
	}
}
