package tests

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// await is testkit.Eventually with a deadline of its own. It returns how long it took.
func await(t *testing.T, within time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for !holds() {
		if time.Since(begun) > within {
			t.Fatalf("waited %v for %s", within, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(begun)
}

// killed ends a process as a loss of power ends it, but for the disk.
func killed(t *testing.T, p *testkit.Process) {
	t.Helper()
	p.Signal(t, syscall.SIGKILL)
	if code := p.Wait(t, 10*time.Second); code != -1 {
		t.Errorf("exit %d", code)
	}
}

// killings ends a service by force in the middle of writes, again and again, and looks each time whether
// the next one over the same store has what was acknowledged.
type killings struct {
	clients, rounds int
	aimed           int64 // writes in all
	start           testkit.Start
	after           func()
}

func (k killings) run(t *testing.T) {
	t.Helper()
	b := newBook()
	crew := b.crew(t, k.clients)
	for round := range k.rounds {
		p := k.start.Binary(t)
		if round > 0 {
			k.look(t, b, p)
		}
		before := b.acknowledged.Load()
		left := k.aimed - before
		kill := before + left/4 + rand.Int64N(left/2)
		if round == k.rounds-1 {
			kill = k.aimed
		}
		working := work(p, crew, func() bool { return true })
		await(t, 60*time.Second, "the writes", func() bool { return b.acknowledged.Load() >= kill })
		killed(t, p)
		working.Wait()
		t.Logf("round %d: killed after %d writes, %d in all", round, b.acknowledged.Load()-before, b.acknowledged.Load())
	}
	begun := time.Now()
	p := k.start.Binary(t)
	p.Get(t, "/readyz").Want(200)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the start after a kill took %v", took)
	}
	k.look(t, b, p)
	if b.refused.Load() > 0 {
		t.Errorf("%d writes were answered 503 while nothing was wrong", b.refused.Load())
	}
}

func (k killings) look(t *testing.T, b *book, p *testkit.Process) {
	t.Helper()
	b.judge(t, p)
	if k.after != nil {
		k.after()
	}
}
