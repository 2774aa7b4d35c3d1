package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	swaggerfiles "github.com/swaggo/files/v2"
)

// uiFiles returns the files that a browser loads of Swagger UI. The module that ships them holds six
// times as much, source maps and other bundles, all of which the service would carry in its binary
// if it imported it; so they are copied.
func uiFiles() []string {
	return []string{
		"favicon-16x16.png",
		"favicon-32x32.png",
		"swagger-ui-bundle.js",
		"swagger-ui-standalone-preset.js",
		"swagger-ui.css",
	}
}

// copyUI copies the files of Swagger UI into a folder, which it makes.
func copyUI(folder string) error {
	faults := []error{os.MkdirAll(folder, 0o755)} //nolint:gosec // everybody may read what is committed
	for _, name := range uiFiles() {
		content, err := fs.ReadFile(swaggerfiles.FS, name)
		faults = append(faults, err, write(filepath.Join(folder, name), content))
	}
	return errors.Join(faults...)
}
