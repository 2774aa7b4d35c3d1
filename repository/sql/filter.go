package sql

import (
	"context"

	"userapi/models"
)

// search is how the users are found who have a text: a table, and the condition on it.
type search struct {
	from      string
	condition func(st *statement)
}

// plan makes the condition of a filter, and chooses where it is looked for.
func (s *Store) plan(ctx context.Context, q *question) error {
	filter := &q.query.Filter
	searched := search{from: "users", condition: func(*statement) {}}
	if filter.Search != "" {
		searched.condition = func(st *statement) {
			st.say("(")
			s.dialect.contains(st, "name_fold", filter.Search)
			st.say(" OR ")
			s.dialect.contains(st, "email_fold", filter.Search)
			st.say(") AND ")
		}
		if s.dialect.searches != nil {
			also, err := s.dialect.searches(ctx, s, filter.Search)
			if err != nil {
				return err
			}
			if also.from != "" {
				contains := searched.condition
				searched.from = also.from
				searched.condition = func(st *statement) {
					also.condition(st)
					contains(st)
				}
			}
		}
	}
	descending := len(q.query.Order) > 0 && q.query.Order[0] == (models.Sort{Key: models.KeyAge, Descending: true})
	q.from = searched.from
	q.filter = func(st *statement) {
		searched.condition(st)
		exact(st, filter)
		ages(st, filter, ageColumn(descending))
		times(st, filter)
		if filter.IDs != nil {
			st.dialect.among(st, filter.IDs)
			st.say(" AND ")
		}
		st.say("1 = 1") // whatever stands before it ends in AND
	}
	return nil
}

// exact says which whole texts are wanted.
func exact(st *statement, filter *models.Filter) {
	if filter.EmailKey != "" {
		st.say("email_key = ")
		st.give(filter.EmailKey)
		st.say(" AND ")
	}
	if filter.Name != "" {
		st.say("name_fold = ")
		st.give(filter.Name)
		st.say(" AND ")
	}
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
		st.say(column, " = ")
		st.give(int64(least))
		st.say(" AND ")
		return
	}
	st.say(column, " >= ")
	st.give(int64(least))
	st.say(" AND ", column, " <= ")
	st.give(int64(most))
	st.say(" AND ")
}

// times says between which instants.
func times(st *statement, filter *models.Filter) {
	bound := func(column, comparison string, at *models.Timestamp) {
		if at == nil {
			return
		}
		st.say(column, comparison)
		st.give(int64(*at))
		st.say(" AND ")
	}
	bound("created_at", " > ", filter.CreatedAfter)
	bound("created_at", " < ", filter.CreatedBefore)
	bound("updated_at", " > ", filter.UpdatedAfter)
}
