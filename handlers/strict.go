package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
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
// `binding` tags. It is safe for concurrent use. Create it with newStrictJSON, newMergePatch or
// newBatchBody.
type strictJSON struct {
	maxBytes      int64
	ignoreUnknown bool
	// media are the types of which a body may be declared, and otherwise is the error for others.
	media     []string
	otherwise error
	// read reads the document into a target. It leaves the faults in the decoder.
	read func(d *decoder, target any) error
	// keep is how large a buffer may have grown, in octets, to be worth keeping.
	keep     int
	bodies   sync.Pool // of *bytes.Buffer
	decoders sync.Pool // of *decoder
}

var _ binding.Binding = (*strictJSON)(nil)

// newStrictJSON returns a binding for structs. It takes bodies of up to maxBytes octets.
func newStrictJSON(maxBytes int64, ignoreUnknown bool) *strictJSON {
	shapes := new(sync.Map)
	return &strictJSON{
		maxBytes:      maxBytes,
		ignoreUnknown: ignoreUnknown,
		media:         []string{"application/json"},
		otherwise:     problem.ErrUnsupportedMedia,
		read:          readStruct,
		keep:          maxPooled,
		bodies:        sync.Pool{New: func() any { return new(bytes.Buffer) }},
		decoders:      sync.Pool{New: func() any { return newDecoder(shapes) }},
	}
}

// newMergePatch returns a binding for *models.UserPatch: a merge patch (RFC 7396), of which only the
// members that are given are judged. It takes plain JSON to mean the same.
func newMergePatch(maxBytes int64, ignoreUnknown bool) binding.Binding {
	b := newStrictJSON(maxBytes, ignoreUnknown)
	b.media = append(b.media, "application/merge-patch+json")
	b.otherwise = problem.ErrUnsupportedPatch
	b.read = readPatch
	return b
}

// normaliser is implemented by inputs that have a normal form, which is taken on before validation.
type normaliser interface{ Normalise() }

// Name implements binding.Binding.
func (*strictJSON) Name() string { return "json" }

// Bind implements binding.Binding. The target is a pointer to a struct, and the errors are
// *models.Error.
func (b *strictJSON) Bind(req *http.Request, target any) error {
	if !declared(req.Header, b.media) {
		return b.otherwise
	}
	body := b.bodies.Get().(*bytes.Buffer)
	defer b.release(body)
	if err := readBody(body, req, b.maxBytes); err != nil {
		return err
	}
	d := b.decoders.Get().(*decoder)
	defer b.decoders.Put(d)
	d.reset(body, b.ignoreUnknown)
	err := b.read(d, target)
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return malformed(err)
	}
	if len(d.faults) > 0 {
		return models.ErrInvalid.With(slices.Clone(d.faults)...)
	}
	return nil
}

// everyField asks about all the fields of a struct.
const everyField = ^uint64(0)

// readStruct reads a document into any struct.
func readStruct(d *decoder, target any) error {
	m, isObject, err := d.structure(reflect.ValueOf(target).Elem())
	if err != nil || !isObject {
		return err
	}
	return d.judge(target, m, everyField)
}

// readPatch reads a document into a *models.UserPatch.
func readPatch(d *decoder, target any) error {
	patch := target.(*models.UserPatch)
	m, isObject, err := d.structure(reflect.ValueOf(&patch.Input).Elem())
	if err != nil || !isObject {
		return err
	}
	return d.judgePatch(patch, m)
}

// judgePatch notes which members a patch gives, and judges those alone.
func (d *decoder) judgePatch(patch *models.UserPatch, m members) error {
	s := d.shapeOf(reflect.TypeFor[models.UserInput]())
	patch.Name, patch.Email, patch.Age = m.has(s, "name"), m.has(s, "email"), m.has(s, "age")
	return d.judge(&patch.Input, m, m.seen)
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

// integer returns the value of a JSON number that is a whole number, however it is written (30,
// 30.0, 3e1). It never rounds: a number with a fraction is none, and one that int64 does not hold is
// its nearest bound and not exact.
func integer(number []byte) (value int64, whole, exact bool) {
	if value, ok := digits(number); ok {
		return value, true, true
	}
	text, negative := strings.CutPrefix(string(number), "-")
	exponent := 0
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		exponent = saturate(text[at+1:])
		text = text[:at]
	}
	before, after, _ := strings.Cut(text, ".")
	exponent -= len(after)
	text = strings.TrimLeft(before+after, "0")
	significant := strings.TrimRight(text, "0")
	exponent += len(text) - len(significant)
	switch {
	case significant == "":
		return 0, true, true
	case exponent < 0:
		return 0, false, false
	case len(significant)+exponent > 19:
		value = math.MaxInt64
	default:
		var err error
		value, err = strconv.ParseInt(significant+strings.Repeat("0", exponent), 10, 64)
		exact = err == nil // else it is the bound
	}
	if negative {
		value = -value
	}
	return value, true, exact
}

// digits returns the value of a number that is a few digits, as almost all are.
func digits(number []byte) (value int64, ok bool) {
	if len(number) > 18 {
		return 0, false
	}
	for _, digit := range number {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		value = value*10 + int64(digit-'0')
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
