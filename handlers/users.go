package handlers

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/gin-gonic/gin/binding"

	"userapi/handlers/problem"
	"userapi/middleware/limit"
	"userapi/models"
)

// UserService is what the handlers of users need of the rules.
type UserService interface {
	Create(ctx context.Context, input models.UserInput) (models.User, error)
	Get(ctx context.Context, id int64) (models.User, error)
	GetByEmail(ctx context.Context, email string) (models.User, error)
	List(ctx context.Context, query models.Query) (models.Page, error)
	Update(ctx context.Context, id int64, input models.UserInput, match models.Match) (models.User, error)
	Patch(ctx context.Context, id int64, patch models.UserPatch, match models.Match) (models.User, error)
	Delete(ctx context.Context, id int64, match models.Match) error
	Batch(ctx context.Context, batch models.Batch) ([]models.Result, error)
}

// RetryService is what the handlers need of the rules to answer a request that is sent again.
type RetryService interface {
	Do(ctx context.Context, keep *models.Keep, run func(ctx context.Context) (models.Answer, error),
	) (answer models.Answer, replayed bool, err error)
}

// users serves the user records.
type users struct {
	service UserService
	retries RetryService
	limits  *limit.Limiter
	// body, patchBody and batchBody read what is sent.
	body, patchBody, batchBody binding.Binding
	cursors                    *cursors
	buffers                    buffers
	rooms                      rooms
	lane                       lane
	requireIfMatch             bool
}

// UserPatch is the body of a merge patch. It documents what newMergePatch reads into models.UserPatch.
type UserPatch struct {
	// As of UserInput; absent leaves it as it is.
	Name string `json:"name,omitempty" validate:"optional" example:"Ada King" minLength:"1" maxLength:"100"`
	// As of UserInput; absent leaves it as it is.
	Email string `json:"email,omitempty" validate:"optional" example:"ada@example.com" format:"idn-email" minLength:"3" maxLength:"254"`
	// As of UserInput; absent leaves it as it is, and null says that it is not known.
	Age *int64 `json:"age,omitempty" validate:"optional" format:"int32" example:"37" minimum:"1" maximum:"150" extensions:"x-nullable"`

	// Accepted and ignored.
	ID models.Ignored `json:"id" validate:"optional" swaggertype:"integer" readonly:"true"`
	// Accepted and ignored.
	CreatedAt models.Ignored `json:"created_at" validate:"optional" swaggertype:"string" readonly:"true"`
	// Accepted and ignored.
	UpdatedAt models.Ignored `json:"updated_at" validate:"optional" swaggertype:"string" readonly:"true"`
	// Accepted and ignored.
	Version models.Ignored `json:"version" validate:"optional" swaggertype:"integer" readonly:"true"`
} // @name UserPatch

// create makes a user of the body.
//
//	@Summary		Create a user
//	@Description	Stores a new user under the next id and answers with it. White space around name and address is removed first. With an Idempotency-Key it is safe to send the request again: a key belongs to one body, and is kept for a day unless the service is set otherwise.
//	@ID				createUser
//	@Tags			users
//	@Accept			json
//	@Produce		json
//	@Param			Idempotency-Key	header		string				false	"Makes sending again safe: the same key and body are answered once more with the first success"	minlength(1)	maxlength(255)
//	@Param			user			body		models.UserInput	true	"What to store"
//	@Success		201				{object}	models.User			"The user as stored"
//	@Header			201				{string}	Location				"The path of the user, under the prefix that was asked"
//	@Header			201				{string}	ETag					"The version of the user, quoted"
//	@Header			201				{string}	Idempotency-Replayed	"true when the answer is that of an earlier request"
//	@Failure		400,401,403,408,409,413,415,422,429,500,503	{object}	problem.Problem	"The problem"
//	@Header			409				{integer}	Retry-After				"After how many seconds to send the same request again, when it is still running"
//	@Security		BasicAuth
//	@Security		BearerAuth
//	@Security		ApiKeyAuth
//	@x-needs			"users:write"
//	@Router			/users/ [post]
func (h *users) create(c *gin.Context) error {
	var input models.UserInput
	key, keyErr := retryKeyOf(c)
	if err := firstOf(c.ShouldBindWith(&input, h.body), keyErr); err != nil {
		return err
	}
	if key != nil {
		return h.createOnce(c, key, input)
	}
	user, err := h.service.Create(c.Request.Context(), input)
	if err != nil {
		return err
	}
	c.Writer.Header()["Location"] = []string{location(c, user.ID)}
	h.writeUser(c, http.StatusCreated, &user)
	return nil
}

