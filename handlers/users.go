package handlers

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/gin-gonic/gin/binding"

	"userapi/models"
)

// UserService is what the handlers of users need of the rules.
type UserService interface {
	Create(ctx context.Context, input models.UserInput) (models.User, error)
	Get(ctx context.Context, id int64) (models.User, error)
	List(ctx context.Context, query models.Query) (models.Page, error)
	Update(ctx context.Context, id int64, input models.UserInput) (models.User, error)
	Delete(ctx context.Context, id int64) error
}

// users serves the user records.
type users struct {
	service UserService
	body    binding.Binding
	cursors *cursors
	buffers buffers
}

// UserPage is one page of the list.
type UserPage struct {
	// Users in the order of their ids; never null.
	Items []models.User `json:"items" validate:"max=1000"`
	// The number of all users; there when include_total asks for it.
	Total int64 `json:"total,omitempty" example:"3" minimum:"0"`
	// Where the page after this one begins; null exactly when nothing follows.
	NextCursor *string `json:"next_cursor" extensions:"x-nullable" example:"pHzSkmQ2XqB5cV0nYw7uTg"`
	// Where the page before this one begins; null exactly when nothing precedes.
	PrevCursor *string `json:"prev_cursor" extensions:"x-nullable" example:"f3VwYt8JrL1oKdG6sAeZ9Q"`
} // @name UserPage

// create makes a user of the body.
//
//	@Summary		Create a user
//	@Description	Stores a new user under the next id and answers with it. White space around name and address is removed first.
//	@ID				createUser
//	@Tags			users
//	@Accept			json
//	@Produce		json
//	@Param			user	body		models.UserInput	true	"What to store"
//	@Success		201		{object}	models.User			"The user as stored"
//	@Header			201		{string}	Location			"The path of the user, under the prefix that was asked"
//	@Header			201		{string}	ETag				"The version of the user, quoted"
//	@Failure		400,408,409,413,415,422,500,503	{object}	problem.Problem	"The problem"
//	@Router			/users/ [post]
func (h *users) create(c *gin.Context) error {
	var input models.UserInput
	if err := c.ShouldBindWith(&input, h.body); err != nil {
		return err
	}
	user, err := h.service.Create(c.Request.Context(), input)
	if err != nil {
		return err
	}
	prefix := strings.TrimSuffix(c.FullPath(), "/")
	c.Writer.Header()["Location"] = []string{prefix + "/" + strconv.FormatInt(user.ID, 10)}
	h.writeUser(c, http.StatusCreated, &user)
	return nil
}

// get answers one user.
//
//	@Summary		Get a user
//	@Description	Answers with the user that has this id, and with its version as the ETag.
//	@ID				getUser
//	@Tags			users
//	@Produce		json
//	@Param			id	path		int			true	"The id of the user"	minimum(1)	format(int64)
//	@Success		200	{object}	models.User	"The user"
//	@Header			200	{string}	ETag		"The version of the user, quoted"
//	@Failure		404,422,500,503	{object}	problem.Problem	"The problem"
//	@Router			/users/{id} [get]
func (h *users) get(c *gin.Context) error {
	id, err := pathID(c.Param("id"))
	if err != nil {
		return err
	}
	user, err := h.service.Get(c.Request.Context(), id)
	if err != nil {
		return err
	}
	h.writeUser(c, http.StatusOK, &user)
	return nil
}

