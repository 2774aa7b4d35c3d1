package sql

import "database/sql"

// Isolate has the transactions of a store run as if one after the other, whatever the engine would do.
func (s *Store) Isolate() {
	s.dialect.isolation = &sql.TxOptions{Isolation: sql.LevelSerializable}
}
