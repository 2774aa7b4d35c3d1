package handlers

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin/binding"

	"userapi/handlers/problem"
	"userapi/models"
)

// newBatchBody returns a binding for *models.Batch. What is wrong with one operation is in its Err,
// with pointers from the root of the body; an error tells of what is wrong with the whole.
// requireMatch asks a condition of all operations that change a user.
func newBatchBody(maxBytes int64, ignoreUnknown, requireMatch bool) binding.Binding {
	b := newStrictJSON(maxBytes, ignoreUnknown)
	b.keep = maxPooledBatch
	b.read = func(d *decoder, target any) error {
		r := batchReader{decoder: d, batch: target.(*models.Batch), requireMatch: requireMatch}
		return r.read()
	}
	return b
}

// batchReader reads the body of a batch. Of its faults those that refuse the whole stay in the
// decoder, and those of an operation are taken out of it.
type batchReader struct {
	*decoder
	batch        *models.Batch
	requireMatch bool
}

// The words of a batch, and the members of its objects.
//
//nolint:gochecknoglobals // never written
var (
	modes            = []string{"atomic", "independent"}
	operationNames   = []string{models.OpCreate - 1: "create", models.OpUpdate - 1: "update", models.OpPatch - 1: "patch", models.OpDelete - 1: "delete"}
	batchMembers     = []string{"dry_run", "mode", "operations"}
	operationMembers = []string{"id", "if_match", "op", "user"}
)

// maxPooledBatch is maxPooled for the bodies of batches: a thousand ordinary users fit.
const maxPooledBatch = 256 << 10

// octetsPerOperation is about the length of an operation that is short.
const octetsPerOperation = 64

func (r *batchReader) read() error {
	isObject, err := r.open()
	if err != nil || !isObject {
		return err
	}
	listed := false
	for {
		name, more, err := r.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		switch string(name) {
		case "mode":
			var mode int
			mode, _, err = r.word("mode", "unknown_mode", modes)
			r.batch.Independent = mode == 1
		case "dry_run":
			_, err = r.boolean("dry_run", &r.batch.DryRun)
		case "operations":
			listed = true
			err = r.operations()
		default:
			err = r.unknown(name, batchMembers)
		}
		if err != nil {
			return err
		}
	}
	if !listed {
		r.fault("operations", "required", "is required")
	}
	if len(r.faults) > 0 {
		r.refuseWhole()
	}
	return nil
}

// refuseWhole tells, when the whole is refused, of the faults of its operations too.
func (r *batchReader) refuseWhole() {
	for i := range r.batch.Operations {
		if err := r.batch.Operations[i].Err; err != nil {
			r.faults = append(r.faults, err.Faults...)
		}
	}
}

// operations reads the list of operations.
func (r *batchReader) operations() error {
	if r.json.PeekKind() != '[' {
		r.fault("operations", "wrong_type", "must be an array")
		return r.skip()
	}
	if _, err := r.json.ReadToken(); err != nil {
		return err
	}
	r.batch.Operations = make([]models.Operation, 0, min(1+r.length/octetsPerOperation, models.MaxOperations))
	count := 0
	for ; r.json.PeekKind() != ']'; count++ {
		if err := r.element(count); err != nil {
			return err
		}
	}
	switch {
	case count == 0:
		r.fault("operations", "too_few", "must have at least one operation")
	case count > models.MaxOperations:
		r.fault("operations", "too_many", "must have at most "+strconv.Itoa(models.MaxOperations)+" operations")
	}
	_, err := r.json.ReadToken()
	return err
}

// element reads one element of the list.
func (r *batchReader) element(index int) error {
	if index >= models.MaxOperations {
		return r.skip()
	}
	outer := len(r.at)
	r.at = strconv.AppendInt(append(r.at, "/operations/"...), int64(index), 10)
	r.scope = len(r.faults)
	r.batch.Operations = append(r.batch.Operations, models.Operation{})
	op := &r.batch.Operations[index]
	known, err := r.operation(op)
	if known && len(r.faults) > r.scope {
		op.Err = models.ErrInvalid.With(slices.Clone(r.faults[r.scope:])...)
		r.told += len(r.faults) - r.scope
		r.faults = r.faults[:r.scope]
	}
	r.at, r.scope = r.at[:outer], 0
	return err
}

// given is what an operation names, as far as it can be judged only when the whole of it is read.
type given struct {
	op, id, match, user bool
	// noID says that the id is a number that no user can have.
	noID bool
	// isUser says that the user is an object, with these members.
	isUser bool
	fields members
}

