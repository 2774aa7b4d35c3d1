package tests

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// TestInstances_Killed ends one of three instances as a crash does, under clients that send again what
// has failed, with the key that it had.
func TestInstances_Killed(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 60
	// A key whose owner has died is free after 30 s and twice this.
	f := newFleet(t, 3, sharedRedis(t), "USERAPI_STORAGE_TIMEOUT=2s", "USERAPI_STORAGE_MAX_WAIT=2s")
	balancer := testkit.Balance(t, f.addrs...)
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	defer client.CloseIdleConnections()
	var made, again, running atomic.Int64
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for n := range each {
				if !insist(t, client, balancer, fmt.Sprintf("killed%d.%d", worker, n), &again, &running) {
					return
				}
				made.Add(1)
			}
		})
	}
	awaitLong(t, "the load", func() bool { return made.Load() > workers*each/4 })
	f.instances[1].Kill()
	awaitLong(t, "the others to go on", func() bool { return made.Load() > workers*each/2 })
	f.restart(t, 1)
	all.Wait()
	seen := map[string]int{}
	for _, page := range walked(t, f.anywhere(t), "/users/?limit=200", 100) {
		for _, user := range page.Items {
			seen[user.Email]++
		}
	}
	for email, count := range seen {
		if count != 1 || !strings.HasPrefix(email, "killed") {
			t.Errorf("%d users have %s", count, email)
		}
	}
	if len(seen) != workers*each {
		t.Errorf("%d users of %d keys", len(seen), workers*each)
	}
	t.Logf("%d requests were sent again, %d heard that the first was still running", again.Load(), running.Load())
}

// insist creates a user, again and again under one key until that is done; false when it cannot be. The
// kit's client judges every answer, and that of a balancer for an instance that died is none of ours.
func insist(t *testing.T, client *http.Client, url, name string, again, running *atomic.Int64) bool {
	deadline := time.Now().Add(60 * time.Second)
	for time.Now().Before(deadline) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/users/", strings.NewReader(fmt.Sprintf(`{"name":"Ada","email":"%s@example.com"}`, name)))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", name)
		answer, err := client.Do(req)
		status := 0
		if err == nil {
			status = answer.StatusCode
			_ = answer.Body.Close()
		}
		switch {
		case status == http.StatusCreated:
			return true
		case err == nil && status == http.StatusConflict && answer.Header.Get("Retry-After") != "":
			running.Add(1)
			<-time.After(100 * time.Millisecond)
		case err == nil && status < 500:
			t.Errorf("%s: answered %d", name, status)
			return false
		default:
			again.Add(1)
			<-time.After(20 * time.Millisecond)
		}
	}
	t.Errorf("%s was never created", name)
	return false
}
