package sql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strconv"

	"userapi/models"
	"userapi/repository"
)

// transaction is one attempt at a change, and the repository.Tx of a batch. Rows that it has read are
// locked until its end.
type transaction struct {
	store *Store
	// ctx bounds the attempt, caller says whether it is still wanted.
	ctx, caller context.Context
	tx          *sql.Tx
	// failure is the first error of the driver, also when the caller has made another one of it.
	failure error

	// What Expect has fetched: a user without an id is one who is not there, an owner of zero nobody.
	users  map[int64]models.User
	owners map[string]int64
	ids    []int64
}

// noted remembers the first error of the driver.
func (tx *transaction) noted(err error) error {
	if err != nil && tx.failure == nil && !errors.Is(err, sql.ErrNoRows) {
		tx.failure = err
	}
	return err
}

// exec runs one of the few statements.
func (tx *transaction) exec(text string, args ...any) (int64, error) {
	prepared, err := tx.store.write.statement(tx.ctx, text)
	if err != nil {
		return 0, tx.noted(err)
	}
	var result sql.Result
	if prepared != nil {
		result, err = tx.tx.StmtContext(tx.ctx, prepared).ExecContext(tx.ctx, args...) //nolint:sqlclosecheck // the end of the transaction closes it
	} else {
		result, err = tx.tx.ExecContext(tx.ctx, text, args...)
	}
	if err != nil {
		return 0, tx.noted(err)
	}
	return result.RowsAffected()
}

// row is the first row of one of the few statements.
func (tx *transaction) row(text string, args ...any) scanner {
	prepared, err := tx.store.write.statement(tx.ctx, text)
	switch {
	case err != nil:
		return failed{err}
	case prepared != nil:
		return tx.tx.StmtContext(tx.ctx, prepared).QueryRowContext(tx.ctx, args...) //nolint:sqlclosecheck // the end of the transaction closes it
	}
	return tx.tx.QueryRowContext(tx.ctx, text, args...)
}

// run runs a statement that was made for the occasion.
func (tx *transaction) run(st *statement) error {
	_, err := tx.tx.ExecContext(tx.ctx, st.String(), st.args...)
	return tx.noted(err)
}

// locked returns a user whose row nobody else changes until the end.
func (tx *transaction) locked(id int64) (models.User, error) {
	var user models.User
	err := tx.noted(readUser(tx.row(tx.store.dialect.lockUser, id), &user))
	return user, absent(err)
}

// update writes a user in place of the one with the id.
func (tx *transaction) update(user *models.User) error {
	v := values(user)
	_, err := tx.exec(tx.store.dialect.updateUser, v[0], v[1], v[2], v[4], v[5], v[6], v[7], v[8], user.ID)
	return tx.store.onDuplicate(err)
}

// newIDs returns ids that were never given, in a row or not.
func (tx *transaction) newIDs(n int) ([]int64, error) {
	ids, err := tx.store.dialect.newIDs(tx, n)
	return ids, tx.noted(err)
}

// Get implements repository.Tx.
func (tx *transaction) Get(id int64) (models.User, error) {
	user, known := tx.users[id]
	if !known {
		var err error
		if user, err = tx.locked(id); err != nil && !errors.Is(err, models.ErrUserNotFound) {
			return models.User{}, tx.store.translate(tx.caller, err)
		}
		tx.remember(id, user)
	}
	if user.ID == 0 {
		return models.User{}, models.ErrUserNotFound
	}
	return user, nil
}

func (tx *transaction) remember(id int64, user models.User) {
	if tx.users == nil {
		tx.users = make(map[int64]models.User)
	}
	tx.users[id] = user
}

// Owner implements repository.Tx.
func (tx *transaction) Owner(emailKey string) (int64, error) {
	owner, known := tx.owners[emailKey]
	if !known {
		var user models.User
		err := tx.noted(readUser(tx.row(tx.store.dialect.selectOwner, emailKey), &user))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, tx.store.translate(tx.caller, err)
		}
		tx.own(emailKey, user)
		owner = user.ID
	}
	if owner == 0 {
		return 0, models.ErrUserNotFound
	}
	return owner, nil
}

