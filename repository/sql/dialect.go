package sql

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"userapi/models"
)

// dialect is in what an engine differs from the others.
type dialect struct {
	// name begins errors.
	name string
	// judge says what an error of the driver means.
	judge func(err error) fate
	// isolation is that of transactions; nil is the engine's own.
	isolation *sql.TxOptions
	// inside says that the engine is in this process.
	inside bool
	// numbered says that parameters are $1, $2 and so on, not question marks.
	numbered bool
	// hides keeps from the planner which value of those that many users have is meant: when it sees that, it
	// goes through everybody by id.
	hides bool
	// lock ends a statement that keeps others from the rows that it reads; empty where a transaction has
	// the whole database.
	lock string
	// byEmailKey has the index of the addresses used.
	byEmailKey string
	// returning says that insertUser gives the id and returns it; else it takes one as first parameter.
	returning bool
	// micros is the engine's own clock, in microseconds since 1970.
	micros string
	// parked makes an address key that no user has of the id.
	parked string
	// keep ends an insert that leaves a row alone that is there already.
	keep string

	// contains appends the condition that a column holds a text.
	contains func(st *statement, column, text string)
	// among appends the condition that the id is one of these.
	among func(st *statement, ids []int64)
	// searches returns what stands for the table when no more than fewHits users have a text of three
	// characters or more, and an index knows them; else it returns nil. It is nil where there is no index.
	searches func(ctx context.Context, s *Store, text string) (func(st *statement), error)
	// along is the table with a hint to read it in the order of an index; nil where the engine does by
	// itself.
	along func(index string) string
	// planned is a first argument that has a statement planned for its other arguments; nil where that is so
	// without it.
	planned any
	// newIDs returns ids that are larger than all before.
	newIDs func(tx *transaction, n int) ([]int64, error)
	// insert writes new users, and replace others in place of those with the same ids.
	insert, replace func(tx *transaction, users []models.User) error

	statements
}

// statements are the texts that do not depend on a question.
type statements struct {
	insertUser, selectUser, lockUser, updateUser, deleteUser, selectOwner string
	insertKey, selectKey, takeKey, finishKey, releaseKey, dropKey         string
	selectEpoch, resumeEpoch, suspendEpoch                                string
	insertSetting, selectSetting                                          string
}

// complete fills in the statements, which are the same for all engines but for the marks of their
// parameters and a few words.
func (d *dialect) complete() {
	t := &d.statements
	marks := strings.TrimSuffix(strings.Repeat("?, ", 9), ", ")
	t.insertUser = "INSERT INTO users (id, " + stored + ") VALUES (?, " + marks + ")"
	if d.returning {
		t.insertUser = "INSERT INTO users (" + stored + ") VALUES (" + marks + ") RETURNING id"
	}
	t.selectUser = "SELECT " + columns + " FROM users WHERE id = ?"
	t.lockUser = t.selectUser + d.lock
	t.updateUser = "UPDATE users SET name = ?, email = ?, age = ?, updated_at = ?, version = ?, " +
		"name_fold = ?, email_fold = ?, email_key = ? WHERE id = ?"
	t.deleteUser = "DELETE FROM users WHERE id = ?"
	t.selectOwner = "SELECT " + columns + " FROM users WHERE email_key = ?" + d.lock

	t.insertKey = "INSERT INTO idempotency_keys (name, fingerprint, status, size, expires_at) VALUES (?, ?, 0, 0, ?)" + d.keep
	t.selectKey = "SELECT fingerprint, status, location, etag, body, expires_at FROM idempotency_keys WHERE name = ?"
	t.takeKey = "UPDATE idempotency_keys SET fingerprint = ?, status = 0, location = NULL, etag = NULL, body = NULL, size = 0, expires_at = ? " +
		"WHERE name = ? AND status = ? AND expires_at = ?"
	t.finishKey = "UPDATE idempotency_keys SET status = ?, location = ?, etag = ?, body = ?, size = ?, expires_at = ? " +
		"WHERE name = ? AND status = 0 AND fingerprint = ?"
	t.releaseKey = "DELETE FROM idempotency_keys WHERE name = ? AND status = 0"

	t.dropKey = "DELETE FROM idempotency_keys WHERE name = ?"

	t.selectEpoch = "SELECT generation, server, suspended_until - " + d.micros + " FROM cache_epoch WHERE id = 1"
	t.resumeEpoch = "UPDATE cache_epoch SET generation = generation + 1, server = ? WHERE id = 1 AND generation = ? AND suspended_until <= " + d.micros
	t.suspendEpoch = "UPDATE cache_epoch SET generation = generation + 1, server = '', suspended_until = " +
		"CASE WHEN suspended_until > " + d.micros + " + ? THEN suspended_until ELSE " + d.micros + " + ? END WHERE id = 1"

	t.insertSetting = "INSERT INTO settings (name, value) VALUES (?, ?)" + d.keep
	t.selectSetting = "SELECT value FROM settings WHERE name = ?"
	if !d.numbered {
		return
	}
	for _, text := range []*string{
		&t.insertUser, &t.selectUser, &t.lockUser, &t.updateUser, &t.deleteUser, &t.selectOwner,
		&t.insertKey, &t.selectKey, &t.takeKey, &t.finishKey, &t.releaseKey, &t.dropKey,
		&t.selectEpoch, &t.resumeEpoch, &t.suspendEpoch, &t.insertSetting, &t.selectSetting,
	} {
		*text = numbered(*text)
	}
}

// numbered puts $1, $2 and so on in place of question marks.
func numbered(text string) string {
	var out strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(text, "?")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		out.WriteByte('$')
		out.WriteString(strconv.Itoa(n))
		text = after
	}
}

// statement is a text in the making, with its arguments.
type statement struct {
	strings.Builder
	dialect *dialect
	args    []any
	// joint stands before the next condition.
	joint string
}

// say appends words.
func (st *statement) say(words ...string) {
	for _, word := range words {
		st.WriteString(word)
	}
}

// where begins the conditions, of which there may be none.
func (st *statement) where() { st.joint = " WHERE " }

// and begins one condition.
func (st *statement) and(words ...string) {
	st.say(st.joint)
	st.say(words...)
	st.joint = " AND "
}

// give appends a parameter with its argument.
func (st *statement) give(arg any) {
	st.args = append(st.args, arg)
	if st.dialect.numbered {
		st.WriteByte('$')
		st.WriteString(strconv.Itoa(len(st.args)))
	} else {
		st.WriteByte('?')
	}
}

// valued returns the arguments with what has the statement planned for them.
func (st *statement) valued() []any {
	if st.dialect.planned == nil {
		return st.args
	}
	return append([]any{st.dialect.planned}, st.args...)
}

// list appends parameters in brackets.
func (st *statement) list(args []any) {
	st.WriteByte('(')
	for i, arg := range args {
		if i > 0 {
			st.say(", ")
		}
		st.give(arg)
	}
	st.WriteByte(')')
}

// anyOf makes arguments of values.
func anyOf[T any](values []T) []any {
	args := make([]any, len(values))
	for i, value := range values {
		args[i] = value
	}
	return args
}

// amongList is dialect.among for engines that take a list of parameters.
func amongList(st *statement, ids []int64) {
	if len(ids) == 0 {
		st.say("1 = 0")
		return
	}
	st.say("id IN ")
	st.list(anyOf(ids))
}

// instr is dialect.contains for engines that look for a text octet by octet.
func instr(st *statement, column, text string) {
	st.say("INSTR(", column, ", ")
	st.give(text)
	st.say(") > 0")
}
