package sql

import (
	"context"
	"database/sql"
	"errors"

	"userapi/models"
)

// columns are those of a user, in the order in which they are read.
const columns = "id, name, email, age, created_at, updated_at, version"

// readUser reads the columns of a user behind others.
func readUser(row scanner, user *models.User, before ...any) error {
	return row.Scan(append(before, &user.ID, &user.Name, &user.Email, &user.Age, &user.CreatedAt, &user.UpdatedAt, &user.Version)...)
}

// values returns what is stored of a user: the columns without the id, and the folded texts.
func values(user *models.User) []any {
	return []any{
		user.Name, user.Email, int64(user.Age), int64(user.CreatedAt), int64(user.UpdatedAt), user.Version,
		models.FoldName(user.Name), models.FoldName(user.Email), models.EmailKey(user.Email),
	}
}

// stored names the columns of values.
const stored = "name, email, age, created_at, updated_at, version, name_fold, email_fold, email_key"

// Create implements repository.UserRepository.
func (s *Store) Create(ctx context.Context, user models.User) (models.User, error) {
	if s.dialect.returning {
		err := s.through(ctx, &s.write, func(ctx context.Context) error {
			return s.onDuplicate(s.write.row(ctx, s.dialect.insertUser, values(&user)...).Scan(&user.ID))
		})
		if err != nil {
			return models.User{}, err
		}
		return user, nil
	}
	err := s.transact(ctx, func(tx *transaction) error {
		ids, err := tx.newIDs(1)
		if err != nil {
			return err
		}
		user.ID = ids[0]
		_, err = tx.exec(s.dialect.insertUser, append([]any{user.ID}, values(&user)...)...)
		return s.onDuplicate(err)
	})
	if err != nil {
		return models.User{}, err
	}
	return user, nil
}

// onDuplicate says what a value that is there already means to whoever writes users: the ids are the
// store's own, so it is the address.
func (s *Store) onDuplicate(err error) error {
	if err != nil && s.dialect.judge(err) == duplicate {
		return models.ErrEmailTaken
	}
	return err
}

// Get implements repository.UserRepository.
func (s *Store) Get(ctx context.Context, id int64) (models.User, error) {
	var user models.User
	err := s.reads(ctx, func(ctx context.Context) error {
		if s.dialect.inside {
			// A row by its key is there before anybody could stop the search for it, and what would watch
			// for that, in database/sql and in the driver, costs more than the search.
			ctx = context.WithoutCancel(ctx)
		}
		return absent(readUser(s.read.row(ctx, s.dialect.selectUser, id), &user))
	})
	if err != nil {
		return models.User{}, err
	}
	return user, nil
}

// absent turns an answer without rows into models.ErrUserNotFound.
func absent(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return models.ErrUserNotFound
	}
	return err
}

// Update implements repository.UserRepository. It locks the user's row while change decides.
func (s *Store) Update(ctx context.Context, id int64, change func(models.User) (models.User, error)) (models.User, error) {
	var changed models.User
	err := s.transact(ctx, func(tx *transaction) error {
		old, err := tx.locked(id)
		if err != nil {
			return err
		}
		if changed, err = change(old); err != nil {
			return refusal{err}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		changed.ID, changed.CreatedAt = old.ID, old.CreatedAt
		if changed == old {
			return nil
		}
		return tx.update(&changed)
	})
	if err != nil {
		return models.User{}, err
	}
	return changed, nil
}

// Delete implements repository.UserRepository.
func (s *Store) Delete(ctx context.Context, id int64, allow func(models.User) error) error {
	return s.transact(ctx, func(tx *transaction) error {
		user, err := tx.locked(id)
		if err != nil {
			return err
		}
		if allow != nil {
			if err := allow(user); err != nil {
				return refusal{err}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		_, err = tx.exec(s.dialect.deleteUser, id)
		return err
	})
}
