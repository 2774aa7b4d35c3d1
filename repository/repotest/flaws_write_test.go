package repotest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/repotest"
)

func createFlaws() []flaw {
	storing := func(spoil func(*models.User)) func() repository.UserRepository {
		return breaking(func(b *broken, good *sketch) {
			b.create = func(ctx context.Context, user models.User) (models.User, error) {
				spoil(&user)
				return good.Create(ctx, user)
			}
		})
	}
	unaccented := strings.NewReplacer("\u00e9", "e", "\u00ea", "e", "\u00f6", "o").Replace
	stores := "Create stores every member as given"
	return []flaw{
		{"cuts times to milliseconds", storing(func(u *models.User) { u.CreatedAt -= u.CreatedAt % 1000 }), []string{stores}},
		{"cuts names at a hundred bytes", storing(func(u *models.User) { u.Name = u.Name[:min(100, len(u.Name))] }), []string{stores}},
		{"lower-cases addresses", storing(func(u *models.User) { u.Email = strings.ToLower(u.Email) }), []string{stores}},
		{"makes an unknown age one year", storing(func(u *models.User) { u.Age = max(1, u.Age) }), []string{stores}},
		{
			"counts ids from 0",
			sketched(func(s *sketch) { s.lastID = -1 }),
			[]string{"Create gives ids that start at 1 and grow"},
		},
		{
			"takes the id from the argument",
			sketched(func(s *sketch) {
				s.nextID = func(s *sketch, given models.User) int64 {
					if given.ID != 0 {
						return given.ID
					}
					return s.lastID + 1
				}
			}),
			[]string{"Create ignores the id of its argument"},
		},
		{
			"gives the id of the newest again after its delete",
			sketched(func(s *sketch) {
				s.nextID = func(s *sketch, _ models.User) int64 {
					next := int64(1)
					for _, user := range s.users {
						next = max(next, user.ID+1)
					}
					return next
				}
			}),
			[]string{"Create never gives an id twice"},
		},
		{
			"compares addresses as they are",
			sketched(func(s *sketch) { s.key = func(email string) string { return email } }),
			[]string{
				"Create refuses a taken address in any form", "Update refuses a taken address and writes nothing",
				"Of a thousand parallel creators one gets the address",
			},
		},
		{
			"compares addresses in lower case",
			sketched(func(s *sketch) { s.key = strings.ToLower }),
			[]string{"Create refuses a taken address in any form"},
		},
		{
			"folds accents, as some collations do",
			sketched(func(s *sketch) {
				s.key = func(email string) string { return unaccented(models.EmailKey(email)) }
			}),
			[]string{"Create tells different addresses apart"},
		},
	}
}

func updateFlaws() []flaw {
	refusing := "Update returns the error of change as it is and writes nothing"
	return []flaw{
		{"gives change the user as it was at first", updating(remembersFirst), []string{"Update stores what change makes of the user as it is now"}},
		{
			"lets change move id and time of creation",
			sketched(func(s *sketch) { s.keep = func(_, changed models.User) models.User { return changed } }),
			[]string{"Update keeps the id and the time of creation"},
		},
		{
			"wraps the error of change",
			updating(func(good *sketch) func(context.Context, int64, change) (models.User, error) {
				return func(ctx context.Context, id int64, change change) (models.User, error) {
					user, err := good.Update(ctx, id, change)
					if err != nil {
						err = fmt.Errorf("update: %w", err)
					}
					return user, err
				}
			}),
			[]string{refusing},
		},
		{"writes although change refuses", updating(writesRefused), []string{refusing}},
		{
			"counts an update that changes nothing",
			updating(func(good *sketch) func(context.Context, int64, change) (models.User, error) {
				return func(ctx context.Context, id int64, change change) (models.User, error) {
					return good.Update(ctx, id, func(user models.User) (models.User, error) {
						changed, err := change(user)
						if changed == user {
							changed.Version++
						}
						return changed, err
					})
				}
			}),
			[]string{"Update writes nothing when nothing changes"},
		},
		{"writes the rest when the address is taken", updating(writesTheRest), []string{"Update refuses a taken address and writes nothing"}},
		{"clashes with itself", updating(clashesWithItself), []string{"Update takes the user's own address in another form"}},
		{"keeps the address that Update replaces", haunted(true, false), []string{"Update frees the address that it replaces"}},
		{"stays locked after a panic of change", updating(staysLocked), []string{"Update survives a panic of change"}},
	}
}

func remembersFirst(good *sketch) func(context.Context, int64, change) (models.User, error) {
	first := make(map[int64]models.User)
	return func(ctx context.Context, id int64, change change) (models.User, error) {
		return good.Update(ctx, id, func(user models.User) (models.User, error) {
			if _, ok := first[id]; !ok {
				first[id] = user
			}
			return change(first[id])
		})
	}
}

func writesRefused(good *sketch) func(context.Context, int64, change) (models.User, error) {
	return func(ctx context.Context, id int64, change change) (models.User, error) {
		var refusal error
		user, err := good.Update(ctx, id, func(user models.User) (changed models.User, _ error) {
			changed, refusal = change(user)
			return changed, nil
		})
		return user, errors.Join(err, refusal)
	}
}

