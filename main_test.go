package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is what a program writes. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

var _ io.Writer = (*output)(nil)

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// lines returns the whole lines as JSON objects.
func (o *output) lines(t *testing.T) []map[string]any {
	t.Helper()
	var entries []map[string]any
	for line := range strings.Lines(o.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%q is not one JSON object: %v", line, err)
		}
		entries = append(entries, entry)
	}
	return entries
}

// eventually waits for a condition and ends the test when it does not come within ten seconds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited ten seconds for %s", what)
		}
	}
}

func TestRun(t *testing.T) {
	t.Run("what only prints is exit 0", func(t *testing.T) {
		for flag, part := range map[string]string{"--help": "--addr", "--version": "userapi ", "--print-config": "max_body_bytes"} {
			var stdout, stderr output
			if code := run(t.Context(), []string{flag}, nil, &stdout, &stderr); code != exitOK || !strings.Contains(stdout.String(), part) || stderr.String() != "" {
				t.Errorf("%s: exit %d, %q, %q", flag, code, stdout.String(), stderr.String())
			}
		}
	})
	t.Run("what is printed of the settings comes with its warnings", func(t *testing.T) {
		var stdout, stderr output
		if code := run(t.Context(), []string{"--print-config"}, []string{"USERAPI_NOTHING=1"}, &stdout, &stderr); code != exitOK || !strings.Contains(stderr.String(), "warning: ") {
			t.Errorf("exit %d, %q", code, stderr.String())
		}
	})
	t.Run("faults of the configuration are exit 2, all of them named", func(t *testing.T) {
		var stdout, stderr output
		code := run(t.Context(), []string{"--log-level", "loud", "--set", "x=1"}, nil, &stdout, &stderr)
		if code != exitUsage || !strings.Contains(stderr.String(), "log.level") || !strings.Contains(stderr.String(), "x (--set)") || stdout.String() != "" {
			t.Errorf("exit %d, %q, %q", code, stdout.String(), stderr.String())
		}
	})
	t.Run("a busy port is exit 1 and one line", func(t *testing.T) {
		busy, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer busy.Close()
		var stdout, stderr output
		code := run(t.Context(), []string{"--addr", busy.Addr().String()}, nil, &stdout, &stderr)
		if code != exitFailure || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), "is in use") {
			t.Errorf("exit %d, %q", code, stderr.String())
		}
		if stdout.String() != "" {
			t.Errorf("the log repeats it: %s", stdout.String())
		}
	})
	t.Run("it serves until its context ends, and says so", func(t *testing.T) {
		var stdout, stderr output
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan int)
		go func() {
			ended <- run(ctx, []string{"--addr", "127.0.0.1:0"}, []string{"USERAPI_LOG_LEVL=x"}, &stdout, &stderr)
		}()
		eventually(t, "the service to listen", func() bool { return strings.Contains(stdout.String(), `"listening"`) })
		cancel()
		if code := <-ended; code != exitOK || stderr.String() != "" {
			t.Errorf("exit %d, %q", code, stderr.String())
		}
		var messages []string
		for _, line := range stdout.lines(t) {
			messages = append(messages, line["msg"].(string))
		}
		told := strings.Join(messages, "\n")
		for _, part := range []string{"USERAPI_LOG_LEVEL", "random key", "listening", "stopping", "stopped"} {
			if !strings.Contains(told, part) {
				t.Errorf("%q is not in\n%s", part, told)
			}
		}
	})
}
