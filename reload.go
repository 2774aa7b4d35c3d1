package main

import (
	"context"
	"crypto/sha256"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"

	"userapi/config"
)

// reloader has a running service follow its settings. What it is asked to do happens in one goroutine.
type reloader struct {
	// load reads the settings again, from where they were read at first.
	load func() (config.Loaded, error)
	// apply has the service run by other settings from now on; or, with an error, by those it had.
	apply func(config.Config) error
	log   *zap.Logger
	// running are the settings that the service runs by, seen those that it was last told.
	running, seen config.Config
	// files sums up what the file holds that the settings name and others read, as it is in force.
	files [sha256.Size]byte
	// complaint is what was wrong when a poll last looked, so that it is not said at each.
	complaint string
}

// newReloader returns a reloader for a service that runs by these settings.
func newReloader(running config.Config, load func() (config.Loaded, error), apply func(config.Config) error, log *zap.Logger) *reloader {
	return &reloader{load: load, apply: apply, log: log, running: running, seen: running, files: contents(running)}
}

// follow reloads at each hangup and, unless poll is zero, each time that it has passed, until ctx ends.
func (r *reloader) follow(ctx context.Context, hangups <-chan os.Signal, poll time.Duration) {
	var ticks <-chan time.Time
	if poll > 0 {
		ticker := time.NewTicker(poll)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		select {
		case <-hangups:
			r.reload(true)
		case <-ticks:
			r.reload(false)
		case <-ctx.Done():
			return
		}
	}
}

// reload reads the settings and has the service follow them. Whatever is wrong with them changes nothing.
// Unless somebody asked for it, it says only what is new.
func (r *reloader) reload(asked bool) {
	loaded, err := r.load()
	if err == nil {
		err = r.change(loaded.Config, asked)
	}
	switch {
	case err == nil:
		r.complaint = ""
	case asked || err.Error() != r.complaint:
		r.complaint = err.Error()
		fields := []zap.Field{zap.Error(err)}
		if !slices.Contains(r.running.Auth.Mode, config.AuthNone) {
			// Whoever has taken a key out must not go home in the belief that it is out.
			fields = append(fields, zap.String("credentials", "those taken out are still believed"))
		}
		r.log.Error("the settings are not followed; those from before stay in force", fields...)
	}
}

// change has the service run by next, as far as it can without a restart.
func (r *reloader) change(next config.Config, asked bool) error {
	followed, changed, fixed := r.running.Follow(next)
	if err := followed.Validate(); err != nil {
		return err // what stays and what changes do not go together
	}
	files := contents(followed)
	if asked || len(changed) > 0 || files != r.files {
		if err := r.apply(followed); err != nil {
			return err
		}
		r.log.Info("the settings were read again", zap.Strings("changed", changed))
	}
	r.files = files
	_, _, news := r.seen.Follow(next)
	r.running, r.seen = followed, next
	if len(fixed) > 0 && (asked || len(news) > 0) {
		r.log.Warn("some settings changed that only a restart brings into force", zap.Strings("keys", fixed))
	}
	return nil
}

// contents sums up the file that holds what is read by others than the settings. One that cannot be read
// counts as empty: who has to read it says so. The certificate looks after its own files.
func contents(settings config.Config) [sha256.Size]byte {
	content, _ := config.ReadFile(settings.JWT.KeyFile)
	return sha256.Sum256(content)
}
