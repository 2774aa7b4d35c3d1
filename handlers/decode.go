package handlers

import (
	"bytes"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"userapi/models"
)

var (
	errTooDeep  = errors.New("nesting is too deep")
	errTrailing = errors.New("data after the document")
)

// decoder reads one JSON document, member by member, so that it can go on after a fault and report
// them all. It wants to know of a document only whether it is well-formed (its errors) and what of
// it does not fit what is wanted (its faults). What it reads next is up to its caller: open and next
// walk an object, and the methods named after a type read one value of it.
type decoder struct {
	json *jsontext.Decoder
	// shapes holds a *shape per struct type. All decoders of a binding share it.
	shapes        *sync.Map
	ignoreUnknown bool
	// length is that of the document, in octets.
	length int
	// at is the JSON Pointer of the object that is being read.
	at     []byte
	faults []models.Fault
	// told is how many faults were taken out of faults, and scope the length that faults had when the
	// operation began that is being read.
	told, scope int
}

// shape is what a decoder knows of a struct type.
type shape struct {
	members map[string]member
	names   []string // sorted
}

// member is a member of an object and the field for it, by index.
type member struct {
	name  string
	index int
}

// members tells of a struct which of its fields, by index, a document named, as bits, and which of
// them do not hold what was sent because that is of another type.
type members struct{ seen, bad uint64 }

func newDecoder(shapes *sync.Map) *decoder {
	return &decoder{json: jsontext.NewDecoder(new(bytes.Buffer)), shapes: shapes}
}

func (d *decoder) reset(body *bytes.Buffer, ignoreUnknown bool) {
	d.length = body.Len()
	d.json.Reset(body)
	d.ignoreUnknown = ignoreUnknown
	d.at, d.faults = d.at[:0], d.faults[:0]
	d.told, d.scope = 0, 0
}

// end returns nil when nothing follows the document.
func (d *decoder) end() error {
	if _, err := d.json.ReadToken(); err == nil || !isEOF(err) {
		return errors.Join(errTrailing, err)
	}
	return nil
}

// structure reads an object into a struct. Without an error it returns false for a value that is no
// object, which is a fault.
func (d *decoder) structure(target reflect.Value) (m members, isObject bool, err error) {
	if isObject, err = d.open(); !isObject {
		return m, false, err
	}
	shape := d.shapeOf(target.Type())
	for {
		name, more, err := d.next()
		if err != nil || !more {
			return m, err == nil, err
		}
		member, known := shape.members[string(name)]
		if !known {
			if err := d.unknown(name, shape.names); err != nil {
				return m, false, err
			}
			continue
		}
		m.seen |= 1 << member.index
		fits, err := d.field(member.name, target.Field(member.index))
		if err != nil {
			return m, false, err
		}
		if !fits {
			m.bad |= 1 << member.index
		}
	}
}

// open reads the start of an object. Without an error it returns false for another value, which is a
// fault and is passed over.
func (d *decoder) open() (isObject bool, err error) {
	if d.json.PeekKind() != '{' {
		d.faultHere("wrong_type", "must be an object")
		return false, d.skip()
	}
	_, err = d.json.ReadToken()
	return err == nil, err
}

// next reads the name of the next member of an object, which is good until the next read, or the end
// of the object.
func (d *decoder) next() (name []byte, more bool, err error) {
	if d.json.PeekKind() == '}' {
		_, err := d.json.ReadToken()
		return nil, false, err
	}
	quoted, err := d.json.ReadValue()
	if err != nil {
		return nil, false, err
	}
	return unquote(quoted), true, nil
}

// unquote returns the text of a JSON string that the decoder has read, in the same memory when that
// holds it.
func unquote(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // it is well-formed
	return text
}

// field reads one value into a field. A value of another type is a fault and leaves the field as it
// is.
func (d *decoder) field(name string, field reflect.Value) (fits bool, err error) {
	switch target := field.Addr().Interface().(type) {
	case *models.Ignored:
		return true, d.skip()
	case *string:
		return d.text(name, target)
	case **int64:
		return d.optionalInteger(name, target)
	default:
		panic("handlers: no way to bind a " + field.Type().String())
	}
}