// createOnce is create for a request that may be sent again: a batch of one, whose answer is kept with
// the user.
func (h *users) createOnce(c *gin.Context, key *retryKey, input models.UserInput) error {
	batch := models.Batch{Operations: []models.Operation{{Op: models.OpCreate, Patch: models.UserPatch{Input: input}}}}
	return h.batched(c, key, &batch, func(body []byte, results []models.Result) (models.Answer, bool, error) {
		if err := results[0].Err; err != nil {
			return models.Answer{}, false, err
		}
		user := &results[0].User
		return models.Answer{
			Status: http.StatusCreated, Location: location(c, user.ID), ETag: etag(user.Version), Body: user.AppendJSON(body),
		}, true, nil
	})
}

// get answers one user.
//
//	@Summary		Get a user
//	@Description	Answers with the user that has this id, and with its version as the ETag.
//	@ID				getUser
//	@Tags			users
//	@Produce		json
//	@Param			id				path		int			true	"The id of the user"	minimum(1)	format(int64)
//	@Param			If-None-Match	header		string		false	"Versions that the client has already, as ETag gave them; one of those is answered 304"
//	@Success		200				{object}	models.User	"The user"
//	@Success		304				"The user is still of a version that If-None-Match names"
//	@Header			200,304			{string}	ETag		"The version of the user, quoted"
//	@Failure		401,403,404,422,429,500,503	{object}	problem.Problem	"The problem"
//	@Security		BasicAuth
//	@Security		BearerAuth
//	@Security		ApiKeyAuth
//	@x-needs			"users:read"
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
	h.writeUnlessKnown(c, &user)
	return nil
}

// byEmail answers the user who has an address. The route takes all that follows in the path, because
// an address may have slashes, which gin would take apart.
//
//	@Summary		Get a user by address
//	@Description	Answers with the user that has this e-mail address, letter case ignored, as `/users/{id}` does. Whatever is not an address belongs to nobody and is 404. A plus sign stands for itself, encoded or not.
//	@ID				getUserByEmail
//	@Tags			users
//	@Produce		json
//	@Param			email			path		string		true	"The e-mail address of the user, percent-encoded"	minlength(1)
//	@Param			If-None-Match	header		string		false	"Versions that the client has already, as ETag gave them; one of those is answered 304"
//	@Success		200				{object}	models.User	"The user"
//	@Success		304				"The user is still of a version that If-None-Match names"
//	@Header			200,304			{string}	ETag		"The version of the user, quoted"
//	@Failure		401,403,404,429,500,503	{object}	problem.Problem	"The problem"
//	@Security		BasicAuth
//	@Security		BearerAuth
//	@Security		ApiKeyAuth
//	@x-needs			"users:read"
//	@Router			/users/by-email/{email} [get]
func (h *users) byEmail(c *gin.Context) error {
	address := strings.TrimSuffix(c.Param("email")[1:], "/")
	if address == "" { // then it is `/users/{id}` with a slash at its end
		_, err := pathID("by-email")
		return err
	}
	user, err := h.service.GetByEmail(c.Request.Context(), address)
	if errors.Is(err, models.ErrUserNotFound) {
		return errNobodyHasAddress
	}
	if err != nil {
		return err
	}
	h.writeUnlessKnown(c, &user)
	return nil
}

// errNobodyHasAddress is models.ErrUserNotFound for somebody who asked by address.
var errNobodyHasAddress = &models.Error{
	Kind: models.KindNotFound, Code: models.ErrUserNotFound.Code, Detail: "There is no user with this e-mail address.",
}

