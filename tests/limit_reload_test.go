package tests

import (
	"net/http"
	"syscall"
	"testing"
)

func TestLimit_Reload(t *testing.T) {
	t.Parallel()
	p, rewrite := reloadable(t, "log:\n  level: info\n")
	reloads := 0
	// settle has the process read a file, and asks so many times for what is then answered by these.
	settle := func(yaml string, want ...int) {
		t.Helper()
		rewrite(yaml)
		p.Signal(t, syscall.SIGHUP)
		reloads++
		awaitSaid(t, p, readAgain, reloads)
		for _, status := range want {
			p.Get(t, "/users/").Want(status)
		}
	}
	settle("limit:\n  reads: 2/1h\n", http.StatusOK, http.StatusOK, http.StatusTooManyRequests)
	settle("limit:\n  reads: 2/1h\n  in_flight: 10\n", http.StatusTooManyRequests)
	settle("limit:\n  reads: 3/1h\n", http.StatusTooManyRequests) // what was used stays used
	settle("log:\n  level: info\n", http.StatusOK, http.StatusOK, http.StatusOK, http.StatusOK)
	if keys := said(t, p, needRestart); len(keys) > 0 {
		t.Errorf("a restart is needed: %v", keys)
	}
}
