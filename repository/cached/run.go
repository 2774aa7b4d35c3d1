package cached

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// run is one run of a Redis server, from its start to its end. What it has in memory goes on without a
// gap; what another run has may be older. All connections of a run are to that run.
type run struct {
	client *redis.Client
	probed string // a key to probe it with
	name   atomic.Pointer[string]
	// failing is set by a question that failed, and keeps readers from asking until a probe succeeds.
	failing atomic.Bool
}

var (
	errOtherRun = errors.New("cached: Redis is another run of the server, or has changed its role")
	errReplica  = errors.New("cached: Redis is a replica, which cannot be written to")
)

// connecting returns what clients of runs are made of.
func connecting(options *Options) (*redis.Options, error) {
	settings := &redis.Options{Addr: options.Redis}
	if strings.Contains(options.Redis, "://") {
		parsed, err := redis.ParseURL(options.Redis)
		if err != nil {
			return nil, errors.New("cached: the URL of Redis is not valid") // the cause shows the password
		}
		settings = parsed
	}
	settings.ContextTimeoutEnabled = true
	settings.MaxRetries = -1
	settings.DialTimeout, settings.DialerRetries = options.Timeout, 1
	settings.ReadTimeout, settings.WriteTimeout, settings.PoolTimeout = options.Timeout, options.Timeout, options.Timeout
	if settings.PoolSize == 0 {
		settings.PoolSize = 32
	}
	settings.MaxActiveConns = settings.PoolSize
	settings.PipelinePoolSize = -1 // there are no pipelines
	settings.DisableIdentity = true
	settings.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return settings, nil
}

// reach connects to whatever run answers now.
func reach(ctx context.Context, settings *redis.Options, prefix string) (*run, error) {
	r := &run{probed: prefix + ":probe"}
	own := *settings
	own.OnConnect = func(ctx context.Context, connection *redis.Conn) error {
		name, err := nameOf(ctx, connection)
		if err == nil && !r.name.CompareAndSwap(nil, &name) && *r.name.Load() != name {
			err = errOtherRun
		}
		return err
	}
	r.client = redis.NewClient(&own)
	if err := r.probe(ctx); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// nameOf names the run at the other end: a start of the process, in one role. A primary that becomes a
// replica takes over what another one has; its replication id changes then, and again when it becomes
// a primary.
func nameOf(ctx context.Context, connection interface {
	Info(ctx context.Context, sections ...string) *redis.StringCmd
},
) (string, error) {
	info, err := connection.Info(ctx).Result()
	if err != nil {
		return "", fmt.Errorf("cached: asking Redis for its run: %w", err)
	}
	fields := make(map[string]string)
	for line := range strings.Lines(info) {
		if key, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			fields[key] = value
		}
	}
	if fields["role"] != "master" {
		return "", errReplica
	}
	sum := sha256.Sum256([]byte(fields["run_id"] + "/" + fields["master_replid"]))
	return hex.EncodeToString(sum[:20]), nil
}

// probe asks Redis whether it is the same run as ever, and can be written to. That it is there is not
// enough: it may be full, or have become a replica, which takes over what another one has.
func (r *run) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.client.Options().ReadTimeout)
	defer cancel()
	if err := r.client.Set(ctx, r.probed, "1", time.Minute).Err(); err != nil {
		return err //nolint:wrapcheck // for Options.Away
	}
	name, err := nameOf(ctx, r.client)
	if err == nil && name != r.called() {
		err = errOtherRun
	}
	return err
}

// called returns the name of the run.
func (r *run) called() string { return *r.name.Load() }

func (r *run) close() { _ = r.client.Close() }

// get returns an entry; it is empty when there is none.
func (r *run) get(ctx context.Context, key string) (string, error) {
	entry, err := r.client.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return entry, err //nolint:wrapcheck // for Options.Away
}

// add makes an entry where none is, and else returns the one that is there.
func (r *run) add(ctx context.Context, key, entry string, ttl time.Duration) (string, error) {
	before, err := r.client.SetArgs(ctx, key, entry, redis.SetArgs{Mode: "NX", Get: true, TTL: ttl}).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return before, err //nolint:wrapcheck // for Options.Away
}

// swap replaces an entry that is still the one expected, and says whether it was.
func (r *run) swap(ctx context.Context, key, expected, entry string, ttl time.Duration) (bool, error) {
	swapped, err := swapScript.Run(ctx, r.client, []string{key}, expected, entry, ttl.Milliseconds()).Bool()
	return swapped, err //nolint:wrapcheck // for Options.Away
}