// list answers one page of the users, in the order of their ids.
//
//	@Summary		List users
//	@Description	Answers with one page of the users in the order of their ids. To read them all, follow next_cursor, or the Link header, until it is null; skip is for looking at a place.
//	@ID				listUsers
//	@Tags			users
//	@Produce		json
//	@Param			limit			query		int			false	"How many users the page has at most"	minimum(1)	maximum(1000)	default(50)
//	@Param			skip			query		int			false	"How many users to pass over from the start; not together with cursor"	minimum(0)	format(int64)
//	@Param			cursor			query		string		false	"Where the page begins: next_cursor or prev_cursor of another page"	maxlength(1024)
//	@Param			include_total	query		boolean		false	"Whether to count all users"	default(false)
//	@Success		200				{object}	UserPage	"The page"
//	@Header			200				{string}	Link		"The first, next and previous page (RFC 8288), as far as there is one"
//	@Failure		422,500,503		{object}	problem.Problem	"The problem"
//	@Router			/users/ [get]
func (h *users) list(c *gin.Context) error {
	query, err := h.listQuery(c.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := h.service.List(c.Request.Context(), query)
	if err != nil {
		return err
	}
	h.writePage(c, &query, &page)
	return nil
}

// listQuery reads what a list asks for.
func (h *users) listQuery(rawQuery string) (models.Query, error) {
	p := readParameters(rawQuery, "limit", "skip", "cursor", "include_total")
	query := models.Query{
		Limit:     int(p.integer("limit", models.DefaultLimit, 1, models.MaxLimit)),
		Skip:      p.integer("skip", 0, 0, math.MaxInt64),
		WithTotal: p.boolean("include_total"),
	}
	if cursor, ok := p.value("cursor"); ok {
		position, ours := h.cursors.open(cursor)
		if !ours {
			p.fault("cursor", "invalid_cursor", "is not a cursor of this list")
		}
		if _, both := p.value("skip"); both {
			p.fault("skip", "conflicting_parameters", "must not be given together with cursor")
		}
		query.Position = &position
	}
	return query, p.err()
}

// update replaces a user.
//
//	@Summary		Replace a user
//	@Description	Replaces everything that a client may set of the user: an absent age becomes null. A body that changes nothing leaves version and updated_at as they are.
//	@ID				replaceUser
//	@Tags			users
//	@Accept			json
//	@Produce		json
//	@Param			id		path		int					true	"The id of the user"	minimum(1)	format(int64)
//	@Param			user	body		models.UserInput	true	"What to store instead"
//	@Success		200		{object}	models.User			"The user as stored"
//	@Header			200		{string}	ETag				"The version of the user, quoted"
//	@Failure		400,404,408,409,413,415,422,500,503	{object}	problem.Problem	"The problem"
//	@Router			/users/{id} [put]
func (h *users) update(c *gin.Context) error {
	var input models.UserInput
	id, idErr := pathID(c.Param("id"))
	if err := firstOf(c.ShouldBindWith(&input, h.body), idErr); err != nil {
		return err
	}
	user, err := h.service.Update(c.Request.Context(), id, input)
	if err != nil {
		return err
	}
	h.writeUser(c, http.StatusOK, &user)
	return nil
}

// delete removes a user.
//
//	@Summary		Delete a user
//	@Description	Removes the user for good. Its address is free at once; its id is never given again.
//	@ID				deleteUser
//	@Tags			users
//	@Produce		json
//	@Param			id	path	int	true	"The id of the user"	minimum(1)	format(int64)
//	@Success		204	"The user is gone"
//	@Failure		404,422,500,503	{object}	problem.Problem	"The problem"
//	@Router			/users/{id} [delete]
func (h *users) delete(c *gin.Context) error {
	id, err := pathID(c.Param("id"))
	if err != nil {
		return err
	}
	if err := h.service.Delete(c.Request.Context(), id); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// writePage answers with a page, its cursors and its links.
func (h *users) writePage(c *gin.Context, query *models.Query, page *models.Page) {
	next, prev := h.edges(query, page)
	c.Writer.Header()["Link"] = []string{links(c.FullPath(), query, next, prev)}

	buffer := h.buffers.get()
	body := models.AppendUsers(append((*buffer)[:0], `{"items":`...), page.Users)
	if query.WithTotal {
		body = strconv.AppendInt(append(body, `,"total":`...), page.Total, 10)
	}
	body = appendCursor(append(body, `,"next_cursor":`...), next)
	body = appendCursor(append(body, `,"prev_cursor":`...), prev)
	body = append(body, '}')
	writeJSON(c, http.StatusOK, body)
	*buffer = body
	h.buffers.put(buffer)
}

// edges returns the cursors on both sides of a page; one is empty when nothing lies beyond it. The
// edge of an empty page is where it was asked for.
func (h *users) edges(query *models.Query, page *models.Page) (next, prev string) {
	first, last := int64(models.MaxID+1), int64(models.MaxID)
	if at := query.Position; at != nil && at.Backward {
		first, last = at.ID, at.ID-1
	} else if at != nil {
		first, last = at.ID+1, at.ID
	}
	if n := len(page.Users); n > 0 {
		first, last = page.Users[0].ID, page.Users[n-1].ID
	}
	if page.More {
		next = h.cursors.seal(models.Position{ID: last})
	}
	if page.Before {
		prev = h.cursors.seal(models.Position{ID: first, Backward: true})
	}
	return next, prev
}

// links returns the value of the Link header (RFC 8288) of a list at the path.
func links(path string, query *models.Query, next, prev string) string {
	value := make([]byte, 0, 256)
	link := func(relation, cursor string) {
		if len(value) > 0 {
			value = append(value, ", "...)
		}
		value = append(append(append(value, '<'), path...), "?limit="...)
		value = strconv.AppendInt(value, int64(query.Limit), 10)
		if query.WithTotal {
			value = append(value, "&include_total=true"...)
		}
		if cursor != "" {
			value = append(append(value, "&cursor="...), cursor...)
		}
		value = append(append(value, `>; rel="`...), relation...)
		value = append(value, '"')
	}
	link("first", "")
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
