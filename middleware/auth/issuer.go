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
	// mostWaiters is how many requests wait for it at a time, for the same reason; others are told at once
	// what is known by then.
	mostWaiters = 8
	// tellsEvery is the shortest pause between two failures that somebody is told of.
	tellsEvery = time.Minute
	// maxKeySet bounds its answer, in octets.
	maxKeySet = 256 << 10
	// asksEvery is the shortest pause between two times that unknown keys, or new settings, have the issuer
	// be asked: whoever makes kids up cannot flood it.
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
	read      atomic.Pointer[time.Time] // when it last gave keys that can be used
	wake      chan struct{}
	waiting   chan struct{} // as many as there are requests that wait
	cancel    context.CancelFunc
	ended     chan struct{}

	// report is told what tell has to say, and told is when it last was of a failure; zero when all is well.
	report func(error)
	told   time.Time

	mu     sync.Mutex
	asked  time.Time     // when it was asked last, whatever for
	flight chan struct{} // closed when the attempt that goes on has ended
	err    error         // of the last attempt
}

// newIssuer begins to ask. close ends that.
func (s *State) newIssuer(address string, refresh time.Duration) *issuer {
	ctx, cancel := context.WithCancel(context.Background())
	i := &issuer{
		url: address, refresh: refresh, now: s.now, cancel: cancel, report: s.Issuer,
		wake: make(chan struct{}, 1), ended: make(chan struct{}), flight: make(chan struct{}), waiting: make(chan struct{}, mostWaiters),
		transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: fetchBudget}).DialContext,
			TLSHandshakeTimeout: fetchBudget, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
			IdleConnTimeout: time.Minute, MaxIdleConns: 1,
		},
		err: errors.New("it has not answered yet"),
	}
	i.client = &http.Client{Timeout: fetchBudget, CheckRedirect: sameHost, Transport: i.transport}
	if s.Around != nil {
		i.client.Transport = s.Around(i.transport)
	}
	i.asked = i.now()
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
			now := i.now()
			i.ring.Store(ring)
			i.read.Store(&now)
			retry = firstRetry
		}
		if ctx.Err() == nil {
			i.tell(err)
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

// tell reports an attempt that failed, unless it has reported one a short while ago, and the first good one
// after that. It is called by run only.
func (i *issuer) tell(err error) {
	now := i.now()
	switch {
	case i.report == nil || err == nil && i.told.IsZero():
		return
	case err == nil:
		i.told = time.Time{}
	case !i.told.IsZero() && now.Sub(i.told) < tellsEvery:
		return
	default:
		i.told = now
	}
	i.report(err)
}

// fetch asks the issuer once. Its error repeats neither the URL nor the answer.
func (i *issuer) fetch(ctx context.Context) (*keyring, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.url, http.NoBody)
	if err != nil {
		return nil, errors.New("the URL is not one")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := i.client.Do(request)
	if asking := (*url.Error)(nil); errors.As(err, &asking) {
		return nil, asking.Err
	}
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

// renew has the issuer asked again, at once or as soon as it may be.
func (i *issuer) renew() {
	select {
	case <-i.ended:
		return
	default:
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	// An attempt that goes on may have begun before what there is to be seen.
	if i.flight != nil || i.ask() == nil {
		time.AfterFunc(asksEvery-i.now().Sub(i.asked), i.renew)
	}
}

// ask returns the attempt that goes on. When none does, one is begun if the last is long enough ago. mu is
// held.
func (i *issuer) ask() chan struct{} {
	if i.flight == nil && i.now().Sub(i.asked) >= asksEvery {
		i.flight, i.asked = make(chan struct{}), i.now()
		select {
		case i.wake <- struct{}{}:
		default: // somebody has, a moment ago
		}
	}
	return i.flight
}

// await waits for the attempt that goes on, unless enough others do. With ask, one is begun if it may be.
func (i *issuer) await(ctx context.Context, ask bool) {
	i.mu.Lock()
	flight := i.flight
	if ask {
		flight = i.ask()
	}
	i.mu.Unlock()
	if flight == nil {
		return
	}
	select {
	case i.waiting <- struct{}{}:
		defer func() { <-i.waiting }()
	default:
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
	s.issuer = s.newIssuer(address, refresh)
	if before != nil {
		before.close()
	}
	return s.issuer, nil
}

// Renew has the issuer asked again, now or within ten seconds: somebody has changed something.
func (s *State) Renew() {
	s.mu.Lock()
	asked := s.issuer
	s.mu.Unlock()
	if asked != nil {
		asked.renew()
	}
}

// KeysRead returns when the issuer last gave keys that can be used, or the zero time.
func (s *State) KeysRead() time.Time {
	s.mu.Lock()
	asked := s.issuer
	s.mu.Unlock()
	if asked == nil {
		return time.Time{}
	}
	if read := asked.read.Load(); read != nil {
		return *read
	}
	return time.Time{}
}
