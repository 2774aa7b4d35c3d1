package handlers

import (
	"net/http"
	"net/url"
	"strconv"

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

// writePage answers with a page, its cursors, its links and its total.
func (h *users) writePage(c *gin.Context, asked *parameters, query *models.Query, page *models.Page) {
	next, prev := h.edges(query, page)
	header := c.Writer.Header()
	header["Link"] = []string{links(c.FullPath(), asked, query.Limit, next, prev)}

	buffer := h.buffers.get()
	body := models.AppendUsers(append((*buffer)[:0], `{"items":`...), page.Users)
	if query.WithTotal {
		header["X-Total-Count"] = []string{strconv.FormatInt(page.Total, 10)}
		body = strconv.AppendInt(append(body, `,"total":`...), page.Total, 10)
	}
	body = appendCursor(append(body, `,"next_cursor":`...), next)
	body = appendCursor(append(body, `,"prev_cursor":`...), prev)
	body = append(body, '}')
	writeJSON(c, http.StatusOK, body)
	*buffer = body
	h.buffers.put(buffer)
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
