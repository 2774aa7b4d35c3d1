package repotest

import (
	"github.com/anishathalye/porcupine"

	"userapi/models"
)

// state is all that a sequential store knows: who has each address.
type state [historyAddresses]holder

// sequential is the model against which a history is judged: a store that serves one call at a time.
func sequential() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(before, input, output any) (bool, any) {
			return before.(state).step(input.(operation), output.(outcome))
		},
	}
}

// step says whether the store could give this answer in this state, and in which state it is then.
func (st state) step(in operation, out outcome) (bool, state) {
	if in.method == List {
		return out.err == nil && out.holders == st, st
	}
	if in.method == Create {
		return st.create(in, out)
	}
	at := st.find(in.id)
	if at < 0 {
		return out == outcome{err: models.ErrUserNotFound}, st
	}
	switch in.method {
	case Get:
		return out == outcome{user: st[at], address: at}, st
	case Update:
		return st.update(at, in, out)
	case Delete:
		if in.check(st[at].version) != nil {
			return out == outcome{err: errStale}, st
		}
		st[at] = holder{}
		return out == outcome{}, st
	case Batch:
		return st.exchange(at, st.find(in.other), out)
	default:
		return false, st
	}
}

// create takes any new id: whether ids grow is judged on the history itself.
func (st state) create(in operation, out outcome) (bool, state) {
	if st[in.address].id != 0 {
		return out == outcome{err: models.ErrEmailTaken}, st
	}
	st[in.address] = holder{out.user.id, 1}
	return out == outcome{user: st[in.address], address: in.address}, st
}

func (st state) update(at int, in operation, out outcome) (bool, state) {
	old := st[at]
	if in.check(old.version) != nil {
		return out == outcome{err: errStale}, st
	}
	to := at
	if in.moves {
		to = in.address
	}
	if to != at && st[to].id != 0 {
		return out == outcome{err: models.ErrEmailTaken}, st
	}
	st[at] = holder{}
	st[to] = holder{old.id, old.version + 1}
	return out == outcome{user: st[to], address: to}, st
}

// exchange lets the users at two addresses, of which the second may be none, exchange them.
func (st state) exchange(at, other int, out outcome) (bool, state) {
	if other < 0 {
		return out == outcome{err: models.ErrUserNotFound}, st
	}
	a, b := st[at], st[other]
	var changed state
	changed[at], changed[other] = holder{b.id, b.version + 1}, holder{a.id, a.version + 1}
	st[at], st[other] = changed[at], changed[other]
	return out == outcome{holders: changed}, st
}

// find returns the address of the user with this id, or -1.
func (st state) find(id int64) int {
	for address, user := range st {
		if id != 0 && user.id == id {
			return address
		}
	}
	return -1
}
