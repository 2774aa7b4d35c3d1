//go:build unix

package config

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

func TestReadFile(t *testing.T) {
	t.Run("has an end, whatever the file is", func(t *testing.T) {
		pipe := t.TempDir() + "/pipe"
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		if content, err := ReadFile(pipe); err != nil || len(content) > 0 {
			t.Errorf("a pipe without a writer: %q, %v", content, err)
		}
		writer, err := os.OpenFile(pipe, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Close()
		if content, err := ReadFile(pipe); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a pipe without an end: %q, %v", content, err)
		}
		if _, err := ReadFile("/dev/zero"); !errors.Is(err, errTooLong) {
			t.Errorf("a device without an end: %v", err)
		}
	})
}
