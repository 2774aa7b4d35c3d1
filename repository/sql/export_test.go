package sql

import (
	"context"
	"database/sql"

	"userapi/models"
)

// Listing returns the statement of a list, with its arguments.
func (s *Store) Listing(ctx context.Context, query models.Query) (text string, args []any, err error) {
	st, err := s.listing(ctx, &query)
	if err != nil {
		return "", nil, err
	}
	return st.String(), st.args, nil
}

// Reading returns the connections that read.
func (s *Store) Reading() *sql.DB { return s.read.db }

// Writing returns the connections that write.
func (s *Store) Writing() *sql.DB { return s.write.db }

// Isolate has the transactions of a store run as if one after the other, whatever the engine would do.
func (s *Store) Isolate() {
	s.dialect.isolation = &sql.TxOptions{Isolation: sql.LevelSerializable}
}
