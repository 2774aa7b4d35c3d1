package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"time"

	"go.uber.org/zap"

	"userapi/handlers"
	"userapi/middleware"
	"userapi/models"
	"userapi/repository/memory"
	"userapi/services"
)

const maxBodyBytes = 1 << 20

// requestID is that of every request that is played.
const requestID = "9f1c2ab4d5e64f7080a1b2c3d4e5f607"

// play sends the request of an exchange to handlers of its own and returns their answer.
func play(e exchange) (*httptest.ResponseRecorder, error) {
	handler, err := newHandler(e.spoil)
	if err != nil {
		return nil, err
	}
	recorder := send(handler, e)
	if body, seekable := e.body.(io.Seeker); e.again && seekable {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		recorder = send(handler, e)
	}
	return recorder, nil
}

func send(handler http.Handler, e exchange) *httptest.ResponseRecorder {
	method, target, _ := strings.Cut(e.request, " ")
	request := httptest.NewRequestWithContext(context.Background(), method, target, e.body)
	request.Header.Set("X-Request-ID", requestID)
	for name, value := range map[string]string{"Accept": e.accept, "Content-Type": e.media} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	if name, value, ok := strings.Cut(e.header, ": "); ok {
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

// newHandler returns the handlers of the service over a fresh store with three users, at a clock
// that moves on by a minute with every look at it.
func newHandler(spoil func(*handlers.Deps)) (http.Handler, error) {
	now := time.Date(2026, time.January, 2, 15, 0, 0, 0, time.UTC)
	clock := func() time.Time {
		now = now.Add(time.Minute)
		return now
	}
	store := memory.NewLimited(memory.KeyLimits{Age: time.Hour, Count: 1, Bytes: maxBodyBytes}, clock)
	users := services.NewUsers(store, clock)
	for _, known := range []models.UserInput{
		{Name: "Grace Hopper", Email: "grace@example.com", Age: years(85)},
		{Name: "Alan Turing", Email: "alan@example.com", Age: years(41)},
		{Name: "Mary Somerville", Email: "mary@example.com"},
	} {
		if _, err := users.Create(context.Background(), known); err != nil {
			return nil, err
		}
	}
	lifecycle := new(middleware.Lifecycle)
	lifecycle.Serve()
	deps := handlers.Deps{
		Users: users, Retries: services.NewRetries(store), Store: store, Lifecycle: lifecycle, Log: zap.NewNop(), Now: clock,
		MaxBodyBytes: maxBodyBytes, CursorKey: make([]byte, 32), Documents: true,
	}
	if spoil != nil {
		spoil(&deps)
	}
	return handlers.New(deps)
}

func years(n int64) *int64 { return &n }

// steady returns text, a body or a Link header, with the cursors in it replaced: they hold random
// bits, and the document is to be the same every time.
func steady(text string) string {
	cursor := regexp.MustCompile(`(cursor(?:=|":"))[\w-]{20,}`)
	return cursor.ReplaceAllString(text, "${1}pHzSkmQ2XqB5cV0nYw7uTg")
}

// failing is a service and a store that fail at every call.
type failing struct{ err error }

func (f failing) Create(context.Context, models.UserInput) (models.User, error) {
	return models.User{}, f.err
}
func (f failing) Get(context.Context, int64) (models.User, error) { return models.User{}, f.err }
func (f failing) GetByEmail(context.Context, string) (models.User, error) {
	return models.User{}, f.err
}

func (f failing) List(context.Context, models.Query) (models.Page, error) {
	return models.Page{}, f.err
}

func (f failing) Update(context.Context, int64, models.UserInput, models.Match) (models.User, error) {
	return models.User{}, f.err
}

func (f failing) Patch(context.Context, int64, models.UserPatch, models.Match) (models.User, error) {
	return models.User{}, f.err
}
func (f failing) Delete(context.Context, int64, models.Match) error { return f.err }
func (f failing) Batch(context.Context, models.Batch) ([]models.Result, error) {
	return nil, f.err
}
func (f failing) Ping(context.Context) error { return f.err }

// Do is that of a service for retries.
func (f failing) Do(
	context.Context, *models.Keep, func(context.Context) (models.Answer, error),
) (models.Answer, bool, error) {
	return models.Answer{}, false, f.err
}
