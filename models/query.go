package models

// The bounds of a page (contract 4).
const (
	DefaultLimit = 50
	MaxLimit     = 1000
)

// Query says which page of which users is asked for, and in which order.
type Query struct {
	Filter Filter
	// Order is in its normal form.
	Order Order
	// Limit is the largest number of users in the page, 1 to MaxLimit.
	Limit int
	// Skip is how many of the users that the filter lets through to pass over from the start; it is
	// zero when Position is not.
	Skip int64
	// Position is where a walk goes on; the zero Position is the start of the list.
	Position Position
	// WithTotal asks for Page.Total.
	WithTotal bool
	// Room is memory that the store may use for Page.Users, to spare the garbage collector; nil lets
	// it find its own. What stands in it is lost.
	Room []User
}

// NewPage returns a page without users, and with room for as many.
func (q *Query) NewPage(users int) Page {
	if q.Room != nil && cap(q.Room) >= users {
		return Page{Users: q.Room[:0]}
	}
	return Page{Users: make([]User, 0, users)}
}

// Position is a place in an ordered list, beside a user who may be gone or changed meanwhile: it
// holds the values by which that user stood where it did.
type Position struct {
	// At has the id and those members that are keys of the order. Without an id the place is that
	// end of the list from which the page goes inward.
	At User
	// Inclusive lets the user at the place itself into the page.
	Inclusive bool
	// Backward asks for the users before the place, nearest last, instead of those behind it.
	Backward bool
}

// Admits says whether a user stands on the side of the place that the page is on.
func (p *Position) Admits(order Order, user *User) bool {
	if p.At.ID == 0 {
		return true
	}
	c := order.Compare(user, &p.At)
	switch {
	case c == 0:
		return p.Inclusive
	case p.Backward:
		return c < 0
	}
	return c > 0
}

// Page is one page of a list.
type Page struct {
	// Users is owned by the caller and never nil.
	Users []User
	// More and Before say whether any user that the filter lets through follows and precedes the
	// page.
	More, Before bool
	// Total is the number of all users that the filter lets through, when it was asked for.
	Total int64
}
