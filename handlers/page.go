package handlers

import (
	"context"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/gin-gonic/gin"

	"userapi/models"
)

// UserPage is one page of the list.
type UserPage struct {
	// Users in the order that was asked for; never null.
	Items []models.User `json:"items" validate:"max=1000"`
	// The number of all users that the filter lets through; there when include_total asks for it.
	Total int64 `json:"total,omitempty" example:"3" minimum:"0"`
	// Where the page after this one begins; null exactly when nothing follows.
	NextCursor *string `json:"next_cursor" extensions:"x-nullable" maxLength:"1024" example:"pHzSkmQ2XqB5cV0nYw7uTg"`
	// Where the page before this one begins; null exactly when nothing precedes.
	PrevCursor *string `json:"prev_cursor" extensions:"x-nullable" maxLength:"1024" example:"f3VwYt8JrL1oKdG6sAeZ9Q"`
} // @name UserPage

// rooms is a pool of memory for the users of pages.
type rooms struct{ pool sync.Pool }

func (r *rooms) get() *[]models.User {
	if room, ok := r.pool.Get().(*[]models.User); ok {
		return room
	}
	return new([]models.User)
}

// put takes memory back whose users nobody reads any more. It forgets them, so that none outlives its
// deletion here.
func (r *rooms) put(room *[]models.User) {
	clear(*room)
	r.pool.Put(room)
}

// lane lets as many long lists be made at a time as leave one processor to all that is short: a
// goroutine that computes keeps its processor for up to ten milliseconds, and a write that comes in
// meanwhile would wait that long. A lane without places has no bound.
type lane chan struct{}

// longPage is up to how many users a page by plain rules is short.
const longPage = 100

func newLane() lane {
	return make(lane, max(1, runtime.GOMAXPROCS(0)-1))
}

// enter waits for a place, if the list is a long one, and returns what gives it back.
func (l lane) enter(ctx context.Context, query *models.Query) (leave func(), err error) {
	short := query.Limit <= longPage && query.Filter.Search == "" && (!query.WithTotal || query.Filter.IsZero())
	if short || l == nil {
		return func() {}, nil
	}
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// makePage puts the page that is asked for into the body, with its cursors, and its links and total
// into the header. To send it is not part of it: a client that reads slowly holds nobody up.
func (h *users) makePage(c *gin.Context, asked *parameters, query *models.Query, body *[]byte) error {
	ctx := c.Request.Context()
	leave, err := h.lane.enter(ctx, query)
	if err != nil {
		return err
	}
	defer leave()
	room := h.rooms.get()
	defer h.rooms.put(room)
	query.Room = *room
	page, err := h.service.List(ctx, *query)
	if err != nil {
		return err
	}
	*room = page.Users

	next, prev := h.edges(query, &page)
	header := c.Writer.Header()
	header["Link"] = []string{links(c.FullPath(), asked, query.Limit, next, prev)}
	dst := slices.Grow((*body)[:0], len(page.Users)*octetsPerResult)
	dst = models.AppendUsers(append(dst, `{"items":`...), page.Users)
	if query.WithTotal {
		header["X-Total-Count"] = []string{strconv.FormatInt(page.Total, 10)}
		dst = strconv.AppendInt(append(dst, `,"total":`...), page.Total, 10)
	}
	dst = appendCursor(append(dst, `,"next_cursor":`...), next)
	dst = appendCursor(append(dst, `,"prev_cursor":`...), prev)
	dst = append(dst, '}')
	*body = dst
	return nil
}

// edges returns the cursors on both sides of a page; one is empty when nothing lies beyond it.
func (h *users) edges(query *models.Query, page *models.Page) (next, prev string) {
	if !page.More && !page.Before {
		return "", ""
	}
	list := listing(query)
	if page.More {
		at := after(query, page.Users)
		next = h.cursors.seal(&at, query.Order, list)
	}
	if page.Before {
		at := before(query, page.Users)
		prev = h.cursors.seal(&at, query.Order, list)
	}
	return next, prev
}

// after returns where the page behind these users begins.
func after(query *models.Query, users []models.User) models.Position {
	if n := len(users); n > 0 {
		return models.Position{At: users[n-1]}
	}
	at := emptied(query)
	at.Backward = false
	return at
}

// before returns where the page before these users ends.
func before(query *models.Query, users []models.User) models.Position {
	if len(users) > 0 {
		return models.Position{At: users[0], Backward: true}
	}
	at := emptied(query)
	at.Backward = true
	return at
}

// emptied returns where an empty page lies. One that a walk led to lies at the place where it was
// asked for, whose user, should there be one, is on the side that the page did not look at; one past
// the end, where skip leads to, lies at that end.
func emptied(query *models.Query) models.Position {
	at := query.Position
	at.Inclusive = at.At.ID != 0
	return at
}

// links returns the value of the Link header (RFC 8288) of a list at the path. Every link has the
// parameters that were asked for, but for those that say where the page is. They are encoded anew,
// so that no character of theirs can end a link.
func links(path string, asked *parameters, limit int, next, prev string) string {
	value := make([]byte, 0, 256)
	value = append(append(append(value, '<'), path...), "?limit="...)
	value = strconv.AppendInt(value, int64(limit), 10)
	kept := asked.given &^ (1<<limitAt | 1<<skipAt | 1<<cursorAt)
	for at := 0; kept>>at != 0; at++ {
		if kept>>at&1 != 0 {
			value = append(append(append(value, '&'), asked.known[at]...), '=')
			value = append(value, url.QueryEscape(asked.values[at])...)
		}
	}
	target := value
	value = append(value, `>; rel="first"`...)
	link := func(relation, cursor string) {
		value = append(append(append(append(value, ", "...), target...), "&cursor="...), cursor...)
		value = append(append(append(value, `>; rel="`...), relation...), '"')
	}
	if next != "" {
		link("next", next)
	}
	if prev != "" {
		link("prev", prev)
	}
	return string(value)
}

func appendCursor(dst []byte, cursor string) []byte {
	if cursor == "" {
		return append(dst, "null"...)
	}
	dst = append(append(dst, '"'), cursor...)
	return append(dst, '"')
}
