package handlers

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"

	"github.com/gin-gonic/gin/binding"
	"github.com/go-playground/validator/v10"

	"userapi/models"
)

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// registerRules teaches Gin's validator the rules that our `binding` tags name, once, before its
// first use: it caches what it knows of a type.
//
//nolint:gochecknoglobals // gin's validator is a global, and to be taught once
var registerRules = sync.OnceValue(func() error {
	engine, ok := binding.Validator.Engine().(*validator.Validate)
	if !ok {
		return errors.New("handlers: gin's validator is not go-playground/validator")
	}
	engine.RegisterTagNameFunc(func(field reflect.StructField) string {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		return name
	})
	return errors.Join(
		engine.RegisterValidation("text", func(field validator.FieldLevel) bool {
			return models.CheckText(field.Field().String()) == nil
		}),
		engine.RegisterValidation("address", func(field validator.FieldLevel) bool {
			_, err := models.ParseEmail(field.Field().String())
			return err == nil
		}),
	)
})

// judge brings a decoded struct to its normal form, runs Gin's validator over it and adds what that
// finds to the faults. The rules count of the fields that are asked about, as bits. A member that is
// of the wrong type is not judged again: its field does not hold what was sent.
func (d *decoder) judge(target any, m members, asked uint64) error {
	if n, ok := target.(normaliser); ok {
		n.Normalise()
	}
	err := binding.Validator.ValidateStruct(target)
	if err == nil {
		return nil
	}
	var failures validator.ValidationErrors
	if !errors.As(err, &failures) {
		return fmt.Errorf("validate: %w", err)
	}
	structure := reflect.TypeOf(target).Elem()
	for _, failure := range failures {
		field, _ := structure.FieldByName(failure.StructField())
		if bit := uint64(1) << field.Index[0]; bit&asked&^m.bad != 0 && !d.full() {
			code, detail := explain(failure, field, bit&m.seen != 0)
			d.fault(failure.Field(), code, detail)
		}
	}
	return nil
}

// explain says in a code and a clause which rule a field breaks.
func explain(failure validator.FieldError, field reflect.StructField, seen bool) (code, detail string) {
	switch failure.Tag() {
	case "required":
		if !seen {
			return "required", "is required"
		}
		return "too_short", "must not be empty"
	case "text":
		return "forbidden_character", models.CheckText(failure.Value().(string)).Error()
	case "address":
		_, err := models.ParseEmail(failure.Value().(string))
		return "invalid_email", err.Error()
	case "min", "max":
		if failure.Kind() == reflect.String {
			return "too_long", fmt.Sprintf("must have at most %s characters", failure.Param())
		}
		return "out_of_range", fmt.Sprintf("must be %s to %s", rule(field, "min"), rule(field, "max"))
	}
	return "invalid", "breaks the rule " + failure.Tag()
}

// rule returns the parameter of a rule in the `binding` tag of a field.
func rule(field reflect.StructField, name string) string {
	for part := range strings.SplitSeq(field.Tag.Get("binding"), ",") {
		if value, ok := strings.CutPrefix(part, name+"="); ok {
			return value
		}
	}
	return ""
}
