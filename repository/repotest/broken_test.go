package repotest_test

import (
	"context"
	"errors"
	"slices"

	"userapi/models"
	"userapi/repository"
)

// flaw is a way in which stores are wrong, and the rules that notice.
type flaw struct {
	name     string
	make     func() repository.UserRepository
	caughtBy []string
}

func flaws() []flaw {
	return slices.Concat(
		createFlaws(), updateFlaws(), deleteFlaws(), batchFlaws(), listFlaws(), sortFlaws(), placeFlaws(), filterFlaws(),
		lifetimeFlaws(), raceFlaws(), batchRaceFlaws(),
	)
}

// sketched is a sketch of which a part is replaced.
func sketched(spoil func(*sketch)) func() repository.UserRepository {
	return func() repository.UserRepository {
		s := newSketch()
		spoil(s)
		return s
	}
}

// broken is a correct store of which methods are replaced.
type broken struct {
	*sketch
	create func(ctx context.Context, user models.User) (models.User, error)
	get    func(ctx context.Context, id int64) (models.User, error)
	list   func(ctx context.Context, query models.Query) (models.Page, error)
	update func(ctx context.Context, id int64, change func(models.User) (models.User, error)) (models.User, error)
	remove func(ctx context.Context, id int64, allow allow) error
	batch  func(ctx context.Context, decide decide) error
	ping   func(ctx context.Context) error
	close  func() error
}

// breaking returns the maker of a store of which replace replaces methods; good is the store before.
func breaking(replace func(b *broken, good *sketch)) func() repository.UserRepository {
	return func() repository.UserRepository {
		good := newSketch()
		b := &broken{
			sketch: good, create: good.Create, get: good.Get, list: good.List,
			update: good.Update, remove: good.Delete, batch: good.Batch, ping: good.Ping, close: good.Close,
		}
		replace(b, good)
		return b
	}
}

func (b *broken) Create(ctx context.Context, user models.User) (models.User, error) {
	return b.create(ctx, user)
}

func (b *broken) Get(ctx context.Context, id int64) (models.User, error) { return b.get(ctx, id) }

func (b *broken) List(ctx context.Context, query models.Query) (models.Page, error) {
	return b.list(ctx, query)
}

func (b *broken) Update(
	ctx context.Context, id int64, change func(models.User) (models.User, error),
) (models.User, error) {
	return b.update(ctx, id, change)
}

func (b *broken) Delete(ctx context.Context, id int64, allow func(models.User) error) error {
	return b.remove(ctx, id, allow)
}

func (b *broken) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	return b.batch(ctx, decide)
}

func (b *broken) Ping(ctx context.Context) error { return b.ping(ctx) }

func (b *broken) Close() error { return b.close() }

// errConflict makes a store ask again.
var errConflict = errors.New("could not serialise")

// askingTwice returns a correct store that calls change, allow and decide a second time, as one does
// whose first try met another writer.
func askingTwice() repository.UserRepository {
	return breaking(func(b *broken, good *sketch) {
		b.update = func(ctx context.Context, id int64, change change) (models.User, error) {
			_, err := good.Update(ctx, id, func(user models.User) (models.User, error) {
				if _, err := change(user); err != nil {
					return user, err
				}
				return user, errConflict
			})
			if !errors.Is(err, errConflict) {
				return models.User{}, err
			}
			return good.Update(ctx, id, change)
		}
		b.remove = func(ctx context.Context, id int64, allow allow) error {
			err := good.Delete(ctx, id, func(user models.User) error {
				if allow != nil {
					if err := allow(user); err != nil {
						return err
					}
				}
				return errConflict
			})
			if !errors.Is(err, errConflict) {
				return err
			}
			return good.Delete(ctx, id, allow)
		}
		b.batch = func(ctx context.Context, decide decide) error {
			err := good.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
				changes, err := decide(tx)
				if err != nil {
					return changes, err
				}
				return changes, errConflict
			})
			if !errors.Is(err, errConflict) {
				return err
			}
			return good.Batch(ctx, decide)
		}
	})()
}

// change, allow and decide are what Update, Delete and Batch take.
type (
	change = func(models.User) (models.User, error)
	allow  = func(models.User) error
	decide = func(tx repository.Tx) (repository.Changes, error)
)

// updating returns the maker of a store whose Update is what replace makes of a correct one.
func updating(replace func(good *sketch) func(context.Context, int64, change) (models.User, error)) func() repository.UserRepository {
	return breaking(func(b *broken, good *sketch) { b.update = replace(good) })
}

// listing returns the maker of a store whose pages are altered.
func listing(alter func(query models.Query, page *models.Page)) func() repository.UserRepository {
	return breaking(func(b *broken, good *sketch) {
		b.list = func(ctx context.Context, query models.Query) (models.Page, error) {
			page, err := good.List(ctx, query)
			alter(query, &page)
			return page, err
		}
	})
}

// asking returns the maker of a store that answers another query than it was asked.
func asking(alter func(good *sketch, query models.Query) models.Query) func() repository.UserRepository {
	return breaking(func(b *broken, good *sketch) {
		b.list = func(ctx context.Context, query models.Query) (models.Page, error) {
			return good.List(ctx, alter(good, query))
		}
	})
}

// haunted returns the maker of a store in which addresses stay taken after their time: those that
// Update replaces or those that Delete frees.
func haunted(byUpdate, byDelete bool) func() repository.UserRepository {
	return breaking(func(b *broken, good *sketch) {
		ghosts := make(map[string]bool)
		b.create = func(ctx context.Context, user models.User) (models.User, error) {
			if ghosts[models.EmailKey(user.Email)] {
				return models.User{}, models.ErrEmailTaken
			}
			return good.Create(ctx, user)
		}
		b.update = func(ctx context.Context, id int64, change change) (models.User, error) {
			old, _ := good.Get(ctx, id)
			user, err := good.Update(ctx, id, change)
			if byUpdate && models.EmailKey(user.Email) != models.EmailKey(old.Email) {
				ghosts[models.EmailKey(old.Email)] = true
			}
			return user, err
		}
		b.remove = func(ctx context.Context, id int64, allow allow) error {
			old, _ := good.Get(ctx, id)
			ghosts[models.EmailKey(old.Email)] = byDelete
			return good.Delete(ctx, id, allow)
		}
	})
}
