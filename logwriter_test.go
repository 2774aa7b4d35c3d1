package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gate is an output that takes nothing until it is opened.
type gate struct {
	output
	opened  chan struct{}
	reached chan struct{} // closed when something is waiting to be taken
	once    sync.Once
}

func newGate() *gate { return &gate{opened: make(chan struct{}), reached: make(chan struct{})} }

func (g *gate) Write(text []byte) (int, error) {
	g.once.Do(func() { close(g.reached) })
	<-g.opened
	return g.output.Write(text)
}

func TestLogWriter_Write(t *testing.T) {
	t.Parallel()
	t.Run("lines of many goroutines come out whole, each one's in order", func(t *testing.T) {
		t.Parallel()
		const writers, lines = 16, 500
		out := new(output)
		w := newLogWriter(out)
		var all sync.WaitGroup
		for n := range writers {
			all.Go(func() {
				for i := range lines {
					fmt.Fprintf(w, "%d %d %s\n", n, i, strings.Repeat("x", i%97))
				}
			})
		}
		all.Wait()
		w.Close(time.Minute)
		next := map[int]int{}
		for line := range strings.Lines(out.String()) {
			var n, i int
			if _, err := fmt.Sscanf(line, "%d %d", &n, &i); err != nil || i != next[n] || !strings.HasSuffix(line, strings.Repeat("x", i%97)+"\n") {
				t.Fatalf("%q, want line %d of its writer: %v", line, next[n], err)
			}
			next[n]++
		}
		for n := range writers {
			if next[n] != lines {
				t.Errorf("writer %d: %d lines", n, next[n])
			}
		}
	})
	t.Run("a line waits for company no longer than its delay", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			out := new(output)
			w := newLogWriter(out)
			fmt.Fprintln(w, "one")
			synctest.Wait()
			if out.String() != "" {
				t.Error("it did not wait")
			}
			time.Sleep(logDelay)
			synctest.Wait()
			if out.String() != "one\n" {
				t.Errorf("after its delay: %q", out.String())
			}
			w.Close(time.Second)
		})
	})
	t.Run("a full batch does not wait", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			out := new(output)
			w := newLogWriter(out)
			fmt.Fprint(w, strings.Repeat("x", logBatch))
			synctest.Wait()
			if len(out.String()) != logBatch {
				t.Errorf("%d octets at once", len(out.String()))
			}
			w.Close(time.Second)
		})
	})
	t.Run("it never waits for the output: whole lines are dropped and told of", func(t *testing.T) {
		t.Parallel()
		out := newGate()
		w := newLogWriter(out)
		told := make(chan int, 8)
		w.onDrop(func(lines int) { told <- lines })
		fmt.Fprintln(w, "first")
		<-out.reached // from here on nothing is taken
		line := strings.Repeat("y", 1023) + "\n"
		const sent = 3 * logBuffer / 1024
		for range sent {
			if n, err := w.Write([]byte(line)); n != len(line) || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		}
		close(out.opened)
		dropped := <-told
		w.Close(time.Minute)
		kept := strings.Count(out.String(), line)
		if out.String() != "first\n"+strings.Repeat(line, kept) || kept+dropped != sent || kept != logBuffer/1024 || w.linesLost() != int64(dropped) {
			t.Errorf("%d kept and %d dropped of %d", kept, dropped, sent)
		}
	})
}

func TestLogWriter_Close(t *testing.T) {
	t.Parallel()
	t.Run("what waits is written", func(t *testing.T) {
		t.Parallel()
		for range 200 {
			out := new(output)
			w := newLogWriter(out)
			fmt.Fprintln(w, "last words")
			w.Close(time.Minute)
			if out.String() != "last words\n" {
				t.Fatalf("%q", out.String())
			}
		}
	})
	t.Run("twice is once, and a line after it is lost without harm", func(t *testing.T) {
		t.Parallel()
		out := new(output)
		w := newLogWriter(out)
		w.Close(time.Minute)
		w.Close(time.Minute)
		fmt.Fprintln(w, "too late")
		if out.String() != "" {
			t.Errorf("%q", out.String())
		}
	})
	t.Run("it gives up on an output that takes nothing", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			out := newGate()
			w := newLogWriter(out)
			fmt.Fprintln(w, "line")
			start := time.Now()
			w.Close(time.Second)
			if took := time.Since(start); took != time.Second {
				t.Errorf("took %v", took)
			}
			close(out.opened)
		})
	})
}