// own remembers who has an address; a user without an id is nobody.
func (tx *transaction) own(emailKey string, user models.User) {
	if tx.owners == nil {
		tx.owners = make(map[string]int64)
	}
	tx.owners[emailKey] = user.ID
	if user.ID != 0 {
		tx.remember(user.ID, user)
	}
}

// NextID implements repository.Tx.
func (tx *transaction) NextID() (int64, error) {
	if len(tx.ids) == 0 {
		ids, err := tx.newIDs(1)
		if err != nil {
			return 0, tx.store.translate(tx.caller, err)
		}
		tx.ids = ids
	}
	id := tx.ids[0]
	tx.ids = tx.ids[1:]
	return id, nil
}

// mostTogether is how many values are looked for by one statement.
const mostTogether = 500

// Expect implements repository.Tx. It reads in the order of the ids, so that two batches that touch the
// same users do not lock each other out.
func (tx *transaction) Expect(ids []int64, emailKeys []string, newcomers int) error {
	ids, emailKeys = distinct(ids), distinct(emailKeys)
	err := eachSome(ids, func(some []int64) error {
		for _, id := range some {
			tx.remember(id, models.User{})
		}
		having := func(st *statement) {
			st.say("users WHERE ")
			st.dialect.among(st, some)
			st.say(" ORDER BY id")
		}
		return tx.fetch(having, func(user models.User) { tx.remember(user.ID, user) })
	})
	if err != nil {
		return tx.store.translate(tx.caller, err)
	}
	err = eachSome(emailKeys, func(some []string) error {
		for _, key := range some {
			tx.own(key, models.User{})
		}
		having := func(st *statement) {
			// An engine that goes through another index locks whom it passes.
			st.say("users", st.dialect.byEmailKey, " WHERE email_key IN ")
			st.list(anyOf(some))
		}
		return tx.fetch(having, func(user models.User) { tx.own(models.EmailKey(user.Email), user) })
	})
	if err == nil && newcomers > 0 {
		tx.ids, err = tx.newIDs(newcomers)
	}
	return tx.store.translate(tx.caller, err)
}

// fetch locks and reads the users whom the words behind FROM name.
func (tx *transaction) fetch(from func(st *statement), take func(models.User)) error {
	st := &statement{dialect: &tx.store.dialect}
	st.say("SELECT ", columns, " FROM ")
	from(st)
	st.say(tx.store.dialect.lock)
	rows, err := tx.tx.QueryContext(tx.ctx, st.String(), st.args...)
	if err != nil {
		return tx.noted(err)
	}
	defer rows.Close() //nolint:errcheck // Err says the same
	for rows.Next() {
		var user models.User
		if err := readUser(rows, &user); err != nil {
			return tx.noted(err)
		}
		take(user)
	}
	return tx.noted(rows.Err())
}

// Batch implements repository.UserRepository. A clash of addresses may be one with a writer whom decide
// could not see, so that it is asked again before the clash is told.
func (s *Store) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	const looks = 3
	var err error
	for range looks {
		err = s.transact(ctx, func(tx *transaction) error {
			changes, err := decide(tx)
			if err != nil {
				return refusal{err}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			return tx.apply(&changes)
		})
		if !errors.Is(err, models.ErrEmailTaken) {
			return err
		}
	}
	return err
}

// apply writes the changes. Whoever gives an address up does so before anybody takes it.
func (tx *transaction) apply(changes *repository.Changes) error {
	if err := tx.remove(changes.Delete); err != nil {
		return err
	}
	if err := tx.vacate(changes.Replace); err != nil {
		return err
	}
	if len(changes.Replace) > 0 {
		if err := tx.written(tx.store.dialect.replace(tx, changes.Replace)); err != nil {
			return err
		}
	}
	if len(changes.Create) > 0 {
		if err := tx.written(tx.store.dialect.insert(tx, changes.Create)); err != nil {
			return err
		}
	}
	if err := tx.holdVacant(changes); err != nil {
		return err
	}
	if changes.Kept != nil {
		return tx.finish(changes.Kept)
	}
	return nil
}

