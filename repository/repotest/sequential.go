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
		st[at] = holder{}
		return out == outcome{}, st
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
	if in.version != 0 && in.version != old.version {
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

// find returns the address of the user with this id, or -1.
func (st state) find(id int64) int {
	for address, user := range st {
		if id != 0 && user.id == id {
			return address
		}
	}
	return -1
}
