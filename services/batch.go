package services

import (
	"context"
	"errors"
	"slices"

	"userapi/models"
	"userapi/repository"
)

// errNotKept ends a batch whose changes are not wanted. It never leaves this package.
var errNotKept = errors.New("the batch is not kept")

// Batch runs the operations and returns the result of each, in order. An atomic batch of which one
// result is an error has changed nothing, and so has a dry run. An error besides the results says
// that nothing is known of them.
//
// Independent operations run by themselves, but what they change is written in one step too: a store
// commits once instead of a thousand times, and the answer that is kept for a retry can be part of it.
func (s *Users) Batch(ctx context.Context, batch models.Batch) ([]models.Result, error) {
	var results []models.Result
	var kept *repository.Kept
	err := s.users.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
		d := newDraft(s, tx, &batch)
		err := d.expect(batch.Operations)
		if err != nil {
			return repository.Changes{}, err
		}
		if results, err = d.run(ctx, batch.Operations); err != nil {
			return repository.Changes{}, err
		}
		if batch.DryRun || !batch.Independent && slices.ContainsFunc(results, failed) {
			return repository.Changes{}, errNotKept
		}
		changes := d.changes()
		kept = keepAnswer(batch.Keep, results)
		changes.Kept = kept
		return changes, nil
	})
	switch {
	case err == nil && kept != nil:
		batch.Keep.Kept = true
	case errors.Is(err, errNotKept):
		return results, nil
	case errors.Is(err, models.ErrEmailTaken):
		// The draft saw no clash, and again and again another writer was quicker.
		return nil, models.ErrUnavailable.Because(err)
	case err != nil:
		return nil, err
	}
	return results, nil
}

func failed(result models.Result) bool { return result.Err != nil }

// keepAnswer returns the answer to keep, or nil when none is wanted.
func keepAnswer(keep *models.Keep, results []models.Result) *repository.Kept {
	if keep == nil {
		return nil
	}
	answer, wanted := keep.Answer(results)
	if !wanted {
		return nil
	}
	return &repository.Kept{Key: keep.Key, Fingerprint: keep.Fingerprint, Answer: answer}
}

// draft is what the operations of a batch make of the users that they touch, while the store stays
// as it was.
type draft struct {
	service *Users
	tx      repository.Tx
	users   map[int64]*drafted
	// touched holds them in the order in which they were first touched. It has room for all, so that
	// pointers into it stay good.
	touched []drafted
	// strict judges addresses at each operation, as when each runs by itself; otherwise they are
	// judged at the end.
	strict bool
	// owners is, when strict, who has an address, where that differs from the store; zero is nobody.
	owners map[string]int64
}

func newDraft(s *Users, tx repository.Tx, batch *models.Batch) *draft {
	most := len(batch.Operations)
	return &draft{
		service: s, tx: tx, strict: batch.Independent,
		users: make(map[int64]*drafted, most), touched: make([]drafted, 0, most),
	}
}

// drafted is one user that a batch has touched.
type drafted struct {
	before, now models.User // before is without an id when the batch creates the user
	gone        bool
	// addressed is the index of the operation that gave the address, or -1 when none did.
	addressed int
}

// expect tells the store what the operations are about to ask for.
func (d *draft) expect(operations []models.Operation) error {
	var ids []int64
	var keys []string
	newcomers := 0
	for i := range operations {
		op := &operations[i]
		if op.Err != nil {
			continue
		}
		if op.Op == models.OpCreate {
			newcomers++
		} else {
			ids = append(ids, op.ID)
		}
		if op.Op == models.OpCreate || op.Op == models.OpUpdate || op.Op == models.OpPatch && op.Patch.Email {
			keys = append(keys, models.EmailKey(op.Patch.Input.Email))
		}
	}
	return d.tx.Expect(ids, keys, newcomers)
}

// run returns the results of the operations.
func (d *draft) run(ctx context.Context, operations []models.Operation) ([]models.Result, error) {
	results := make([]models.Result, len(operations))
	for i := range operations {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var err error
		if operations[i].Err != nil {
			err = operations[i].Err
		} else {
			results[i].User, err = d.apply(i, &operations[i])
		}
		if known := models.AsError(err); isOutcome(known) {
			results[i].Err = known
		} else if err != nil {
			return nil, err
		}
	}
	if d.strict {
		return results, nil
	}
	return results, d.judgeAddresses(results)
}

// isOutcome tells what fails one operation from what fails the batch.
func isOutcome(err *models.Error) bool {
	return err != nil && err.Kind != models.KindInternal && err.Kind != models.KindUnavailable
}

