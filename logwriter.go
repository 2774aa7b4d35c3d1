package main

import (
	"io"
	"sync"
	"time"
)

const (
	// logDelay is how long a line may wait for company before it is written.
	logDelay = 50 * time.Millisecond
	// logBatch is how many octets are written without waiting for more.
	logBatch = 64 << 10
	// logBuffer is how many octets wait for a slow output before lines are dropped.
	logBuffer = 4 << 20
)

// logWriter writes what it is given from a goroutine of its own, in batches and in order. Write
// never waits for the output: when that is too slow for too long, whole lines are dropped and
// counted instead (a terminal that is stopped must not stop requests). It is safe for concurrent
// use.
type logWriter struct {
	out  io.Writer
	wake chan struct{} // something waits; capacity 1
	full chan struct{} // a batch waits; capacity 1
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	waiting []byte
	dropped int
	lost    int64 // dropped since the start
	report  func(lines int)
	closed  bool
}

// newLogWriter starts a writer to out. End it with Close.
func newLogWriter(out io.Writer) *logWriter {
	w := &logWriter{
		out:  out,
		wake: make(chan struct{}, 1),
		full: make(chan struct{}, 1),
		stop: make(chan struct{}),
		done: make(chan struct{}),
	}
	go w.run()
	return w
}

// onDrop sets what is called, from the writer's goroutine, after lines were dropped.
func (w *logWriter) onDrop(report func(lines int)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report = report
}

// linesLost returns how many lines were dropped since the start.
func (w *logWriter) linesLost() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Write takes one line. It never fails and never waits.
func (w *logWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.waiting)+len(line) > logBuffer {
		w.dropped++
		w.lost++
		return len(line), nil
	}
	w.waiting = append(w.waiting, line...)
	notify(w.wake)
	if len(w.waiting) >= logBatch {
		notify(w.full)
	}
	return len(line), nil
}

// Close writes what waits and ends the writer. It gives up after the budget: an output that takes
// nothing must not keep the process alive.
func (w *logWriter) Close(budget time.Duration) {
	w.mu.Lock()
	already := w.closed
	w.closed = true
	w.mu.Unlock()
	if !already {
		close(w.stop)
	}
	select {
	case <-w.done:
	case <-time.After(budget):
	}
}

func (w *logWriter) run() {
	defer close(w.done)
	var batch []byte
	for stopping := false; !stopping; {
		select {
		case <-w.wake:
			select {
			case <-w.full:
			case <-time.After(logDelay):
			case <-w.stop:
			}
		case <-w.stop:
			stopping = true
		}
		batch = w.flush(batch)
	}
}

// flush writes what waits, and hands its buffer over for what comes next.
func (w *logWriter) flush(empty []byte) []byte {
	w.mu.Lock()
	batch, dropped, report := w.waiting, w.dropped, w.report
	w.waiting, w.dropped = empty[:0], 0
	w.mu.Unlock()
	if len(batch) > 0 {
		_, _ = w.out.Write(batch) // there is nobody left to tell
	}
	if dropped > 0 && report != nil {
		report(dropped)
	}
	return batch
}

// notify leaves a token in a channel of capacity 1, unless one is there.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
