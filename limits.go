package main

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"userapi/config"
	"userapi/middleware/limit"
	"userapi/middleware/metrics"
)

// newLimits returns the limits of the settings, which outlive every router, and has them counted unless
// counted is nil. Its error is an unusableError.
func newLimits(settings config.Config, counted *metrics.Metrics, log *zap.Logger) (*limit.Limiter, *limit.Flight, error) {
	secret, err := settings.Cursor.KeyBytes()
	if err != nil {
		return nil, nil, unusableError{err}
	}
	options := limit.Options{
		Rates: ratesOf(settings.Limit), MaxCallers: settings.Limit.MaxCallers,
		Redis: settings.Limit.Redis.Reveal(), Secret: secret, Now: time.Now,
		Away: func(err error) {
			if err == nil {
				log.Info("the shared rate limit is used again")
			} else {
				log.Warn("Redis is away; each instance limits callers by itself", zap.Error(err))
			}
		},
	}
	if counted != nil {
		options.Decided = counted.Limit
	}
	limiter, err := limit.New(options)
	if err != nil {
		return nil, nil, unusableError{fmt.Errorf("limit.redis: %w; correct it", err)}
	}
	flight := limit.NewFlight(settings.Limit.InFlight, time.Now)
	counted.SetShedding(func() metrics.Shedding {
		seen := flight.Stats()
		return metrics.Shedding{Most: seen.Most, Shed: seen.Shed}
	})
	counted.SetCallers(func() metrics.Callers {
		seen := limiter.Stats()
		return metrics.Callers{Known: seen.Callers, Evicted: seen.Evicted, Crowded: seen.Crowded}
	})
	return limiter, flight, nil
}

func ratesOf(settings config.Limit) limit.Rates {
	return limit.Rates{Reads: limit.Rate(settings.Reads), Writes: limit.Rate(settings.Writes), Bulk: limit.Rate(settings.Bulk)}
}