// holdVacant keeps the addresses vacant that decide has found so and that nobody gets. Rows that are not
// there cannot be locked, so each is put there, which makes whoever wants the address wait, and removed
// again. A transaction that has the database to itself needs nothing of it.
func (tx *transaction) holdVacant(changes *repository.Changes) error {
	if tx.store.dialect.lock == "" {
		return nil
	}
	taken := make(map[string]bool)
	for _, users := range [...][]models.User{changes.Replace, changes.Create} {
		for i := range users {
			taken[models.EmailKey(users[i].Email)] = true
		}
	}
	var vacant []models.User
	for _, key := range slices.Sorted(maps.Keys(tx.owners)) {
		if tx.owners[key] == 0 && !taken[key] {
			vacant = append(vacant, models.User{Email: key})
		}
	}
	if len(vacant) == 0 {
		return nil
	}
	ids, err := tx.newIDs(len(vacant))
	if err != nil {
		return err
	}
	for i := range vacant {
		vacant[i].ID = ids[i]
	}
	if err := tx.written(tx.store.dialect.insert(tx, vacant)); err != nil {
		return err
	}
	return tx.remove(ids)
}

func (tx *transaction) written(err error) error { return tx.store.onDuplicate(tx.noted(err)) }

func (tx *transaction) remove(ids []int64) error {
	return eachSome(ids, func(some []int64) error {
		st := &statement{dialect: &tx.store.dialect}
		st.say("DELETE FROM users WHERE ")
		st.dialect.among(st, some)
		return tx.run(st)
	})
}

// vacate takes the addresses that users give up out of the way of those who take them, when there is
// more than one who changes theirs: an engine looks for duplicates after each row.
func (tx *transaction) vacate(users []models.User) error {
	unknown := make([]int64, 0, len(users))
	for i := range users {
		if tx.users[users[i].ID].ID == 0 {
			unknown = append(unknown, users[i].ID)
		}
	}
	if len(unknown) > 0 {
		if err := tx.Expect(unknown, nil, 0); err != nil {
			return err
		}
	}
	var leaving []int64
	for i := range users {
		if before := tx.users[users[i].ID]; models.EmailKey(before.Email) != models.EmailKey(users[i].Email) {
			leaving = append(leaving, before.ID)
		}
	}
	if len(leaving) < 2 {
		return nil
	}
	return eachSome(leaving, func(some []int64) error {
		st := &statement{dialect: &tx.store.dialect}
		st.say("UPDATE users SET email_key = ", tx.store.dialect.parked, " WHERE ")
		st.dialect.among(st, some)
		return tx.run(st)
	})
}

// distinct returns the values in order, each once.
func distinct[T cmp.Ordered](values []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(values)))
}

// eachSome calls do with as many values as one statement takes at a time.
func eachSome[T any](values []T, do func(some []T) error) error {
	for len(values) > 0 {
		n := min(len(values), mostTogether)
		if err := do(values[:n]); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// replaceEach writes users one by one.
func replaceEach(tx *transaction, users []models.User) error {
	for i := range users {
		if err := tx.update(&users[i]); err != nil {
			return err
		}
	}
	return nil
}

// insertTogether writes users by statements with many rows: each statement is a trip to the engine, and in
// SQLite one more piece of the index of texts.
func insertTogether(tx *transaction, users []models.User) error {
	return eachSome(users, func(some []models.User) error {
		st := &statement{dialect: &tx.store.dialect}
		st.say("INSERT INTO users (id, ", stored, ") VALUES ")
		for i := range some {
			if i > 0 {
				st.say(", ")
			}
			st.list(append([]any{some[i].ID}, values(&some[i])...))
		}
		return tx.run(st)
	})
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