// list answers one page of the users that a filter lets through.
//
//	@Summary		List users
//	@Description	Answers with one page of the users that meet all conditions, sorted as asked. To read them all, follow next_cursor, or the Link header, until it is null: every user that is not touched meanwhile comes exactly once. A cursor belongs to its sort and filters; limit and include_total may change on the way. skip is for looking at a place.
//	@ID				listUsers
//	@Tags			users
//	@Produce		json
//	@Param			limit			query		int			false	"How many users the page has at most"	minimum(1)	maximum(1000)	default(50)
//	@Param			skip			query		int			false	"How many users to pass over from the start; not together with cursor"	minimum(0)	format(int64)
//	@Param			cursor			query		string		false	"Where the page begins: next_cursor or prev_cursor of another page of the same list"	minlength(1)	maxlength(1024)
//	@Param			include_total	query		boolean		false	"Whether to count all users that meet the conditions"	default(false)
//	@Param			sort			query		string		false	"Up to 3 different keys of id, name, email, age, created_at and updated_at with commas between them, each with a - before it to descend. Then by id. Unknown ages come last."	minlength(1)	default(id)
//	@Param			q				query		string		false	"A part of the name or of the address, letter case ignored"	minlength(1)	maxlength(254)
//	@Param			email			query		string		false	"The whole address, letter case ignored; a space stands for a plus sign"	format(idn-email)	minlength(3)	maxlength(254)
//	@Param			name			query		string		false	"The whole name, letter case ignored"	minlength(1)	maxlength(100)
//	@Param			age				query		int			false	"The age"	minimum(1)	maximum(150)	format(int32)
//	@Param			age_min			query		int			false	"The lowest age; who has none is not in the list"	minimum(1)	maximum(150)	format(int32)
//	@Param			age_max			query		int			false	"The highest age; who has none is not in the list"	minimum(1)	maximum(150)	format(int32)
//	@Param			created_after	query		string		false	"Created later than this (RFC 3339)"	format(date-time)
//	@Param			created_before	query		string		false	"Created earlier than this (RFC 3339)"	format(date-time)
//	@Param			updated_after	query		string		false	"Changed later than this (RFC 3339)"	format(date-time)
//	@Param			ids				query		[]int		false	"These ids alone, up to 500"	collectionFormat(csv)
//	@Success		200				{object}	UserPage	"The page"
//	@Header			200				{string}	Link			"The first, next and previous page (RFC 8288), as far as there is one"
//	@Header			200				{integer}	X-Total-Count	"The total once more; there when include_total asks for it"
//	@Failure		401,403,422,429,500,503		{object}	problem.Problem	"The problem"
//	@Security		BasicAuth
//	@Security		BearerAuth
//	@Security		ApiKeyAuth
//	@x-needs			"users:read"
//	@Router			/users/ [get]
func (h *users) list(c *gin.Context) error {
	var asked parameters
	asked.read(c.Request.URL.RawQuery, listParameters[:])
	query, err := h.listQuery(&asked)
	if err != nil {
		return err
	}
	body := h.buffers.get()
	defer h.buffers.put(body)
	if err := h.makePage(c, &asked, &query, body); err != nil {
		return err
	}
	writeJSON(c, http.StatusOK, *body)
	return nil
}

// update replaces a user.
//
//	@Summary		Replace a user
//	@Description	Replaces everything that a client may set of the user: an absent age becomes null. A body that changes nothing leaves version and updated_at as they are. With If-Match nothing is lost that somebody else wrote meanwhile.
//	@ID				replaceUser
//	@Tags			users
//	@Accept			json
//	@Produce		json
//	@Param			id			path		int					true	"The id of the user"	minimum(1)	format(int64)
//	@Param			If-Match	header		string				false	"The version that the user must have, as ETag gave it; several, or * for any"
//	@Param			user		body		models.UserInput	true	"What to store instead"
//	@Success		200			{object}	models.User			"The user as stored"
//	@Header			200			{string}	ETag				"The version of the user, quoted"
//	@Failure		400,401,403,404,408,409,412,413,415,422,428,429,500,503	{object}	problem.Problem	"The problem"
//	@Header			412			{string}	ETag				"The version of the user as it is now, quoted"
//	@Security		BasicAuth
//	@Security		BearerAuth
//	@Security		ApiKeyAuth
//	@x-needs			"users:write"
//	@Router			/users/{id} [put]
func (h *users) update(c *gin.Context) error {
	var input models.UserInput
	id, idErr := pathID(c.Param("id"))
	match, matchErr := h.condition(c)
	if err := firstOf(c.ShouldBindWith(&input, h.body), idErr, matchErr); err != nil {
		return err
	}
	user, err := h.service.Update(c.Request.Context(), id, input, match)
	if err != nil {
		return err
	}
	h.writeUser(c, http.StatusOK, &user)
	return nil
}

