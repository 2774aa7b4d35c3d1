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

// validate runs Gin's validator over a decoded target and adds what it finds to the faults. A member
// that has a fault already is not judged again: its field does not hold what was sent.
func (d *decoder) validate(target any) error {
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
		at := pointer(failure.Field())
		if d.faulty(at) {
			continue
		}
		field, _ := structure.FieldByName(failure.StructField())
		code, detail := d.explain(failure, field)
		d.fault(at, code, detail)
	}
	return nil
}

// explain says in a code and a clause which rule a field breaks.
func (d *decoder) explain(failure validator.FieldError, field reflect.StructField) (code, detail string) {
	switch failure.Tag() {
	case "required":
		if d.seen&(1<<field.Index[0]) == 0 {
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
