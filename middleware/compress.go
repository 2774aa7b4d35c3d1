package middleware

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

const (
	// compressFrom is the size in octets from which a content is compressed: a smaller one fits into a
	// packet as it is.
	compressFrom = 1024
	// gzipLevel costs about what zstd does, and gains most of what there is to gain.
	gzipLevel = 3
	// jitter is how many octets an answer to somebody who is known is longer than it need be, at most.
	jitter = 32
)

// Compress answers in gzip or zstd to those who accept it. It stands around the whole router, so that
// everything in it, the log too, speaks of contents as they are. An ETag names a version of a user, in
// whatever coding, and is left as it is, since it comes back in If-Match.
//
// An answer to a request with credentials has a random length within a few octets, the same for the same
// content, so that its size tells little of what is in it beside what an attacker may have had put there
// (BREACH). An answer that its handler cuts off gets no end that a client could take for one.
func Compress(next http.Handler) (http.Handler, error) {
	inner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		v := w.(*gzhttp.GzipResponseWriter).Unwrap().(*visit)
		delete(w.Header(), "Vary") // package gzhttp's own; Protect says it of every answer
		defer func() { v.cut = !v.whole }()
		next.ServeHTTP(w, v.request)
		v.whole = true
	})
	c := &compression{next: next, asks: map[string]*http.Request{}}
	for _, coding := range []string{CodingGzip, CodingZstd} {
		c.asks[coding] = &http.Request{Method: http.MethodGet, Header: http.Header{"Accept-Encoding": {coding}}}
	}
	for _, way := range []struct {
		handler *http.Handler
		from    int
		jitter  int
	}{{&c.usual, compressFrom, 0}, {&c.known, compressFrom, jitter}, {&c.always, 1, jitter}} {
		wrap, err := gzhttp.NewWrapper(
			gzhttp.MinSize(way.from),
			gzhttp.CompressionLevel(gzipLevel),
			gzhttp.ContentTypeFilter(compressible),
			gzhttp.RandomJitter(way.jitter, 0, false),
		)
		if err != nil {
			return nil, err
		}
		*way.handler = wrap(inner)
	}
	return c, nil
}

// compression is the handler that Compress returns.
type compression struct {
	next   http.Handler
	usual  http.Handler // compresses what is worth it
	known  http.Handler // the same for somebody with credentials
	always http.Handler // compresses whatever there is, for those who take nothing else
	// asks holds the request that package gzhttp is shown for each coding: what is accepted was decided
	// before, and HEAD is to have the header fields of GET (RFC 9110, section 9.3.2).
	asks map[string]*http.Request
}

// ServeHTTP implements http.Handler.
func (c *compression) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	coding, only := accepted(r.Header)
	if coding == "" {
		c.next.ServeHTTP(w, r)
		return
	}
	way := c.usual
	switch {
	case only:
		way = c.always
	case r.Header["Authorization"] != nil || r.Header["X-Api-Key"] != nil || r.Header["Cookie"] != nil:
		way = c.known
	}
	way.ServeHTTP(&visit{ResponseWriter: w, request: r}, c.asks[coding])
}

// visit is what package gzhttp writes to. It passes nothing on behind the end of a handler that panicked:
// package gzhttp would write the end of a stream then, which may be all that tells a client of HTTP/1.0
// that it has the whole.
type visit struct {
	http.ResponseWriter
	request    *http.Request
	whole, cut bool
}

// Write implements io.Writer.
func (v *visit) Write(content []byte) (int, error) {
	if v.cut {
		return len(content), nil
	}
	return v.ResponseWriter.Write(content)
}

// WriteHeader implements http.ResponseWriter.
func (v *visit) WriteHeader(status int) {
	if !v.cut {
		v.ResponseWriter.WriteHeader(status)
	}
}

// Unwrap is for http.ResponseController.
func (v *visit) Unwrap() http.ResponseWriter { return v.ResponseWriter }

// The codings that an answer may have, by their names in HTTP.
const (
	CodingGzip = "gzip"
	CodingZstd = "zstd"
)

// Coding returns which coding an answer to a request is to have, or nothing when none is acceptable or
// wanted.
func Coding(header http.Header) string {
	coding, _ := accepted(header)
	return coding
}

// accepted reads an Accept-Encoding field (RFC 9110, section 12.5.3). Of two that are as welcome it takes
// zstd, which gains more at the same cost. only says that the content must not come as it is. One that
// accepts nothing that there is is answered by the content as it is.
func accepted(header http.Header) (coding string, only bool) {
	fields := header["Accept-Encoding"]
	if len(fields) == 0 {
		return "", false
	}
	gzip, zstd, identity, others := unsaid, unsaid, unsaid, unsaid
	for _, field := range fields {
		for part := range strings.SplitSeq(field, ",") {
			name, parameters, _ := strings.Cut(part, ";")
			switch name = strings.TrimSpace(name); {
			case strings.EqualFold(name, CodingGzip), strings.EqualFold(name, "x-gzip"):
				gzip = max(gzip, weight(parameters))
			case strings.EqualFold(name, CodingZstd):
				zstd = max(zstd, weight(parameters))
			case strings.EqualFold(name, "identity"):
				identity = weight(parameters)
			case name == "*":
				others = weight(parameters)
			}
		}
	}
	only = identity == 0 || identity == unsaid && others == 0
	if only && gzip == unsaid && others > 0 {
		gzip = others
	}
	switch {
	case gzip <= 0 && zstd <= 0, identity > max(gzip, zstd):
		return "", false
	case zstd >= gzip:
		return CodingZstd, only
	}
	return CodingGzip, only
}

// unsaid is the weight of a coding of which a field does not speak.
const unsaid = -1.0

// weight returns the q among the parameters of a coding, which is 1 when there is none, and 0 when it
// cannot be read.
func weight(parameters string) float64 {
	if parameters == "" {
		return 1
	}
	name, value, _ := strings.Cut(strings.TrimSpace(parameters), "=")
	q, err := strconv.ParseFloat(value, 64)
	if !strings.EqualFold(name, "q") || err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}

// compressible says whether a content of this media type gains by compression.
func compressible(mediaType string) bool {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	switch strings.TrimSpace(mediaType) {
	case "application/json", "application/problem+json", "application/javascript",
		"text/html", "text/css", "text/javascript", "text/plain":
		return true
	}
	return false
}