func (d *decoder) text(name string, target *string) (fits bool, err error) {
	text, fits, err := d.transient(name)
	if fits {
		*target = string(text)
	}
	return fits, err
}

// transient reads a text that is good until the next read.
func (d *decoder) transient(name string) (text []byte, fits bool, err error) {
	if d.json.PeekKind() != '"' {
		d.fault(name, "wrong_type", "must be a string")
		return nil, false, d.skip()
	}
	quoted, err := d.json.ReadValue()
	if err != nil {
		return nil, false, err
	}
	return unquote(quoted), true, nil
}

// word reads one of a few words and returns its index. For another one the code is that of the fault.
func (d *decoder) word(name, code string, words []string) (index int, fits bool, err error) {
	text, fits, err := d.transient(name)
	if !fits {
		return 0, false, err
	}
	for index := range words {
		if words[index] == string(text) {
			return index, true, nil
		}
	}
	last := len(words) - 1
	d.fault(name, code, "must be "+strings.Join(words[:last], ", ")+" or "+words[last]+meant(string(text), words))
	return 0, false, nil
}

func (d *decoder) boolean(name string, target *bool) (fits bool, err error) {
	switch d.json.PeekKind() {
	case 't', 'f':
		token, err := d.json.ReadToken()
		if err != nil {
			return false, err
		}
		*target = token.Bool()
		return true, nil
	default:
		d.fault(name, "wrong_type", "must be true or false")
		return false, d.skip()
	}
}

func (d *decoder) optionalInteger(name string, target **int64) (fits bool, err error) {
	switch d.json.PeekKind() {
	case 'n':
		*target = nil
		return true, d.skip()
	case '0':
		number, err := d.json.ReadValue()
		if err != nil {
			return false, err
		}
		if value, whole, _ := integer(number); whole {
			*target = &value
			return true, nil
		}
		d.fault(name, "wrong_type", "must be a whole number")
		return false, nil
	default:
		d.fault(name, "wrong_type", "must be a whole number or null")
		return false, d.skip()
	}
}

// skip reads one value and drops it. It goes token by token to see how deep it is.
func (d *decoder) skip() error {
	for depth := d.json.StackDepth(); ; {
		if _, err := d.json.ReadToken(); err != nil {
			return err
		}
		switch now := d.json.StackDepth(); {
		case now > maxDepth:
			return errTooDeep
		case now == depth:
			return nil
		}
	}
}

// unknown passes over the value of a member that nobody knows.
func (d *decoder) unknown(name []byte, known []string) error {
	if !d.ignoreUnknown && !d.full() { // looking for what was meant costs more than reading
		d.fault(string(name), "unknown_member", "is not a member that this object has"+meant(string(name), known))
	}
	return d.skip()
}

// full says whether no more faults are told. Each operation tells at least one, or it would pass for
// valid.
func (d *decoder) full() bool {
	return d.told+len(d.faults) >= maxFaults && len(d.faults) > d.scope
}

// fault tells of a fault of a member of the object that is being read.
func (d *decoder) fault(member, code, detail string) {
	if !d.full() {
		place := jsontext.Pointer(d.at).AppendToken(member)
		d.faults = append(d.faults, models.Fault{Pointer: string(place), Code: code, Detail: detail})
	}
}

// faultHere tells of a fault of the object itself.
func (d *decoder) faultHere(code, detail string) {
	if !d.full() {
		d.faults = append(d.faults, models.Fault{Pointer: string(d.at), Code: code, Detail: detail})
	}
}

// shapeOf returns the shape of a struct type of at most 64 fields.
func (d *decoder) shapeOf(structure reflect.Type) *shape {
	if known, ok := d.shapes.Load(structure); ok {
		return known.(*shape)
	}
	s := &shape{members: make(map[string]member, structure.NumField())}
	for i := range structure.NumField() {
		if name, _, _ := strings.Cut(structure.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			s.members[name] = member{name, i}
		}
	}
	s.names = slices.Sorted(maps.Keys(s.members))
	d.shapes.Store(structure, s)
	return s
}

// has says whether a member of this shape was named.
func (m members) has(s *shape, name string) bool {
	return m.seen&(1<<s.members[name].index) != 0
}