func (d *draft) apply(index int, op *models.Operation) (models.User, error) {
	if op.Op == models.OpCreate {
		return d.create(index, op)
	}
	user, err := d.touch(op.ID)
	if err != nil {
		return models.User{}, err
	}
	if err := op.Match.Check(user.now.Version); err != nil {
		return models.User{}, err
	}
	if op.Op == models.OpDelete {
		user.gone = true
		d.give(models.EmailKey(user.now.Email), 0)
		return models.User{ID: op.ID}, nil
	}
	changed := op.Patch.Input.Apply(user.now)
	if op.Op == models.OpPatch {
		changed = op.Patch.Apply(user.now)
	}
	if changed.Email != user.now.Email {
		oldKey, newKey := models.EmailKey(user.now.Email), models.EmailKey(changed.Email)
		if oldKey != newKey {
			if err := d.vacant(newKey); err != nil {
				return models.User{}, err
			}
			d.give(oldKey, 0)
			d.give(newKey, op.ID)
			user.addressed = index
		}
	}
	user.now = d.service.revise(user.now, changed)
	return user.now, nil
}

func (d *draft) create(index int, op *models.Operation) (models.User, error) {
	created := d.service.newUser(&op.Patch.Input)
	key := models.EmailKey(created.Email)
	if err := d.vacant(key); err != nil {
		return models.User{}, err
	}
	id, err := d.tx.NextID()
	if err != nil {
		return models.User{}, err
	}
	created.ID = id
	d.give(key, id)
	d.add(drafted{now: created, addressed: index})
	return created, nil
}

// touch returns a user as the operations before have left it, or models.ErrUserNotFound.
func (d *draft) touch(id int64) (*drafted, error) {
	if user := d.users[id]; user != nil {
		if user.gone {
			return nil, models.ErrUserNotFound
		}
		return user, nil
	}
	stored, err := d.tx.Get(id)
	if err != nil {
		return nil, err
	}
	return d.add(drafted{before: stored, now: stored, addressed: -1}), nil
}

func (d *draft) add(user drafted) *drafted {
	d.touched = append(d.touched, user)
	added := &d.touched[len(d.touched)-1]
	d.users[user.now.ID] = added
	return added
}

// vacant says, when strict, whether an address is free.
func (d *draft) vacant(key string) error {
	if !d.strict {
		return nil
	}
	owner, known := d.owners[key]
	if !known {
		var err error
		if owner, err = d.owner(key); err != nil {
			return err
		}
	}
	if owner != 0 {
		return models.ErrEmailTaken
	}
	return nil
}

func (d *draft) give(key string, id int64) {
	if !d.strict {
		return
	}
	if d.owners == nil {
		d.owners = make(map[string]int64)
	}
	d.owners[key] = id
}

// owner returns who has an address in the store, or zero.
func (d *draft) owner(key string) (int64, error) {
	owner, err := d.tx.Owner(key)
	if errors.Is(err, models.ErrUserNotFound) {
		return 0, nil
	}
	return owner, err
}

// judgeAddresses fails the operations that gave a user an address that another user has in the end.
// Of several that were given one address, the first keeps it (contract 5).
func (d *draft) judgeAddresses(results []models.Result) error {
	var given []*drafted
	for i := range d.touched {
		if user := &d.touched[i]; !user.gone && user.addressed >= 0 {
			given = append(given, user)
		}
	}
	slices.SortFunc(given, func(a, b *drafted) int { return a.addressed - b.addressed })
	taken := make(map[string]bool, len(given))
	for _, user := range given {
		key := models.EmailKey(user.now.Email)
		owner, err := d.owner(key)
		if err != nil {
			return err
		}
		if taken[key] || owner != 0 && d.keeps(owner) {
			results[user.addressed] = models.Result{Err: models.ErrEmailTaken}
			continue
		}
		taken[key] = true
	}
	return nil
}

// keeps says whether a user of the store still has the address that it has there.
func (d *draft) keeps(id int64) bool {
	user := d.users[id]
	return user == nil || !user.gone && user.addressed < 0
}

// changes returns what the batch writes.
func (d *draft) changes() repository.Changes {
	var c repository.Changes
	for i := range d.touched {
		user := &d.touched[i]
		switch isNew := user.before.ID == 0; {
		case isNew && !user.gone:
			c.Create = append(c.Create, user.now)
		case isNew:
		case user.gone:
			c.Delete = append(c.Delete, user.now.ID)
		case user.now != user.before:
			c.Replace = append(c.Replace, user.now)
		}
	}
	return c
}
