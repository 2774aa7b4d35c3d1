package tests

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"userapi/repository/sql/sqltest"
)

// TestProcess_Synced counts what reaches the disk before answers leave.
func TestProcess_Synced(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		sqltest.Missing(t, "strace is not installed")
	}
	t.Run("with storage.synchronous=full every 201 has a sync of its own behind its request", func(t *testing.T) {
		const creates = 50
		p := onSQLite(filepath.Join(t.TempDir(), "users.db")).Binary(t)
		for n := range 5 {
			p.Create(t, named(1000+n, `"Before"`))
		}
		// It says when it watches all threads of the process, and writes down each call when it returns.
		output := filepath.Join(t.TempDir(), "calls")
		tracer := exec.Command(strace, "-f", "-o", output, "-e", "trace=fsync,fdatasync", "-p", fmt.Sprint(p.PID()))
		says, err := tracer.StderrPipe()
		if err == nil {
			err = tracer.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 4096)
		n, _ := says.Read(first)
		if !bytes.Contains(first[:n], []byte("attached")) {
			_ = tracer.Wait()
			sqltest.Missing(t, "strace may not watch: "+string(first[:n]))
		}
		calls := func() int {
			text, _ := os.ReadFile(output)
			return len(synced.FindAll(text, -1))
		}
		for n := range creates {
			before := calls()
			p.Create(t, named(n, `"Ada"`))
			if after := calls(); after <= before {
				// The line may be a moment behind the call that it tells of.
				await(t, time.Second, "the sync of a create", func() bool { return calls() > before })
			}
		}
		total := calls()
		_ = tracer.Process.Signal(syscall.SIGINT) // it lets go of the process
		_ = tracer.Wait()
		if total < creates {
			t.Errorf("%d syncs for %d creates", total, creates)
		}
		t.Logf("%d syncs for %d creates", total, creates)
	})
}

// synced matches a call that is done.
var synced = regexp.MustCompile(`f(data)?sync(\(\d+\)| resumed>\)) += 0`)

// TestProcess_DiskFull fills the disk under a SQLite file.
func TestProcess_DiskFull(t *testing.T) {
	t.Run("writes are 503 and reads go on until there is room again, and nothing is lost", func(t *testing.T) {
		disk := t.TempDir()
		if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"); err != nil {
			sqltest.Missing(t, "no disk can be mounted: "+err.Error())
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		path := filepath.Join(disk, "users.db")
		p := onSQLite(path).Binary(t)
		b := newBook()
		writers := b.crew(t, 4)
		work(p, writers, func() bool { return b.acknowledged.Load() < 300 }).Wait()

		ballast := filepath.Join(disk, "ballast")
		fill(t, ballast)
		denied := 0
		await(t, 10*time.Second, "writes to be denied", func() bool {
			before := b.refused.Load()
			writers[0].step()
			if b.refused.Load() > before {
				denied++
			}
			return denied > 20
		})
		p.Post(t, "/users/", `{"name":"`+strings.Repeat("x", 100)+`","email":"late@example.com"}`).WantProblem(http.StatusServiceUnavailable, "unavailable")
		for id := range b.users {
			p.Get(t, fmt.Sprintf("/users/%d", id)).Want(http.StatusOK)
		}
		p.Get(t, "/users/?limit=1000&sort=name").Want(http.StatusOK)
		p.Get(t, "/readyz").Want(http.StatusOK)

		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		before := b.acknowledged.Load()
		await(t, recovery, "a write", func() bool { return writers[0].step() && b.acknowledged.Load() > before })
		b.judge(t, p)
		intact(t, path)
		killed(t, p)
		p = onSQLite(path).Binary(t)
		b.judge(t, p)
		intact(t, path)
	})
}

// fill writes a file until its disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 16; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}
