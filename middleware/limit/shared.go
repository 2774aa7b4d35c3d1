package limit

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// sharedTimeout is how long a request waits for Redis, at most.
	sharedTimeout = 50 * time.Millisecond
	// probePause is how often Redis is asked whether it is back.
	probePause = 250 * time.Millisecond
	// noticePause is how long nothing more is told of Redis when it comes and goes.
	noticePause = time.Minute
	// keyPrefix begins every key.
	keyPrefix = "userapi:limit:"
)

// redisClock is the clock of Redis, so that those of the instances need not agree.
const redisClock = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
`

// takeSteps is policy.take as Redis does it: the key; step, window, cost, all in microseconds. It answers
// whether the cost was taken, and the backlog. What is stored is when the backlog is gone, in words
// because a number of Lua that becomes one loses digits.
const takeSteps = `
local step, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local due = tonumber(redis.call('GET', KEYS[1]) or '0')
local backlog = math.min(math.max(due - now, 0), window)
local taken = 0
if backlog + cost * step <= window then
  backlog = backlog + cost * step
  taken = 1
end
if now + backlog ~= due then
  redis.call('SET', KEYS[1], string.format('%.0f', now + backlog), 'PX', math.ceil(backlog / 1000) + 1)
end
return {taken, backlog}
`

//nolint:gochecknoglobals // never written
var takeScript = redis.NewScript(redisClock + takeSteps)

// shared is the limit that all instances have together, in Redis. While that is away nobody asks it; a
// goroutine looks whether it is back.
type shared struct {
	client *redis.Client
	script *redis.Script
	secret []byte
	tell   func(error)
	away   atomic.Bool

	stop   context.CancelFunc
	ended  context.Context //nolint:containedctx // the end of the goroutine, which no call bounds
	mu     sync.Mutex      // guards that no watch begins after the end
	watch  sync.WaitGroup
	told   time.Time // when it was last told that Redis is away; of the watch alone
	closed bool
}

func newShared(options *Options) (*shared, error) {
	logging.Disable() // the client writes beside the log what it returns as well
	settings := &redis.Options{Addr: options.Redis}
	if strings.Contains(options.Redis, "://") {
		parsed, err := redis.ParseURL(options.Redis)
		if err != nil {
			return nil, errors.New("limit: the URL of Redis is not valid") // the cause shows the password
		}
		settings = parsed
	}
	settings.ContextTimeoutEnabled = true
	settings.MaxRetries = -1
	settings.DialTimeout, settings.DialerRetries = sharedTimeout, 1
	settings.ReadTimeout, settings.WriteTimeout, settings.PoolTimeout = sharedTimeout, sharedTimeout, sharedTimeout
	settings.DisableIdentity = true
	settings.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	secret := options.Secret
	if len(secret) == 0 {
		secret = []byte(settings.Password)
	}
	s := &shared{client: redis.NewClient(settings), script: takeScript, secret: secret, tell: options.Away}
	if s.tell == nil {
		s.tell = func(error) {}
	}
	s.ended, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// take charges a caller. With an error the question was not decided.
func (s *shared) take(ctx context.Context, name string, p *policy, cost int64) (backlog int64, ok bool, err error) {
	// A client that goes away does not end this: it would cost a connection each time.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sharedTimeout)
	defer cancel()
	answer, err := s.script.Run(ctx, s.client, []string{keyPrefix + name}, p.step, p.window, cost).Int64Slice()
	if err == nil && len(answer) != 2 {
		err = errors.New("limit: Redis answered something else")
	}
	if err != nil {
		s.leave(err) //nolint:contextcheck // what it starts outlives the request
		return 0, false, err
	}
	return answer[1], answer[0] == 1, nil
}

// leave has nobody ask Redis until it is back.
func (s *shared) leave(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && s.away.CompareAndSwap(false, true) {
		s.watch.Go(func() { s.await(cause) })
	}
}

// await returns when Redis can be used again.
func (s *shared) await(cause error) {
	telling := s.told.IsZero() || time.Since(s.told) >= noticePause
	if telling {
		s.told = time.Now()
		s.tell(cause)
	}
	next := time.NewTicker(probePause)
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-s.ended.Done():
			return
		}
		// That it is there is not enough: it may be full, or a replica.
		ctx, cancel := context.WithTimeout(s.ended, sharedTimeout)
		err := s.client.Set(ctx, keyPrefix+"probe", "1", time.Second).Err()
		cancel()
		if err == nil {
			if telling {
				s.tell(nil)
			}
			s.away.Store(false)
			return
		}
	}
}

func (s *shared) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.watch.Wait()
	return s.client.Close() //nolint:wrapcheck // closed once, by its owner
}
