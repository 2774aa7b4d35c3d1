package main

import (
	"context"
	"sync"
	"time"

	"userapi/handlers"
	"userapi/middleware"
	"userapi/middleware/auth"
)

const (
	// readyBudget is how long the store may take to say to a scrape that it is there.
	readyBudget = time.Second
	// readyAge is how long what it said is good, so that many scrapes are no load.
	readyAge = time.Second
)

// readiness says to a scrape what /readyz says to a probe. It is safe for concurrent use.
type readiness struct {
	lifecycle *middleware.Lifecycle
	store     handlers.Pinger
	auth      *auth.Authenticator // or nil
	now       func() time.Time

	mu    sync.Mutex
	asked time.Time // when the store was asked; zero for never
	there bool      // what it said
}

// ready says whether requests are wanted, by an answer of the store that is at most readyAge old.
func (r *readiness) ready() bool {
	return r.lifecycle.Serving() && (r.auth == nil || r.auth.Ready() == nil) && r.storeThere()
}

func (r *readiness) storeThere() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asked.IsZero() && r.now().Sub(r.asked) < readyAge {
		return r.there
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyBudget)
	defer cancel()
	r.there = r.store.Ping(ctx) == nil
	r.asked = r.now()
	return r.there
}
