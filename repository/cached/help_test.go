package cached

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/repotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// eventually returns when the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

// coordinator is a repository.CacheCoordinator in memory.
type coordinator struct {
	mu         sync.Mutex
	generation int64
	server     string
	until      time.Time
	fails      error
}

func (c *coordinator) now() repository.CacheEpoch {
	return repository.CacheEpoch{Generation: c.generation, Server: c.server, Suspended: max(0, time.Until(c.until))}
}

func (c *coordinator) CacheEpoch(ctx context.Context) (repository.CacheEpoch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return repository.CacheEpoch{}, err
	}
	return c.now(), c.fails
}

func (c *coordinator) ResumeCache(ctx context.Context, generation int64, server string) (repository.CacheEpoch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return repository.CacheEpoch{}, err
	}
	if c.generation == generation && c.now().Suspended <= 0 {
		c.generation, c.server = generation+1, server
	}
	return c.now(), c.fails
}

func (c *coordinator) SuspendCache(ctx context.Context, length time.Duration) (repository.CacheEpoch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return repository.CacheEpoch{}, err
	}
	if c.fails != nil {
		return repository.CacheEpoch{}, c.fails
	}
	if until := time.Now().Add(length); until.After(c.until) {
		c.until = until
	}
	c.generation, c.server = c.generation+1, ""
	return c.now(), nil
}

func (c *coordinator) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fails = err
}

// lacking skips a test, unless somebody has said that nothing is lacking.
func lacking(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("TEST_REQUIRE_SERVICES") == "1" {
		t.Fatalf("%s is required", what)
	}
	t.Skipf("%s is not there", what)
}

// named returns the Redis that somebody named.
func named(t testing.TB) string {
	t.Helper()
	address := os.Getenv("TEST_REDIS_ADDR")
	if address == "" {
		lacking(t, "TEST_REDIS_ADDR")
	}
	return address
}

// server is a Redis of a test's own.
type server struct {
	t       testing.TB
	address string
	dir     string
	process *exec.Cmd
	gone    chan struct{}
}

func newServer(t testing.TB) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		lacking(t, "redis-server")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, address: listener.Addr().String(), dir: t.TempDir()}
	listener.Close()
	s.start()
	t.Cleanup(s.kill)
	return s
}

// start starts a run with what the last snapshot held.
func (s *server) start() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	s.process = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", s.dir)
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	process, gone := s.process, make(chan struct{})
	s.gone = gone
	go func() {
		_ = process.Wait()
		close(gone)
	}()
	eventually(s.t, "Redis starts", func() bool { return s.do("PING") == nil })
}

func (s *server) do(command ...any) error {
	client := redis.NewClient(&redis.Options{Addr: s.address, MaxRetries: -1, DialerRetries: 1, DialTimeout: time.Second})
	defer client.Close()
	return client.Do(context.Background(), command...).Err()
}

// snapshot has the next run hold what this one does now.
func (s *server) snapshot() {
	s.t.Helper()
	if err := s.do("SAVE"); err != nil {
		s.t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "dump.rdb")); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) signal(signal syscall.Signal) { _ = s.process.Process.Signal(signal) }

func (s *server) kill() {
	s.signal(syscall.SIGKILL)
	<-s.gone
}

// way is how a proxy treats connections.
type way string

const (
	open    way = "open"
	refuses way = "refuses" // and ends those that there are
	hangs   way = "hangs"
)

// proxy is the network between one instance and Redis.
type proxy struct {
	listener net.Listener
	target   string
	all      sync.WaitGroup

	mu      sync.Mutex
	way     way
	changed chan struct{} // closed when the way changes
	ends    map[net.Conn]bool
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, way: open, changed: make(chan struct{}), ends: make(map[net.Conn]bool)}
	p.all.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.set(refuses)
		p.all.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) set(w way) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.way = w
	close(p.changed)
	p.changed = make(chan struct{})
	if w == refuses {
		for end := range p.ends {
			end.Close()
		}
		clear(p.ends)
	}
}

// redirect leads new connections to another server, and ends those that there are.
func (p *proxy) redirect(target string) {
	p.mu.Lock()
	p.target = target
	p.mu.Unlock()
	p.set(refuses)
	p.set(open)
}

// pass returns when data may pass; false when the connection has ended.
func (p *proxy) pass(end net.Conn) bool {
	for {
		p.mu.Lock()
		w, changed, alive := p.way, p.changed, p.ends[end]
		p.mu.Unlock()
		if w != hangs || !alive {
			return alive
		}
		<-changed
	}
}

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		far, err := net.Dial("tcp", target)
		p.mu.Lock()
		if err != nil || p.way == refuses {
			near.Close()
			if err == nil {
				far.Close()
			}
			p.mu.Unlock()
			continue
		}
		p.ends[near], p.ends[far] = true, true
		p.mu.Unlock()
		p.all.Go(func() { p.pump(near, far) })
		p.all.Go(func() { p.pump(far, near) })
	}
}

func (p *proxy) pump(from, to net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err == nil && p.pass(from) {
			_, err = to.Write(buffer[:n])
		} else if err == nil {
			err = io.EOF
		}
		if err != nil {
			from.Close()
			to.Close()
			p.mu.Lock()
			delete(p.ends, from)
			delete(p.ends, to)
			p.mu.Unlock()
			return
		}
	}
}

// quick is the timing of tests.
func quick() timing {
	return timing{
		lease: 200 * time.Millisecond, renew: 40 * time.Millisecond, suspension: 800 * time.Millisecond,
		ripens: 100 * time.Millisecond, notice: 50 * time.Millisecond,
	}
}

// ready waits until a store reads through its Redis.
func ready(t testing.TB, stores ...*Store) {
	t.Helper()
	for _, s := range stores {
		eventually(t, "the cache can be used", func() bool {
			return s.level.(*shared).lease.Load().serves(time.Now())
		})
	}
}

func begun(t testing.TB, store repository.UserRepository, options Options) *Store {
	t.Helper()
	s, err := New(store, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var prefixes sync.Map

// prefix returns one that nobody else has.
func prefix(t testing.TB) string {
	n, _ := prefixes.LoadOrStore(t.Name(), new(int))
	*n.(*int)++
	return fmt.Sprintf("test:%d:%s:%d", time.Now().UnixNano(), t.Name(), *n.(*int))
}

func created(t testing.TB, store repository.UserRepository, n int) models.User {
	t.Helper()
	user, err := store.Create(t.Context(), repotest.Sample(n))
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// next is the change that a test makes.
func next(user models.User) (models.User, error) {
	user.Version++
	return user, nil
}

func updated(t testing.TB, store repository.UserRepository, id int64) int64 {
	t.Helper()
	user, err := store.Update(t.Context(), id, next)
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	return user.Version
}

// shows complains unless the store has this version of the user, or no user for 0.
func shows(t testing.TB, store repository.UserRepository, id, version int64) {
	t.Helper()
	user, err := store.Get(t.Context(), id)
	if version == 0 && models.AsError(err) == models.ErrUserNotFound {
		return
	}
	if err != nil || user.Version != version {
		t.Errorf("Get(%d) gives version %d and %v, want version %d", id, user.Version, err, version)
	}
}

// owner returns who has an address, or 0.
func owner(t testing.TB, store repository.UserRepository, address string) int64 {
	t.Helper()
	page, err := store.List(t.Context(), models.Query{Filter: models.Filter{EmailKey: models.EmailKey(address)}, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Users) == 0 {
		return 0
	}
	return page.Users[0].ID
}
