package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// fetchBudget is how long the issuer may take to answer.
	fetchBudget = 5 * time.Second
	// waitsForKeys is how long a request waits for that: whoever makes kids up could hold as many requests
	// open as there is room for while the issuer is slow.
	waitsForKeys = time.Second
	// maxKeySet bounds its answer, in octets.
	maxKeySet = 256 << 10
	// asksEvery is the shortest pause between two times that unknown keys have the issuer be asked: whoever
	// makes kids up cannot flood it.
	asksEvery = 10 * time.Second
	// firstRetry and lastRetry are the pauses after an attempt that failed.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// issuer knows the keys that somebody publishes at a URL, and keeps those that it knows while that is
// away. It is safe for concurrent use.
type issuer struct {
	url     string
	refresh time.Duration
	// transport is what the client asks by, or what is around it.
	transport *http.Transport
	client    *http.Client
	now       func() time.Time
	ring      atomic.Pointer[keyring]
	wake      chan struct{}
	cancel    context.CancelFunc
	ended     chan struct{}

	mu     sync.Mutex
	asked  time.Time     // when it was asked last, whatever for
	flight chan struct{} // closed when the attempt that goes on has ended
	err    error         // of the last attempt
}

// newIssuer begins to ask. close ends that.
func newIssuer(address string, refresh time.Duration, now func() time.Time, around func(http.RoundTripper) http.RoundTripper) *issuer {
	ctx, cancel := context.WithCancel(context.Background())
	i := &issuer{
		url: address, refresh: refresh, now: now, cancel: cancel,
		wake: make(chan struct{}, 1), ended: make(chan struct{}), flight: make(chan struct{}),
		transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: fetchBudget}).DialContext,
			TLSHandshakeTimeout: fetchBudget, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
			IdleConnTimeout: time.Minute, MaxIdleConns: 1,
		},
		err: errors.New("it has not answered yet"),
	}
	i.client = &http.Client{Timeout: fetchBudget, CheckRedirect: sameHost, Transport: i.transport}
	if around != nil {
		i.client.Transport = around(i.transport)
	}
	i.asked = now()
	go i.run(ctx)
	return i
}

func (i *issuer) close() {
	i.cancel()
	<-i.ended
	i.transport.CloseIdleConnections()
}

// sameHost lets the issuer redirect within itself only, and never to plain HTTP.
func sameHost(next *http.Request, before []*http.Request) error {
	if first := before[0].URL; next.URL.Host != first.Host || next.URL.Scheme != first.Scheme || len(before) > 3 {
		return errors.New("it redirects elsewhere")
	}
	return nil
}

// run asks at once, then when it is time or somebody wakes it.
func (i *issuer) run(ctx context.Context) {
	defer close(i.ended)
	retry := firstRetry
	for {
		ring, err := i.fetch(ctx)
		pause := i.refresh
		if err != nil {
			pause, retry = min(retry, i.refresh), min(2*retry, lastRetry)
		} else {
			i.ring.Store(ring)
			retry = firstRetry
		}
		i.mu.Lock()
		i.err = err
		close(i.flight)
		i.flight = nil
		i.mu.Unlock()

		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-i.wake:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
		i.begin()
	}
}

// begin notes that an attempt goes on, unless whoever woke us has noted it.
func (i *issuer) begin() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.flight == nil {
		i.flight, i.asked = make(chan struct{}), i.now()
	}
}

// fetch asks the issuer once.
func (i *issuer) fetch(ctx context.Context) (*keyring, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.url, http.NoBody)
	if err != nil {
		return nil, errors.New("the URL is not one")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := i.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeySet {
		return nil, fmt.Errorf("its answer is longer than %d octets", maxKeySet)
	}
	return parseJWKS(body, false)
}

// keys returns the keys that are known, after a first attempt that goes on has ended.
func (i *issuer) keys(ctx context.Context) (*keyring, error) {
	if ring := i.ring.Load(); ring != nil {
		return ring, nil
	}
	i.await(ctx, false)
	if ring := i.ring.Load(); ring != nil {
		return ring, nil
	}
	return nil, i.failure()
}

// renewed returns the keys after the issuer was asked again, or those before when it was asked a short
// while ago.
func (i *issuer) renewed(ctx context.Context) *keyring {
	i.await(ctx, true)
	return i.ring.Load()
}

// await waits for the attempt that goes on. With ask, one is begun when none goes on and the last is
// long enough ago.
func (i *issuer) await(ctx context.Context, ask bool) {
	i.mu.Lock()
	flight := i.flight
	if flight == nil && ask && i.now().Sub(i.asked) >= asksEvery {
		flight = make(chan struct{})
		i.flight, i.asked = flight, i.now()
		select {
		case i.wake <- struct{}{}:
		default: // somebody has, a moment ago
		}
	}
	i.mu.Unlock()
	if flight == nil {
		return
	}
	timer := time.NewTimer(waitsForKeys)
	defer timer.Stop()
	select {
	case <-flight:
	case <-timer.C:
	case <-ctx.Done():
	case <-i.ended:
	}
}

// failure returns why there are no keys yet, or nil.
func (i *issuer) failure() error {
	if i.ring.Load() != nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return fmt.Errorf("no key of the issuer of tokens could be had yet: %w", i.err)
}

// checkIssuerURL says whether keys can be had from a URL that nobody in between can change.
func checkIssuerURL(text string) error {
	address, err := url.Parse(text)
	switch {
	case err != nil || address.Hostname() == "":
		return errors.New("auth: where the keys are is not a URL")
	case address.Scheme == "https":
		return nil
	}
	host := address.Hostname()
	if ip := net.ParseIP(host); address.Scheme == "http" && (strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return errors.New("auth: where the keys are must be an https URL")
}

// issuerAt returns the issuer of a URL: the one that is known, or a new one in its place.
func (s *State) issuerAt(address string, refresh time.Duration) (*issuer, error) {
	if err := checkIssuerURL(address); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("auth: closed")
	}
	before := s.issuer
	if before != nil && before.url == address && before.refresh == refresh {
		return before, nil
	}
	s.issuer = newIssuer(address, refresh, s.now, s.Around)
	if before != nil {
		before.close()
	}
	return s.issuer, nil
}
