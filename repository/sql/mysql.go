package sql

import (
	"database/sql"
	"errors"
	"time"

	"github.com/go-sql-driver/mysql"
)

// openMySQL makes the pool of MySQL or MariaDB, or of what speaks their protocol.
func (s *Store) openMySQL() error {
	config, err := mysql.ParseDSN(s.options.DSN)
	if err != nil {
		return errors.New("the DSN cannot be read as that of MySQL; write it like user:password@tcp(host:3306)/database")
	}
	config.Loc, config.ParseTime = time.UTC, true // for the lock of the migrations, which has times
	config.ClientFoundRows = false                // rows are counted that change
	config.RejectReadOnly = true                  // what was a primary and is none any more is left
	config.Logger = silent{}
	config.InterpolateParams = s.options.Statements == Simple
	if config.Timeout == 0 {
		config.Timeout = s.options.Timeout
	}
	if config.Params == nil {
		config.Params = map[string]string{}
	}
	config.Params["sql_mode"] = "'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
	patient, err := mysql.NewConnector(config.Clone())
	if err != nil {
		return errors.New("the DSN cannot be used for MySQL")
	}
	s.slow = sql.OpenDB(patient)
	s.slow.SetMaxIdleConns(0)
	if config.ReadTimeout == 0 { // a commit has no other end on a connection of which nothing more is heard
		config.ReadTimeout = s.options.Timeout
	}
	if config.WriteTimeout == 0 {
		config.WriteTimeout = s.options.Timeout
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return errors.New("the DSN cannot be used for MySQL")
	}
	prepare := s.options.Statements != Simple
	s.read.set(sql.OpenDB(paced{connector, s.pace}), s.options.MaxConns, prepare)
	s.write = pool{db: s.read.db, places: s.read.places, prepare: prepare}
	s.dialect = dialect{
		name: MySQL, judge: judgeMySQL,
		isolation: &sql.TxOptions{Isolation: sql.LevelReadCommitted},
		lock:      " FOR UPDATE",
		parked:    "CONCAT('parked ', id)",
		micros:    "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
		keep:      " ON DUPLICATE KEY UPDATE name = name",
		contains:  instr, among: amongList,
		newIDs: newIDsMySQL, insert: insertTogether, replace: replaceEach,
	}
	s.dialect.complete()
	return nil
}

// silent is a logger for the driver, whose errors are returned as well.
type silent struct{}

// Print implements mysql.Logger.
func (silent) Print(...any) {}

// judgeMySQL goes by error numbers.
func judgeMySQL(err error) fate {
	if errors.Is(err, mysql.ErrInvalidConn) {
		return away
	}
	var failure *mysql.MySQLError
	if !errors.As(err, &failure) {
		return unforeseen
	}
	switch failure.Number {
	case 1062: // ER_DUP_ENTRY
		return duplicate
	case 1205, 1213, // ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK
		1020,       // ER_CHECKREAD: MariaDB's word for a row that has changed since the snapshot
		8002, 9007: // TiDB's conflicts
		return crossed
	case 1044, 1045, 1049, 1698, // refused on connecting
		1040, 1203, 1226, // too many connections
		1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, // going down, or the connection broke
		1290, 1792, 1836, // read-only
		1021, 1114, 1041, 1317, 3024, 1969: // disk or memory full; stopped by a timeout of the server
		return away
	}
	return unforeseen
}

// newIDsMySQL takes ids from a table of their own: those of its rows are never given again, also not
// when the transaction is undone, and are known before the users are written.
func newIDsMySQL(tx *transaction, n int) ([]int64, error) {
	st := &statement{dialect: &tx.store.dialect}
	st.say("INSERT INTO user_ids (id) VALUES (NULL)")
	for range n - 1 {
		st.say(", (NULL)")
	}
	result, err := tx.tx.ExecContext(tx.ctx, st.String(), st.args...)
	if err != nil {
		return nil, err
	}
	first, err := result.LastInsertId() // the engine gives those of one statement in a row
	if err != nil {
		return nil, err
	}
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = first + int64(i)
	}
	_, err = tx.exec("DELETE FROM user_ids WHERE id BETWEEN ? AND ?", first, ids[n-1])
	return ids, err
}
