// Command openapi makes the OpenAPI 3 description of the service, openapi.json, out of the Swagger
// 2.0 description that swag has written, and the list of error codes, errors.md.
//
// It owns what Swagger 2.0 cannot say and what follows from a rule of the whole API, so that no
// annotation has to repeat it, and it records every example: it plays requests against the real
// handlers, and refuses a document that declares an answer nobody can provoke, or that does not
// declare one that was given. It also takes the files of Swagger UI out of the module that ships
// them. It refuses to know the API by itself: what is special to one operation stands in the
// annotations. `go generate ./docs` runs it, with the folder of the documents as its only argument.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/getkin/kin-openapi/openapi3"

	"userapi/handlers/problem"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: openapi FOLDER")
	}
	folder := args[0]
	swagger, err := os.ReadFile(filepath.Join(folder, "swagger.json")) //nolint:gosec // the folder is the caller's to name
	if err != nil {
		return err
	}
	doc, err := convert(swagger)
	if err != nil {
		return err
	}
	if err := illustrate(doc, exchanges()); err != nil {
		return err
	}
	written, err := render(doc)
	if err != nil {
		return err
	}
	return errors.Join(
		write(filepath.Join(folder, "openapi.json"), written),
		write(filepath.Join(folder, "errors.md"), errorsPage(problem.Entries())),
		copyUI(filepath.Join(folder, "ui")),
	)
}

func write(path string, content []byte) error {
	return os.WriteFile(path, content, 0o644) //nolint:gosec // everybody may read what is committed
}

// render returns the document as indented JSON, after it was found valid as a reader will find it.
func render(doc *openapi3.T) ([]byte, error) {
	compact, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	read, err := openapi3.NewLoader().LoadFromData(compact)
	if err != nil {
		return nil, err
	}
	if err := read.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("the document is not valid: %w", err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, compact, "", "  "); err != nil {
		return nil, err
	}
	indented.WriteByte('\n')
	return indented.Bytes(), nil
}
