package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/gin-gonic/gin/binding"
	"github.com/go-json-experiment/json/jsontext"

	"userapi/handlers/problem"
	"userapi/models"
)

// maxDepth is how many arrays and objects a body may nest (contract 3).
const maxDepth = 32

// maxFaults bounds the faults that one answer lists, so that a small body of nothing but faults does
// not make an answer many times its size.
const maxFaults = 1000

// strictJSON is a gin binding that reads exactly what the contract allows. It refuses what is not
// I-JSON (RFC 7493) with problem.ErrMalformedJSON, and reports everything readable but wrong
// together: members of the wrong type, unknown members, and what Gin's validator finds by the
// `binding` tags. Create it with newStrictJSON. It is safe for concurrent use.
type strictJSON struct {
	maxBytes      int64
	ignoreUnknown bool
	bodies        sync.Pool // of *bytes.Buffer
	decoders      sync.Pool // of *decoder
}

var _ binding.Binding = (*strictJSON)(nil)

// newStrictJSON returns a binding that takes bodies of up to maxBytes octets.
func newStrictJSON(maxBytes int64, ignoreUnknown bool) *strictJSON {
	plans := new(sync.Map)
	return &strictJSON{
		maxBytes:      maxBytes,
		ignoreUnknown: ignoreUnknown,
		bodies:        sync.Pool{New: func() any { return new(bytes.Buffer) }},
		decoders:      sync.Pool{New: func() any { return newDecoder(plans) }},
	}
}

// normaliser is implemented by inputs that have a normal form, which is taken on before validation.
type normaliser interface{ Normalise() }

// Name implements binding.Binding.
func (*strictJSON) Name() string { return "json" }

// Bind implements binding.Binding. The target is a pointer to a struct, and the errors are
// *models.Error.
func (b *strictJSON) Bind(req *http.Request, target any) error {
	if !declaredJSON(req.Header) {
		return problem.ErrUnsupportedMedia
	}
	body := b.bodies.Get().(*bytes.Buffer)
	defer b.release(body)
	if err := readBody(body, req, b.maxBytes); err != nil {
		return err
	}
	d := b.decoders.Get().(*decoder)
	defer b.decoders.Put(d)
	d.reset(body, b.ignoreUnknown)
	if err := d.document(reflect.ValueOf(target).Elem()); err != nil {
		return malformed(err)
	}
	if !d.faulty("") {
		if n, ok := target.(normaliser); ok {
			n.Normalise()
		}
		if err := d.validate(target); err != nil {
			return err
		}
	}
	if len(d.faults) > 0 {
		return models.ErrInvalid.With(append([]models.Fault(nil), d.faults...)...)
	}
	return nil
}

// declaredJSON says whether the body is declared as application/json in UTF-8 and not compressed.
func declaredJSON(header http.Header) bool {
	for _, coding := range header["Content-Encoding"] {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return false
		}
	}
	declared := header["Content-Type"]
	if len(declared) != 1 {
		return false
	}
	if declared[0] == "application/json" {
		return true
	}
	media, params, err := mime.ParseMediaType(declared[0])
	if err != nil || media != "application/json" {
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
	_, err := buffer.ReadFrom(body)
	var timeout net.Error
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return problem.ErrBodyTooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		return problem.ErrRequestTimeout
	}
	// The framing of the message broke or the client went away in the middle of it.
	return problem.ErrMalformedJSON.Because(err)
}

// malformed turns a reading error into the problem that says where the document broke.
func malformed(err error) error {
	if errors.Is(err, errTooDeep) {
		return malformedBecause("The body nests deeper than 32 levels.", err)
	}
	if errors.Is(err, errTrailing) {
		return malformedBecause("Something follows the JSON document in the body.", err)
	}
	if errors.Is(err, io.EOF) {
		return malformedBecause("The body is empty; a JSON document is expected.", err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return malformedBecause("The body ends in the middle of the JSON document.", err)
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return malformedBecause("The body names a member of an object twice.", err)
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return malformedBecause(fmt.Sprintf("The body is not I-JSON (RFC 7493): reading stops at byte %d.", syntax.ByteOffset), err)
	}
	return err
}

func malformedBecause(detail string, cause error) error {
	e := problem.ErrMalformedJSON.Because(cause)
	e.Detail = detail
	return e
}

// release gives a buffer back, unless a large body made it too big to keep.
func (b *strictJSON) release(body *bytes.Buffer) {
	if body.Cap() <= maxPooled {
		body.Reset()
		b.bodies.Put(body)
	}
}

// integer returns the value of a JSON number that is a whole number, however it is written (30,
// 30.0, 3e1), saturated at the bounds of int64. It never rounds: a number with a fraction is none.
func integer(number []byte) (value int64, whole bool) {
	negative := number[0] == '-'
	text := strings.TrimPrefix(string(number), "-")
	exponent := 0
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		exponent = saturate(text[at+1:])
		text = text[:at]
	}
	digits, fraction, _ := strings.Cut(text, ".")
	digits += fraction
	exponent -= len(fraction)
	digits = strings.TrimLeft(digits, "0")
	significant := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(significant)
	switch {
	case significant == "":
		return 0, true
	case exponent < 0:
		return 0, false
	case len(significant)+exponent > 19:
		value = math.MaxInt64
	default:
		for _, digit := range []byte(significant + strings.Repeat("0", exponent)) {
			if value > (math.MaxInt64-int64(digit-'0'))/10 {
				value = math.MaxInt64
				break
			}
			value = value*10 + int64(digit-'0')
		}
	}
	if negative {
		value = -value
	}
	return value, true
}

// saturate reads an exponent, held within a range far beyond every number that fits and within
// which sums do not overflow.
func saturate(exponent string) int {
	const bound = 1 << 30
	negative := strings.HasPrefix(exponent, "-")
	value := 0
	for _, digit := range []byte(strings.TrimLeft(exponent, "+-")) {
		value = min(value*10+int(digit-'0'), bound)
	}
	if negative {
		return -value
	}
	return value
}