// operation reads one operation, whose members come in any order. It returns false when it is not
// known what the operation is, which refuses the whole.
func (r *batchReader) operation(op *models.Operation) (known bool, err error) {
	isObject, err := r.open()
	if err != nil || !isObject {
		return false, err
	}
	var has given
	for {
		name, more, err := r.next()
		if err != nil {
			return false, err
		}
		if !more {
			break
		}
		switch string(name) {
		case "op":
			has.op = true
			var index int
			if index, known, err = r.word("op", "unknown_operation", operationNames); known {
				op.Op = models.Op(index + 1) //nolint:gosec // one of four
			}
		case "id":
			has.id = true
			has.noID, err = r.id(&op.ID)
		case "if_match":
			has.match = true
			err = r.match(&op.Match)
		case "user":
			has.user = true
			err = r.user(op, &has)
		default:
			err = r.unknown(name, operationMembers)
		}
		if err != nil {
			return false, err
		}
	}
	if !has.op {
		r.fault("op", "required", "is required")
	}
	if !known {
		return false, nil
	}
	return true, r.conclude(op, &has)
}

// id reads the id of a user. It returns true for a whole number that no user can have as id.
func (r *batchReader) id(target *int64) (none bool, err error) {
	if r.json.PeekKind() != '0' {
		r.fault("id", "wrong_type", "must be a whole number")
		return false, r.skip()
	}
	number, err := r.json.ReadValue()
	if err != nil {
		return false, err
	}
	id, whole, exact := integer(number)
	switch {
	case !whole:
		r.fault("id", "wrong_type", "must be a whole number")
	case !exact && id > 0:
		r.fault("id", "out_of_range", "must be "+between(1, math.MaxInt64))
	case id < 1 || id > models.MaxID:
		return true, nil
	default:
		*target = id
	}
	return false, nil
}

// match reads a condition. A version may stand in it without the quotes of an entity tag.
func (r *batchReader) match(target *models.Match) error {
	text, fits, err := r.transient("if_match")
	if err != nil || !fits {
		return err
	}
	tags := string(text)
	if tags != "" && strings.Trim(tags, "0123456789") == "" {
		tags = `"` + tags + `"`
	}
	match, ok := models.ParseMatch([]string{tags})
	if !ok {
		r.fault("if_match", "malformed_version", `must be a version such as 3 or "3", a list of those in quotes, or *`)
	}
	*target = match
	return nil
}

// user reads what to set of a user.
func (r *batchReader) user(op *models.Operation, has *given) (err error) {
	outer := len(r.at)
	r.at = append(r.at, "/user"...)
	has.fields, has.isUser, err = r.structure(reflect.ValueOf(&op.Patch.Input).Elem())
	r.at = r.at[:outer]
	return err
}

// conclude judges an operation that is read: by what it is, which members it must and must not have,
// and what it sets. An operation with no fault can still be one that cannot succeed.
func (r *batchReader) conclude(op *models.Operation, has *given) error {
	isCreate, isDelete := op.Op == models.OpCreate, op.Op == models.OpDelete
	r.expect("id", !isCreate, has.id)
	r.expect("user", !isDelete, has.user)
	if isCreate && has.match {
		r.unexpected("if_match")
	}
	if has.isUser && !isDelete {
		if err := r.judgeUser(op, has.fields); err != nil {
			return err
		}
	}
	switch {
	case len(r.faults) > r.scope:
	case r.requireMatch && !has.match && !isCreate:
		op.Err = problem.ErrPreconditionRequired
	case has.noID:
		op.Err = models.ErrUserNotFound
	}
	return nil
}

func (r *batchReader) judgeUser(op *models.Operation, fields members) error {
	outer := len(r.at)
	defer func() { r.at = r.at[:outer] }()
	r.at = append(r.at, "/user"...)
	if op.Op == models.OpPatch {
		return r.judgePatch(&op.Patch, fields)
	}
	return r.judge(&op.Patch.Input, fields, everyField)
}

// expect tells of a member that is absent and must be there, or the other way round.
func (r *batchReader) expect(name string, wanted, there bool) {
	switch {
	case wanted && !there:
		r.fault(name, "required", "is required")
	case there && !wanted:
		r.unexpected(name)
	}
}

// unexpected tells of a member that does not belong to the operation, unless something is told of it
// already.
func (r *batchReader) unexpected(name string) {
	place := string(r.at) + "/" + name
	if !slices.ContainsFunc(r.faults[r.scope:], func(f models.Fault) bool { return f.Pointer == place }) {
		r.fault(name, "unexpected_member", "is not a member that this operation has")
	}
}
