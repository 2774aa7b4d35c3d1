package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"userapi/config"
)

func TestNewLogger(t *testing.T) {
	t.Parallel()
	written := func(t *testing.T, settings config.Log) *output {
		t.Helper()
		out := new(output)
		level, err := zap.ParseAtomicLevel(settings.Level)
		if err != nil {
			t.Fatal(err)
		}
		log, writer := newLogger(settings.Format, level, out)
		log.Debug("hidden")
		log.Info("shown\nonce", zap.String("member", "va\u2028lue"))
		writer.Close(time.Minute)
		return out
	}
	t.Run("by default lines are JSON where the output is no terminal", func(t *testing.T) {
		t.Parallel()
		lines := written(t, config.Default().Log).lines(t)
		if len(lines) != 1 || lines[0]["level"] != "info" || lines[0]["msg"] != "shown\nonce" || lines[0]["member"] != "va\u2028lue" {
			t.Fatalf("%v", lines)
		}
		if at := lines[0]["time"].(string); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`).MatchString(at) {
			t.Errorf("the time is %q", at)
		}
	})
	t.Run("on request they are for people, in colours", func(t *testing.T) {
		t.Parallel()
		text := written(t, config.Log{Level: "info", Format: config.LogConsole}).String()
		if !strings.Contains(text, "\x1b[34mINFO\x1b[0m") || strings.HasPrefix(text, "{") || !strings.Contains(text, `"member"`) {
			t.Errorf("%q", text)
		}
	})
	t.Run("the level is heeded", func(t *testing.T) {
		t.Parallel()
		if text := written(t, config.Log{Level: "error", Format: config.LogJSON}).String(); text != "" {
			t.Errorf("%q", text)
		}
		if lines := written(t, config.Log{Level: "debug", Format: config.LogJSON}).lines(t); len(lines) != 2 {
			t.Errorf("%v", lines)
		}
	})
	t.Run("the level can change", func(t *testing.T) {
		t.Parallel()
		out, level := new(output), zap.NewAtomicLevelAt(zap.WarnLevel)
		log, writer := newLogger(config.LogJSON, level, out)
		log.Info("hidden")
		level.SetLevel(zap.InfoLevel)
		log.Info("shown")
		writer.Close(time.Minute)
		if lines := out.lines(t); len(lines) != 1 || lines[0]["msg"] != "shown" {
			t.Errorf("%v", lines)
		}
	})
	t.Run("lines that were dropped are told of when the output takes some again", func(t *testing.T) {
		t.Parallel()
		out := newGate()
		log, writer := newLogger(config.LogJSON, zap.NewAtomicLevelAt(zap.InfoLevel), out)
		log.Info("first")
		<-out.reached
		for range 10 {
			log.Info(strings.Repeat("x", logBuffer/4))
		}
		close(out.opened)
		eventually(t, "the warning", func() bool { return strings.Contains(out.String(), "log lines dropped") })
		writer.Close(time.Minute)
		lines := out.lines(t)
		if last := lines[len(lines)-1]; last["level"] != "warn" || last["lines"].(float64) < 6 {
			t.Errorf("%v lines dropped", last["lines"])
		}
	})
	t.Run("a file is no terminal", func(t *testing.T) {
		t.Parallel()
		file, err := os.Create(t.TempDir() + "/log")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if isTerminal(file) {
			t.Error("it is one")
		}
	})
}
