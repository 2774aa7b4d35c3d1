package middleware

import (
	"hash/maphash"
	"net/http"
	"runtime"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

const (
	// compressFrom is the size in octets from which a content is compressed: a smaller one fits into a
	// packet as it is.
	compressFrom = 1024
	// jitter is how many octets an answer to somebody who is known is longer than it need be, at most.
	jitter = 32
)

// Compress answers in gzip or zstd to those who accept it. It stands around the whole router, so that
// everything in it, the log too, speaks of contents as they are. An ETag names a version of a user, in
// whatever coding, and is left as it is, since it comes back in If-Match. Vary is Protect's to say.
//
// A content is kept until it is whole, compressed by one of a few encoders, and sent when no encoder is
// held any more, by the step Send: whoever does not read costs what his answer is in its coding, and
// nothing else. An answer that its handler cuts off before it was sent is not sent at all.
//
// An answer to a request with credentials has a random length within a few octets, the same for the same
// content, so that its size tells little of what is in it beside what an attacker may have had put there
// (BREACH).
func Compress(next http.Handler) (http.Handler, error) {
	c := &compression{next: next, seed: maphash.MakeSeed(), encoders: make(chan *encoder, runtime.GOMAXPROCS(0))}
	for range cap(c.encoders) {
		e, err := newEncoder()
		if err != nil {
			return nil, err
		}
		c.encoders <- e
	}
	return c, nil
}

// compression is the handler that Compress returns.
type compression struct {
	next http.Handler
	seed maphash.Seed
	// encoders are those that nobody uses. There are as many as processors: more would take megabytes and
	// be no faster, so who finds none waits for one.
	encoders chan *encoder
}

// ServeHTTP implements http.Handler.
func (c *compression) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	coding, only := accepted(r.Header)
	if coding == "" {
		c.next.ServeHTTP(w, r)
		return
	}
	k := &keeper{ResponseWriter: w, compression: c, coding: coding, from: compressFrom, known: only ||
		r.Header["Authorization"] != nil || r.Header["X-Api-Key"] != nil || r.Header["Cookie"] != nil}
	if only {
		k.from = 1
	}
	c.next.ServeHTTP(k, r)
	if k.send() != nil {
		panic(http.ErrAbortHandler)
	}
}

// encode returns a content in a coding, in a buffer of just its size.
func (c *compression) encode(coding string, content []byte, known bool) ([]byte, error) {
	padding := 0
	if known {
		padding = 1 + int(maphash.Bytes(c.seed, content)%jitter)
	}
	e := <-c.encoders
	defer func() { c.encoders <- e }()
	return e.encode(coding, content, padding)
}

// keeper is the writer of an answer that is kept until it is whole, if it is one that gains by a coding.
type keeper struct {
	http.ResponseWriter
	compression *compression
	coding      string
	from        int
	known       bool // who asks has credentials

	status  int // of the answer once it is known, until it is sent
	decided bool
	keeps   bool
	plain   []byte // what is kept as it is, since it may not be the whole
	encoded []byte // the whole
}

// WriteHeader implements http.ResponseWriter.
func (k *keeper) WriteHeader(status int) {
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		k.ResponseWriter.WriteHeader(status) // and another will follow
		return
	}
	if k.status == 0 {
		k.status = status
	}
}

// Write implements io.Writer. A content whose length was declared, and which comes at once, is encoded at
// once, so that the caller's buffer is all that holds it as it is.
func (k *keeper) Write(content []byte) (int, error) {
	if !k.decided {
		k.decide()
	}
	switch {
	case !k.keeps:
		return k.ResponseWriter.Write(content)
	case k.encoded != nil:
		return 0, http.ErrContentLength
	}
	if k.plain == nil && len(content) >= k.from && k.Header().Get("Content-Length") == strconv.Itoa(len(content)) {
		encoded, err := k.compression.encode(k.coding, content, k.known)
		k.encoded = encoded
		return len(content), err
	}
	k.plain = append(k.plain, content...)
	return len(content), nil
}

// decide finds out whether the content is one to keep, and else lets it through.
func (k *keeper) decide() {
	k.decided = true
	header := k.Header()
	k.keeps = header["Content-Encoding"] == nil && compressible(header.Get("Content-Type"))
	if !k.keeps {
		k.begin()
	}
}

// begin sends the status and the fields, once.
func (k *keeper) begin() {
	if k.status != 0 {
		k.ResponseWriter.WriteHeader(k.status)
		k.status = 0
	}
}

// send sends what is kept. Behind it nothing is.
func (k *keeper) send() error {
	if len(k.plain) > 0 && len(k.plain) >= k.from {
		encoded, err := k.compression.encode(k.coding, k.plain, k.known)
		if err != nil {
			return err
		}
		k.encoded, k.plain = encoded, nil
	}
	content := k.plain
	if k.encoded != nil {
		content = k.encoded
		header := k.Header()
		header["Content-Encoding"] = []string{k.coding}
		header["Content-Length"] = []string{strconv.Itoa(len(content))}
	}
	k.begin()
	k.plain, k.encoded = nil, nil
	if len(content) == 0 {
		return nil
	}
	_, err := k.ResponseWriter.Write(content)
	return err
}

// Unwrap is for http.ResponseController, by which nothing may be flushed.
func (k *keeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// Send sends an answer that Compress keeps when the steps inside have ended: the log and the metrics, which
// stand outside, are to see how long that takes. An answer that cannot be sent is cut off.
func Send() gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Next()
		if k := keeperOf(c.Writer); k != nil && c.Writer.Written() && k.send() != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// Keeps says whether what is written by a writer waits for the step Send, so that writing waits for nobody.
func Keeps(w http.ResponseWriter) bool { return keeperOf(w) != nil }

func keeperOf(w http.ResponseWriter) *keeper {
	for {
		if k, ok := w.(*keeper); ok {
			return k
		}
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = inner.Unwrap()
	}
}

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
