package sql

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"userapi/repository"
)

// CacheEpoch implements repository.CacheCoordinator. It does not wait in line with the requests.
func (s *Store) CacheEpoch(ctx context.Context) (repository.CacheEpoch, error) {
	var epoch repository.CacheEpoch
	err := s.aside(ctx, func(ctx context.Context) (err error) {
		epoch, err = s.epoch(ctx)
		return err
	})
	return epoch, err
}

func (s *Store) epoch(ctx context.Context) (epoch repository.CacheEpoch, err error) {
	var micros int64
	err = s.read.row(ctx, s.dialect.selectEpoch).Scan(&epoch.Generation, &epoch.Server, &micros)
	epoch.Suspended = time.Duration(micros) * time.Microsecond
	return epoch, err
}

// ResumeCache implements repository.CacheCoordinator.
func (s *Store) ResumeCache(ctx context.Context, generation int64, server string) (repository.CacheEpoch, error) {
	return s.moveEpoch(ctx, s.dialect.resumeEpoch, server, generation)
}

// SuspendCache implements repository.CacheCoordinator.
func (s *Store) SuspendCache(ctx context.Context, length time.Duration) (repository.CacheEpoch, error) {
	micros := length.Microseconds()
	return s.moveEpoch(ctx, s.dialect.suspendEpoch, micros, micros)
}

// moveEpoch runs a statement and returns what holds behind it.
func (s *Store) moveEpoch(ctx context.Context, text string, args ...any) (repository.CacheEpoch, error) {
	var epoch repository.CacheEpoch
	err := s.aside(ctx, func(ctx context.Context) (err error) {
		if _, err = s.write.exec(ctx, text, args...); err == nil {
			epoch, err = s.epoch(ctx)
		}
		return err
	})
	return epoch, err
}

// Setting returns what is stored under a name, which is what made returns when nothing is yet. All
// instances get the same.
func (s *Store) Setting(ctx context.Context, name string, made func() ([]byte, error)) ([]byte, error) {
	var value []byte
	err := s.aside(ctx, func(ctx context.Context) error {
		err := s.read.row(ctx, s.dialect.selectSetting, name).Scan(&value)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if value, err = made(); err != nil {
			return err
		}
		if _, err = s.write.exec(ctx, s.dialect.insertSetting, name, value); err != nil {
			return err
		}
		return s.read.row(ctx, s.dialect.selectSetting, name).Scan(&value)
	})
	return value, err
}