// patch changes some members of a user.
//
//	@Summary		Change a user
//	@Description	Changes the members that the body gives and leaves the others (JSON Merge Patch, RFC 7396): null clears the age. A body that changes nothing leaves version and updated_at as they are. Plain application/json means the same.
//	@ID				patchUser
//	@Tags			users
//	@Accept			application/merge-patch+json,json
//	@Produce		json
//	@Param			id			path		int			true	"The id of the user"	minimum(1)	format(int64)
//	@Param			If-Match	header		string		false	"The version that the user must have, as ETag gave it; several, or * for any"
//	@Param			user		body		UserPatch	true	"What to change"
//	@Success		200			{object}	models.User	"The user as stored"
//	@Header			200			{string}	ETag		"The version of the user, quoted"
//	@Failure		400,401,403,404,408,409,412,413,415,422,428,429,500,503	{object}	problem.Problem	"The problem"
//	@Header			412			{string}	ETag			"The version of the user as it is now, quoted"
//	@Header			415			{string}	Accept-Patch	"The media types that a change can have"
//	@Security		BasicAuth
//	@Security		BearerAuth
//	@Security		ApiKeyAuth
//	@x-needs			"users:write"
//	@Router			/users/{id} [patch]
func (h *users) patch(c *gin.Context) error {
	var patch models.UserPatch
	id, idErr := pathID(c.Param("id"))
	match, matchErr := h.condition(c)
	if err := firstOf(c.ShouldBindWith(&patch, h.patchBody), idErr, matchErr); err != nil {
		if errors.Is(err, problem.ErrUnsupportedPatch) {
			c.Writer.Header()["Accept-Patch"] = patchTypes
		}
		return err
	}
	user, err := h.service.Patch(c.Request.Context(), id, patch, match)
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
//	@Param			id			path	int		true	"The id of the user"	minimum(1)	format(int64)
//	@Param			If-Match	header	string	false	"The version that the user must have, as ETag gave it; several, or * for any"
//	@Success		204	"The user is gone"
//	@Failure		401,403,404,412,422,428,429,500,503	{object}	problem.Problem	"The problem"
//	@Header			412			{string}	ETag	"The version of the user as it is now, quoted"
//	@Security		BasicAuth
//	@Security		BearerAuth
//	@Security		ApiKeyAuth
//	@x-needs			"users:delete"
//	@Router			/users/{id} [delete]
func (h *users) delete(c *gin.Context) error {
	id, idErr := pathID(c.Param("id"))
	match, matchErr := h.condition(c)
	if err := firstOf(idErr, matchErr); err != nil {
		return err
	}
	if err := h.service.Delete(c.Request.Context(), id, match); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// condition reads the If-Match, and the If-None-Match, of a request to change a user.
func (h *users) condition(c *gin.Context) (models.Match, error) {
	match, ok := models.ParseMatch(c.Request.Header["If-Match"])
	match.Unless = c.Request.Header["If-None-Match"]
	switch {
	case !ok:
		return match, models.ErrInvalid.With(models.Fault{
			Header: "If-Match", Code: "malformed_header", Detail: `must be a version in quotes such as "3", a list of those, or *`,
		})
	case h.requireIfMatch && !match.Given:
		return match, problem.ErrPreconditionRequired
	}
	return match, nil
}

// location returns the path of a user whom the request made.
func location(c *gin.Context, id int64) string {
	return strings.TrimSuffix(c.FullPath(), "/") + "/" + strconv.FormatInt(id, 10)
}
