package main

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"userapi/config"
	"userapi/middleware/limit"
)

// newLimits returns the limits of the settings, which outlive every router. Its error is an unusableError.
func newLimits(settings config.Config, log *zap.Logger) (*limit.Limiter, *limit.Flight, error) {
	secret, err := settings.Cursor.KeyBytes()
	if err != nil {
		return nil, nil, unusableError{err}
	}
	limiter, err := limit.New(limit.Options{
		Rates: ratesOf(settings.Limit), MaxCallers: settings.Limit.MaxCallers,
		Redis: settings.Limit.Redis.Reveal(), Secret: secret, Now: time.Now,
		Away: func(err error) {
			if err == nil {
				log.Info("the shared rate limit is used again")
			} else {
				log.Warn("Redis is away; each instance limits callers by itself", zap.Error(err))
			}
		},
	})
	if err != nil {
		return nil, nil, unusableError{fmt.Errorf("limit.redis: %w; correct it", err)}
	}
	return limiter, limit.NewFlight(settings.Limit.InFlight, time.Now), nil
}

func ratesOf(settings config.Limit) limit.Rates {
	return limit.Rates{Reads: limit.Rate(settings.Reads), Writes: limit.Rate(settings.Writes), Bulk: limit.Rate(settings.Bulk)}
}
