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

// decoder reads one JSON document into a struct, member by member, so that it can go on after a
// fault and report them all. It wants to know of a document only whether it is well-formed (its
// errors) and what of it does not fit the struct (its faults).
type decoder struct {
	json *jsontext.Decoder
	// plans holds, per struct type, the index of the field for each member name. All decoders of a
	// binding share it.
	plans         *sync.Map
	ignoreUnknown bool
	faults        []models.Fault
	// seen is the set of fields, by index, that the document named, as bits.
	seen uint64
}

func newDecoder(plans *sync.Map) *decoder {
	return &decoder{json: jsontext.NewDecoder(new(bytes.Buffer)), plans: plans}
}

func (d *decoder) reset(body *bytes.Buffer, ignoreUnknown bool) {
	d.json.Reset(body)
	d.ignoreUnknown = ignoreUnknown
	d.faults = d.faults[:0]
	d.seen = 0
}

// document reads the only object of the body into a struct.
func (d *decoder) document(target reflect.Value) error {
	if d.json.PeekKind() != '{' {
		if err := d.skip(); err != nil {
			return err
		}
		d.fault("", "wrong_type", "must be an object")
	} else if err := d.object(target); err != nil {
		return err
	}
	if _, err := d.json.ReadToken(); err == nil || !isEOF(err) {
		return errors.Join(errTrailing, err)
	}
	return nil
}

func (d *decoder) object(target reflect.Value) error {
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	plan := d.planOf(target.Type())
	for d.json.PeekKind() != '}' {
		token, err := d.json.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		index, known := plan[name]
		switch {
		case known:
			d.seen |= 1 << index
			err = d.member(name, target.Field(index))
		case d.ignoreUnknown:
			err = d.skip()
		default:
			d.unknown(name, plan)
			err = d.skip()
		}
		if err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// member reads one value into a field. A value of another type is a fault and leaves the field as
// it is.
func (d *decoder) member(name string, field reflect.Value) error {
	kind := d.json.PeekKind()
	switch target := field.Addr().Interface().(type) {
	case *models.Ignored:
		return d.skip()
	case *string:
		if kind != '"' {
			d.fault(pointer(name), "wrong_type", "must be a string")
			return d.skip()
		}
		token, err := d.json.ReadToken()
		if err == nil {
			*target = token.String()
		}
		return err
	case **int64:
		return d.optionalInteger(name, kind, target)
	default:
		panic("handlers: no way to bind a " + field.Type().String())
	}
}

func (d *decoder) optionalInteger(name string, kind jsontext.Kind, target **int64) error {
	switch kind {
	case 'n':
		*target = nil
		return d.skip()
	case '0':
		number, err := d.json.ReadValue()
		if err != nil {
			return err
		}
		if value, whole := integer(number); whole {
			*target = &value
			return nil
		}
		d.fault(pointer(name), "wrong_type", "must be a whole number")
		return nil
	default:
		d.fault(pointer(name), "wrong_type", "must be a whole number or null")
		return d.skip()
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

func (d *decoder) unknown(name string, plan map[string]int) {
	if len(d.faults) >= maxFaults { // looking for what was meant costs more than reading
		return
	}
	known := slices.Sorted(maps.Keys(plan))
	d.fault(pointer(name), "unknown_member", "is not a member that this object has"+meant(name, known))
}

func (d *decoder) fault(pointer, code, detail string) {
	if len(d.faults) < maxFaults {
		d.faults = append(d.faults, models.Fault{Pointer: pointer, Code: code, Detail: detail})
	}
}

// faulty says whether a fault was found at the pointer already.
func (d *decoder) faulty(pointer string) bool {
	for i := range d.faults {
		if d.faults[i].Pointer == pointer {
			return true
		}
	}
	return false
}

// pointer returns the JSON Pointer of a member of the document.
func pointer(name string) string {
	return string(jsontext.Pointer("").AppendToken(name))
}

// planOf returns the index of the field for each member that the struct type has.
func (d *decoder) planOf(structure reflect.Type) map[string]int {
	if plan, ok := d.plans.Load(structure); ok {
		return plan.(map[string]int)
	}
	plan := make(map[string]int, structure.NumField())
	for i := range structure.NumField() {
		if name, _, _ := strings.Cut(structure.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			plan[name] = i
		}
	}
	d.plans.Store(structure, plan)
	return plan
}
