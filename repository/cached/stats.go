package cached

import "sync/atomic"

// Stats counts what has happened since New.
type Stats struct {
	// Hits and Misses are reads of a user whom the cache had and had not; Blocked are those that a
	// write of the user sent to the store, and Bypassed those that the store answered because the cache
	// could not be believed, or reached.
	Hits, Misses, Blocked, Bypassed int64
	// Loads are the reads by which misses were filled: many misses at one time are one load.
	Loads int64
	// Suspensions are the times that this instance had nobody use the cache.
	Suspensions int64
	// Errors are the questions to Redis that failed or took too long.
	Errors int64
}

type counts struct {
	hits, misses, blocked, bypassed, loads, suspensions, errors atomic.Int64
}

// Stats returns the counts as they are now.
func (s *Store) Stats() Stats {
	c := s.counts
	return Stats{
		Hits: c.hits.Load(), Misses: c.misses.Load(), Blocked: c.blocked.Load(), Bypassed: c.bypassed.Load(),
		Loads: c.loads.Load(), Suspensions: c.suspensions.Load(), Errors: c.errors.Load(),
	}
}
