package repotest

import "context"

// Gate is where a test stops calls and lets them go: a delay that ends when the test says so.
// Create it with NewGate, and plan its Hold.
type Gate struct {
	arrivals chan struct{}
	open     chan struct{}
}

// NewGate returns a gate that is shut.
func NewGate() *Gate {
	return &Gate{arrivals: make(chan struct{}), open: make(chan struct{})}
}

// Hold is the Action that stops a call until the gate is open. A call whose context ends before
// fails with the error of the context.
func (g *Gate) Hold(ctx context.Context, _ context.CancelFunc) error {
	arrivals := g.arrivals
	for {
		select {
		case arrivals <- struct{}{}:
			arrivals = nil // reported
		case <-g.open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Await returns when a call stands at the gate that no earlier Await has returned for, or with the
// error of the context.
func (g *Gate) Await(ctx context.Context) error {
	select {
	case <-g.arrivals:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Open lets the calls at the gate go on, and later ones pass. It is called once.
func (g *Gate) Open() { close(g.open) }
