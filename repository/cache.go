package repository

import (
	"context"
	"time"
)

// CacheEpoch is what the instances that share a cache have agreed on.
type CacheEpoch struct {
	// Generation is part of the name of every entry of the cache. It only grows; a new one makes all
	// entries from before unreachable.
	Generation int64
	// Server names the run of the cache server that holds the entries; empty when no server does.
	Server string
	// Suspended is for how much longer nobody may use the cache, by the clock of the store; zero or less
	// when it may be used.
	Suspended time.Duration
}

// CacheCoordinator is where the instances that share a cache in front of one store agree on whether
// it may be believed. The store keeps it, because that is the one thing that all who write can reach.
// All methods are safe for concurrent use; their errors are those of UserRepository.
type CacheCoordinator interface {
	// CacheEpoch returns what holds now.
	CacheEpoch(ctx context.Context) (CacheEpoch, error)

	// ResumeCache names the server that is believed from now on, and starts a new generation for it,
	// provided that the generation is still this one and the cache is not suspended; otherwise it
	// changes nothing. It returns what holds afterwards. The check and the change are one atomic step.
	ResumeCache(ctx context.Context, generation int64, server string) (CacheEpoch, error)

	// SuspendCache has nobody use the cache for at least this long from now, and starts a new generation
	// without a server. It never shortens a suspension. It returns what holds afterwards.
	SuspendCache(ctx context.Context, length time.Duration) (CacheEpoch, error)
}
