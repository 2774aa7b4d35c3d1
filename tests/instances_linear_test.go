package tests

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"

	"userapi/tests/testkit"
)

// storm is clients that read and change a few users at instances chosen by chance, and what they heard.
type storm struct {
	t         *testing.T
	instances []*testkit.Service
	begin     time.Time
	stop      chan struct{}
	clients   sync.WaitGroup

	mu       sync.Mutex
	history  []porcupine.Operation
	versions [3]int64 // that were last seen, by address
	ids      [3]int64
	failed   []string
}

// call asks one instance, and notes what came of it.
func (s *storm) call(client int, svc *testkit.Service, in call, path string) outcome {
	operation := porcupine.Operation{ClientId: client, Input: in, Call: int64(time.Since(s.begin))}
	var out outcome
	if path == "" {
		out = perform(s.t, svc, in)
	} else {
		out = heard(svc.Get(s.t, path))
	}
	operation.Output, operation.Return = out, int64(time.Since(s.begin))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = append(s.history, operation)
	if out.version > s.versions[in.address] {
		s.versions[in.address] = out.version
	}
	if out.status >= 500 {
		s.failed = append(s.failed, fmt.Sprintf("%+v: %d", in, out.status))
	}
	return out
}

// heard is what an answer says.
func heard(answer *testkit.Response) outcome {
	out := outcome{status: answer.Status}
	if answer.Status == http.StatusOK {
		user := answer.User()
		out.user = record{user.ID, user.Version, user.Name}
		out.version = user.Version
	}
	return out
}

// rage lets a client do something until the end: mostly it reads, by id or by address, and sometimes it
// changes the name, with the version that was last seen or with none.
func (s *storm) rage(client int) {
	random := rand.New(rand.NewPCG(uint64(client), uint64(s.begin.UnixNano())))
	for serial := 0; ; serial++ {
		select {
		case <-s.stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
		in := call{method: http.MethodGet, address: random.IntN(len(s.ids)), name: fmt.Sprintf("name %d.%d", client, serial)}
		s.mu.Lock()
		in.id = s.ids[in.address]
		seen := s.versions[in.address]
		s.mu.Unlock()
		path := ""
		switch random.IntN(10) {
		case 0, 1:
			in.method = http.MethodPatch
		case 2:
			in.method, in.match = http.MethodPatch, seen
		case 3, 4:
			path = fmt.Sprintf("/users/by-email/address%d@example.com", in.address)
		}
		s.call(client, s.instances[random.IntN(len(s.instances))], in, path)
	}
}

// more waits until there were so many calls since now.
func (s *storm) more(calls int) {
	s.t.Helper()
	count := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.history)
	}
	until := count() + calls
	awaitLong(s.t, "the storm to go on", func() bool { return count() >= until })
}

// judge asks whether what all have heard can be told as one thing after the other.
func (s *storm) judge() {
	s.t.Helper()
	for _, failure := range s.failed {
		s.t.Errorf("failed: %s", failure)
	}
	outcomes := map[string]int{}
	for _, operation := range s.history {
		outcomes[fmt.Sprint(operation.Input.(call).method, " ", operation.Output.(outcome).status)]++
	}
	s.t.Logf("%d calls: %v", len(s.history), outcomes)
	for _, outcome := range []string{"GET 200", "PATCH 200", "PATCH 412"} {
		if outcomes[outcome] == 0 {
			s.t.Errorf("there was no %s, so little is proved", outcome)
		}
	}
	if result := porcupine.CheckOperationsTimeout(addressModel(), s.history, 30*time.Second); result != porcupine.Ok {
		s.t.Errorf("the history is %v", result)
	}
}

// ripe returns the last generation of the cache that a Redis holds entries of to be served.
func ripe(t *testing.T, client *redis.Client) int {
	last := 0
	for _, key := range client.Keys(t.Context(), "*:ripe").Val() {
		parts := strings.Split(key, ":")
		generation, _ := strconv.Atoi(parts[len(parts)-2])
		last = max(last, generation)
	}
	return last
}

func TestInstances_Linearizable(t *testing.T) {
	t.Parallel()
	server := testkit.NewRedis(t)
	admin := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1, DialTimeout: time.Second})
	defer admin.Close()
	s := &storm{t: t, stop: make(chan struct{}), begin: time.Now()}
	cables := make([]*testkit.Cable, 3)
	for n := range cables {
		cables[n] = testkit.NewCable(t, server.Addr)
	}
	f := newCabledFleet(t, cables)
	for _, instance := range f.instances {
		s.instances = append(s.instances, &testkit.Service{Client: instance.Client})
	}
	for address := range s.ids {
		s.ids[address] = s.call(0, s.instances[0], call{method: http.MethodPost, address: address, name: "name 0"}, "").user.id
	}
	awaitLong(t, "the cache to be served", func() bool { return ripe(t, admin) > 0 })
	for client := range 6 {
		s.clients.Go(func() { s.rage(client) })
	}
	s.more(300)
	if err := admin.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	s.more(300)
	before := ripe(t, admin)
	harm(t, s, server, cables)
	awaitLong(t, "the cache to be served again", func() bool { return ripe(t, admin) > before })
	s.more(500)
	close(s.stop)
	s.clients.Wait()
	s.judge()
}

// newCabledFleet starts an instance behind each cable.
func newCabledFleet(t *testing.T, cables []*testkit.Cable) *fleet {
	t.Helper()
	f := newFleet(t, 0)
	common := append(f.env, "USERAPI_STORAGE_TIMEOUT=3s", "USERAPI_STORAGE_MAX_WAIT=3s")
	for n, cable := range cables {
		f.addrs = append(f.addrs, testkit.FreeAddr(t))
		f.env = append(common[:len(common):len(common)], "USERAPI_CACHE_REDIS="+cable.Addr)
		f.instances = append(f.instances, f.launch(t, n))
	}
	for _, instance := range f.instances {
		instance.Listening(t)
		ready(t, instance)
	}
	return f
}

// harm has everything happen to Redis that may, with some calls in each state and behind it. Only the
// first step meets a cache that is served, so the order is another one each time.
func harm(t *testing.T, s *storm, server *testkit.Redis, cables []*testkit.Cable) {
	t.Helper()
	all := func(do func(*testkit.Cable)) {
		for _, cable := range cables {
			do(cable)
		}
	}
	steps := []struct {
		says       string
		begin, end func()
	}{
		{"one instance is cut off", cables[1].Cut, cables[1].Mend},
		{"nothing comes through for one instance", cables[2].Hang, cables[2].Mend},
		{"all are cut off", func() { all((*testkit.Cable).Cut) }, func() { all((*testkit.Cable).Mend) }},
		{"nothing comes through for all", func() { all((*testkit.Cable).Hang) }, func() { all((*testkit.Cable).Mend) }},
		{"Redis is stopped", func() { server.Signal(t, syscall.SIGSTOP) }, func() { server.Signal(t, syscall.SIGCONT) }},
		{"Redis dies, and is back with what it held long ago", server.Kill, func() { server.Start(t) }},
	}
	for _, n := range rand.Perm(len(steps)) {
		step, began := steps[n], time.Now()
		step.begin()
		s.more(200)
		step.end()
		s.more(100)
		t.Logf("%s: %v", step.says, time.Since(began).Round(time.Millisecond))
	}
}