func writesTheRest(good *sketch) func(context.Context, int64, change) (models.User, error) {
	return func(ctx context.Context, id int64, change change) (models.User, error) {
		user, err := good.Update(ctx, id, change)
		if errors.Is(err, models.ErrEmailTaken) {
			_, _ = good.Update(ctx, id, func(user models.User) (models.User, error) {
				changed, err := change(user)
				changed.Email = user.Email
				return changed, err
			})
		}
		return user, err
	}
}

func clashesWithItself(good *sketch) func(context.Context, int64, change) (models.User, error) {
	return func(ctx context.Context, id int64, change change) (models.User, error) {
		return good.Update(ctx, id, func(user models.User) (models.User, error) {
			changed, err := change(user)
			if err == nil && changed.Email != user.Email && models.EmailKey(changed.Email) == models.EmailKey(user.Email) {
				err = models.ErrEmailTaken
			}
			return changed, err
		})
	}
}

// staysLocked is a store whose lock times out, so that the rule need not wait for ever.
func staysLocked(good *sketch) func(context.Context, int64, change) (models.User, error) {
	var mu sync.Mutex
	return func(ctx context.Context, id int64, change change) (models.User, error) {
		if !mu.TryLock() {
			return models.User{}, models.ErrUnavailable.Because(errors.New("lock wait timeout"))
		}
		user, err := good.Update(ctx, id, change)
		mu.Unlock()
		return user, err
	}
}

// removing returns the maker of a store whose Delete is what replace makes of a correct one.
func removing(replace func(good *sketch) func(context.Context, int64, allow) error) func() repository.UserRepository {
	return breaking(func(b *broken, good *sketch) { b.remove = replace(good) })
}

func deleteFlaws() []flaw {
	refusing := "Delete returns the error of allow as it is and removes nothing"
	return []flaw{
		{
			"returns an empty user for an absent id",
			breaking(func(b *broken, good *sketch) {
				b.get = func(ctx context.Context, id int64) (models.User, error) {
					user, err := good.Get(ctx, id)
					if errors.Is(err, models.ErrUserNotFound) {
						err = nil
					}
					return user, err
				}
			}),
			[]string{"An id that is not there is ErrUserNotFound", "Delete removes one user for good"},
		},
		{
			"reports every delete as done",
			breaking(func(b *broken, good *sketch) {
				b.remove = func(ctx context.Context, id int64, allow allow) error {
					if err := good.Delete(ctx, id, allow); !errors.Is(err, models.ErrUserNotFound) {
						return err
					}
					return nil
				}
			}),
			[]string{"An id that is not there is ErrUserNotFound", "Of parallel deletes of one user one succeeds"},
		},
		{"lists deleted users", breaking(listsDeleted), []string{"Delete removes one user for good"}},
		{"keeps the address of a deleted user", haunted(false, true), []string{"Delete frees the address at once"}},
		{
			"asks allow about the user as it was at first", removing(asksFirst),
			[]string{"Delete asks allow about the user as it is now"},
		},
		{
			"does not ask allow",
			removing(func(good *sketch) func(context.Context, int64, allow) error {
				return func(ctx context.Context, id int64, _ allow) error { return good.Delete(ctx, id, nil) }
			}),
			[]string{
				"Delete asks allow about the user as it is now", refusing,
				"A conditional delete never removes a newer version",
			},
		},
		{
			"wraps the error of allow",
			removing(func(good *sketch) func(context.Context, int64, allow) error {
				return func(ctx context.Context, id int64, allow allow) error {
					if err := good.Delete(ctx, id, allow); err != nil {
						return fmt.Errorf("delete: %w", err)
					}
					return nil
				}
			}),
			[]string{refusing},
		},
		{
			"deletes although the client went away",
			removing(func(good *sketch) func(context.Context, int64, allow) error {
				return func(ctx context.Context, id int64, allow allow) error {
					return errors.Join(good.Delete(context.WithoutCancel(ctx), id, allow), ctx.Err())
				}
			}),
			[]string{"A context cancelled in change, allow or decide writes nothing"},
		},
		{
			"stays locked after a panic of allow",
			removing(func(good *sketch) func(context.Context, int64, allow) error {
				var mu sync.Mutex
				return func(ctx context.Context, id int64, allow allow) error {
					if !mu.TryLock() {
						return models.ErrUnavailable.Because(errors.New("lock wait timeout"))
					}
					err := good.Delete(ctx, id, allow)
					mu.Unlock()
					return err
				}
			}),
			[]string{"Delete survives a panic of allow"},
		},
	}
}

func asksFirst(good *sketch) func(context.Context, int64, allow) error {
	return func(ctx context.Context, id int64, allow allow) error {
		return good.Delete(ctx, id, func(user models.User) error {
			if allow == nil {
				return nil
			}
			user.Name, user.Version = repotest.Sample(int(id)).Name, 1
			return allow(user)
		})
	}
}

func listsDeleted(b *broken, good *sketch) {
	gone := make(map[int64]bool)
	b.remove = func(ctx context.Context, id int64, _ allow) error {
		if gone[id] {
			return models.ErrUserNotFound
		}
		gone[id] = true
		return ctx.Err()
	}
	b.get = func(ctx context.Context, id int64) (models.User, error) {
		if gone[id] {
			return models.User{}, models.ErrUserNotFound
		}
		return good.Get(ctx, id)
	}
}
