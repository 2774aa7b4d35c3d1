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
	config.Params["time_zone"] = "'+00:00'" // in others the clock of the cache stands still for an hour a year
	// A session whose client has given up does not notice it while it waits for a lock.
	if config.Params["innodb_lock_wait_timeout"] == "" {
		config.Params["innodb_lock_wait_timeout"] = itoa(max(1, int64(s.options.Timeout/time.Second)))
	}
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
		lock:      " FOR UPDATE", byEmailKey: " FORCE INDEX (users_email_key)",
		parked:   "CONCAT('parked ', id)",
		micros:   "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
		keep:     " ON DUPLICATE KEY UPDATE name = name",
		contains: instr, among: amongList,
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
		3101,       // ER_TRANSACTION_ROLLBACK_DURING_COMMIT, of group replication
		1020,       // ER_CHECKREAD: MariaDB's word for a row that has changed since the snapshot
		8002, 9007: // TiDB's conflicts
		return crossed
	case 1044, 1045, 1049, 1698, // refused on connecting
		1040, 1203, 1226, // too many connections
		1047,                               // WSREP_NOT_READY, of Galera
		1021, 1114, 1041, 1317, 3024, 1969: // disk or memory full; stopped by a timeout of the server
		return away
	case 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927, // going down, or the connection broke
		1290, 1792, 1836: // read-only
		return lost
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
	gone := &statement{dialect: &tx.store.dialect}
	gone.say("DELETE FROM user_ids WHERE id IN ") // a range would wait for the next id of somebody else
	gone.list(anyOf(ids))
	err = tx.run(gone)
	return ids, err
}
