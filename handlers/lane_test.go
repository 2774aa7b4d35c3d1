package handlers

import (
	"context"
	"errors"
	"testing"

	"userapi/models"
)

func TestLane(t *testing.T) {
	long := map[string]models.Query{
		"many users":                  {Limit: models.MaxLimit},
		"a search":                    {Limit: 1, Filter: models.Filter{Search: "ada"}},
		"a count of what is filtered": {Limit: 1, Filter: models.Filter{MinAge: 30}, WithTotal: true},
	}
	short := map[string]models.Query{
		"a page by default": {Limit: models.DefaultLimit},
		"a filter":          {Limit: longPage, Filter: models.Filter{MinAge: 30}},
		"a count of all":    {Limit: longPage, WithTotal: true},
	}
	t.Run("lets a long list wait for its place, and a short one pass", func(t *testing.T) {
		for name, query := range long {
			l := make(lane, 1)
			leave, err := l.enter(t.Context(), &query)
			if err != nil {
				t.Fatal(err)
			}
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := l.enter(gone, &query); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: entered a full lane, error %v", name, err)
			}
			for other, query := range short {
				if _, err := l.enter(gone, &query); err != nil {
					t.Errorf("%s waits behind %s: %v", other, name, err)
				}
			}
			leave()
			if _, err := l.enter(t.Context(), &query); err != nil {
				t.Errorf("%s: the place was not given back: %v", name, err)
			}
		}
	})
	t.Run("has a place at least", func(t *testing.T) {
		if n := cap(newLane()); n < 1 {
			t.Errorf("%d places", n)
		}
	})
}
