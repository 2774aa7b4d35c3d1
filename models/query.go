package models

// The bounds of a page (contract 4).
const (
	DefaultLimit = 50
	MaxLimit     = 1000
)

// Query says which page of the users is asked for. Users stand in the order of their id.
type Query struct {
	// Limit is the largest number of users in the page, 1 to MaxLimit.
	Limit int
	// Skip is how many users to pass over from the start; it is zero when Position is set.
	Skip int64
	// Position is where a walk goes on; nil starts at the first user.
	Position *Position
	// WithTotal asks for Page.Total.
	WithTotal bool
}

// Position is a place between two users of a walk. It stays meaningful when the user that it names
// is gone.
type Position struct {
	// ID is that of the user on whose far side the page begins.
	ID int64
	// Backward asks for the users before ID, nearest last, instead of those after it.
	Backward bool
}

// Page is one page of a list.
type Page struct {
	// Users is owned by the caller.
	Users []User
	// More and Before say whether any user follows and precedes the page.
	More, Before bool
	// Total is the number of all users that the query matches, when it was asked for.
	Total int64
}
