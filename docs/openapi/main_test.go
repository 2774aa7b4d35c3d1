package main

import (
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"testing"

	"github.com/swaggo/swag"
	"github.com/swaggo/swag/gen"
)

func TestRun(t *testing.T) {
	t.Chdir("../..") // where go generate runs swag and this command
	made := t.TempDir()
	if err := gen.New().Build(&gen.Config{
		Debugger:           log.New(io.Discard, "", 0),
		SearchDir:          "docs,handlers,models",
		MainAPIFile:        "openapi.go",
		OutputDir:          made,
		OutputTypes:        []string{"go", "json", "yaml"},
		PackageName:        "docs",
		PropNamingStrategy: swag.CamelCase,
		CollectionFormat:   "csv",
		RequiredByDefault:  true,
		ParseGoList:        true,
		ParseDepth:         100,
		LeftTemplateDelim:  "{{",
		RightTemplateDelim: "}}",
	}); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{made}); err != nil {
		t.Fatal(err)
	}

	t.Run("the committed documents are those that go generate would write", func(t *testing.T) {
		files := 0
		if err := filepath.WalkDir(made, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			files++
			name, err := filepath.Rel(made, path)
			if err != nil {
				return err
			}
			want, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if got, err := os.ReadFile(filepath.Join("docs", name)); err != nil || string(got) != string(want) {
				t.Errorf("docs/%s is out of date (%v); run go generate ./...", name, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if want := len(uiFiles()) + len([]string{"docs.go", "swagger.json", "swagger.yaml", "openapi.json", "errors.md"}); files != want {
			t.Errorf("%d files were made, want %d", files, want)
		}
	})

	t.Run("a second run writes the same", func(t *testing.T) {
		first, err := os.ReadFile(filepath.Join(made, "openapi.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := run([]string{made}); err != nil {
			t.Fatal(err)
		}
		if second, err := os.ReadFile(filepath.Join(made, "openapi.json")); err != nil || string(first) != string(second) {
			t.Errorf("two runs differ (%v)", err)
		}
	})
}
