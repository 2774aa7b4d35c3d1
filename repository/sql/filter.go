package sql

import (
	"context"
	"unicode/utf8"

	"userapi/models"
)

// fewHits is up to how many users with a text are gathered and sorted; of more, those of a page are met
// soon on the way along any index.
const fewHits = 2000

// plan makes the conditions of a filter, and chooses where they are looked for. Three characters are what
// the indexes of texts go by.
func (s *Store) plan(ctx context.Context, q *question) error {
	filter := &q.query.Filter
	table := "users"
	if filter.IsZero() && s.dialect.along != nil {
		table = s.dialect.along(q.terms[0].index)
	}
	q.from = func(st *statement) { st.say(table) }
	if utf8.RuneCountInString(filter.Search) >= 3 && s.dialect.searches != nil {
		found, err := s.dialect.searches(ctx, s, filter.Search)
		if err != nil {
			return err
		}
		if found != nil {
			q.from = found
		}
	}
	descending := len(q.query.Order) > 0 && q.query.Order[0] == (models.Sort{Key: models.KeyAge, Descending: true})
	q.filter = func(st *statement) {
		texts(st, filter)
		ages(st, filter, ageColumn(descending))
		times(st, filter)
		if filter.IDs != nil {
			st.and()
			st.dialect.among(st, filter.IDs)
		}
	}
	return nil
}

// texts says which texts are wanted.
func texts(st *statement, filter *models.Filter) {
	if filter.Search != "" {
		st.and()
		having(st, filter.Search)
	}
	if filter.EmailKey != "" {
		st.and("email_key = ")
		st.give(filter.EmailKey)
	}
	if filter.Name != "" {
		st.and("name_fold = ")
		st.give(filter.Name)
	}
}

// having says that the name or the address has a text in it.
func having(st *statement, text string) {
	st.say("(")
	st.dialect.contains(st, "name_fold", text)
	st.say(" OR ")
	st.dialect.contains(st, "email_fold", text)
	st.say(")")
}

// ages says within which bounds an age is wanted. In the one column unknown ages are zero, in the other
// they are beyond all bounds; that is asked which the order goes by, so that one index serves both.
func ages(st *statement, filter *models.Filter, column string) {
	if filter.MinAge == 0 && filter.MaxAge == 0 {
		return
	}
	least, most := max(filter.MinAge, 1), filter.MaxAge
	if most == 0 {
		most = unknownLast - 1
	}
	if least == most {
		st.and(column, " = ")
		st.give(int64(least))
		return
	}
	st.and(column, " >= ")
	st.give(int64(least))
	st.and(column, " <= ")
	st.give(int64(most))
}

// times says between which instants.
func times(st *statement, filter *models.Filter) {
	bound := func(column, comparison string, at *models.Timestamp) {
		if at == nil {
			return
		}
		st.and(column, comparison)
		st.give(int64(*at))
	}
	bound("created_at", " > ", filter.CreatedAfter)
	bound("created_at", " < ", filter.CreatedBefore)
	bound("updated_at", " > ", filter.UpdatedAfter)
}
