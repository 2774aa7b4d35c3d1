package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"userapi/config"
)

// reloading is a reloader with what it reads and what it did.
type reloading struct {
	*reloader
	logs *observer.ObservedLogs
	next config.Config
	// unreadable and unusable are what reading and applying fail with.
	unreadable, unusable error
	applied              []config.Config
}

func newReloading(settings config.Config) *reloading {
	core, logs := observer.New(zap.DebugLevel)
	r := &reloading{logs: logs, next: settings}
	r.reloader = newReloader(settings, func() (config.Loaded, error) { return config.Loaded{Config: r.next}, r.unreadable },
		func(settings config.Config) error {
			if r.unusable == nil {
				r.applied = append(r.applied, settings)
			}
			return r.unusable
		}, zap.New(core))
	return r
}

// said returns the messages of the log since it was last asked.
func (r *reloading) said() []string {
	said := []string{}
	for _, entry := range r.logs.TakeAll() {
		said = append(said, entry.Level.String()+": "+entry.Message)
	}
	return said
}

const (
	readAgain   = "info: the settings were read again"
	needRestart = "warn: some settings changed that only a restart brings into force"
	notFollowed = "error: the settings are not followed; those from before stay in force"
)

// wantSaid judges what the log has said since it was last asked.
func (r *reloading) wantSaid(t *testing.T, want ...string) {
	t.Helper()
	if said := r.said(); !slices.Equal(said, want) {
		t.Errorf("it said %q, want %q", said, want)
	}
}

func TestReloader_reload(t *testing.T) {
	t.Parallel()
	t.Run("follows what can change, and names the rest once", func(t *testing.T) {
		t.Parallel()
		r := newReloading(config.Default())
		r.next.Log.Level, r.next.HTTP.Addr = "warn", ":9"
		r.reload(true)
		r.wantSaid(t, readAgain, needRestart)
		if len(r.applied) != 1 || r.applied[0].Log.Level != "warn" || r.applied[0].HTTP.Addr != config.Default().HTTP.Addr {
			t.Errorf("applied %+v", r.applied)
		}
		r.reload(false)
		r.wantSaid(t)
		r.reload(true)
		r.wantSaid(t, readAgain, needRestart)
		r.next.HTTP.Addr = config.Default().HTTP.Addr
		r.reload(true)
		r.wantSaid(t, readAgain)
	})
	t.Run("what cannot be read or used changes nothing, and is said once where nobody asked", func(t *testing.T) {
		t.Parallel()
		r := newReloading(config.Default())
		for _, spoil := range []func(error){func(err error) { r.unreadable = err }, func(err error) { r.unusable = err }} {
			r.next.Limit.InFlight++
			spoil(errors.New("broken"))
			r.reload(true)
			r.wantSaid(t, notFollowed)
			r.reload(false)
			r.wantSaid(t)
			spoil(errors.New("broken in another way"))
			r.reload(false)
			r.wantSaid(t, notFollowed)
			if r.running.Limit.InFlight == r.next.Limit.InFlight {
				t.Error("the settings count as in force")
			}
			spoil(nil)
			r.reload(false)
			r.wantSaid(t, readAgain)
			if r.applied[len(r.applied)-1].Limit.InFlight != r.next.Limit.InFlight {
				t.Errorf("applied %+v", r.applied)
			}
		}
	})
	t.Run("what is not followed leaves credentials that were taken out, and says so where there are some", func(t *testing.T) {
		t.Parallel()
		for mode, want := range map[string]any{config.AuthNone: nil, config.AuthAPIKey: "those taken out are still believed"} {
			settings := config.Default()
			settings.Auth.Mode = []string{mode}
			r := newReloading(settings)
			r.unreadable = errors.New("broken")
			r.reload(true)
			if said := r.logs.TakeAll(); len(said) != 1 || said[0].ContextMap()["credentials"] != want {
				t.Errorf("%s: %v", mode, said)
			}
		}
	})
	t.Run("a change that does not go together with what stays is no change", func(t *testing.T) {
		t.Parallel()
		r := newReloading(config.Default())
		r.next.Log.Level = "loud"
		r.reload(true)
		r.wantSaid(t, notFollowed)
		if len(r.applied) > 0 {
			t.Errorf("applied %+v", r.applied)
		}
	})
	t.Run("a poll applies again when a file has changed that is named", func(t *testing.T) {
		t.Parallel()
		path := t.TempDir() + "/keys"
		write := func(content string) {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("one")
		settings := config.Default()
		settings.JWT.KeyFile, settings.JWT.Issuer, settings.JWT.Audience = path, "issuer", "users"
		settings.Auth.Mode = []string{config.AuthJWT}
		r := newReloading(settings)
		r.reload(false)
		r.wantSaid(t)
		write("two")
		r.reload(false)
		r.wantSaid(t, readAgain)
		r.reload(false)
		r.wantSaid(t)
	})
	t.Run("a poll leaves the certificate to who looks after it", func(t *testing.T) {
		t.Parallel()
		settings := config.Default()
		settings.TLS.CertFile, settings.TLS.KeyFile = t.TempDir()+"/tls.crt", t.TempDir()+"/tls.key"
		r := newReloading(settings)
		if err := os.WriteFile(settings.TLS.CertFile, []byte("another"), 0o600); err != nil {
			t.Fatal(err)
		}
		r.reload(false)
		r.wantSaid(t)
	})
}

func TestReloader_follow(t *testing.T) {
	t.Parallel()
	t.Run("looks at each hangup, and again and again if it is told to", func(t *testing.T) {
		t.Parallel()
		for _, poll := range []time.Duration{0, time.Millisecond} {
			r := newReloading(config.Default())
			r.next.Limit.InFlight++
			ctx, cancel := context.WithCancel(t.Context())
			hangups, done := make(chan os.Signal, 1), make(chan struct{})
			go func() { defer close(done); r.follow(ctx, hangups, poll) }()
			if poll == 0 {
				hangups <- os.Interrupt
			}
			eventually(t, "the settings", func() bool { return r.logs.Len() > 0 })
			cancel()
			<-done
			if len(r.applied) != 1 {
				t.Errorf("every %v: applied %d times", poll, len(r.applied))
			}
		}
	})
}
