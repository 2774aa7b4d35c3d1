package sql

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"userapi/models"
)

// term is one column of an order with its direction.
type term struct {
	column     string
	descending bool
	// unique says that no two users have the same there, so that nothing behind it matters.
	unique bool
	// popular is the type of the column when many users have the same there, else empty.
	popular string
	// index begins with the column; empty for the table itself, which is in the order of the ids.
	index string
	// at is the value of a user there.
	at func(user *models.User) any
}

// terms returns the columns by which an order sorts, down to the id that breaks the last tie. There is
// one column for ages in ascending order and one in descending order, because unknown ages come last in
// both.
func terms(order models.Order) []term {
	var all []term
	for _, by := range order {
		all = append(all, termOf(by))
	}
	if len(all) == 0 || all[len(all)-1].column != "id" {
		all = append(all, termOf(models.Sort{Key: models.KeyID}))
	}
	return all
}

func termOf(by models.Sort) term {
	t := term{descending: by.Descending}
	down := ""
	if by.Descending {
		down = "_down"
	}
	switch by.Key {
	case models.KeyID:
		t.column, t.unique = "id", true
		t.at = func(u *models.User) any { return u.ID }
	case models.KeyName:
		t.column, t.index = "name_fold", "users_name"+down
		t.at = func(u *models.User) any { return models.FoldName(u.Name) }
	case models.KeyEmail:
		t.column, t.index = "email_fold", "users_email"+down // some addresses that differ fold alike
		t.at = func(u *models.User) any { return models.FoldName(u.Email) }
	case models.KeyAge:
		t.column, t.index, t.popular = ageColumn(by.Descending), "users_age"+down, "smallint"
		t.at = func(u *models.User) any {
			if u.Age == 0 && !by.Descending {
				return int64(unknownLast)
			}
			return int64(u.Age)
		}
	case models.KeyCreatedAt:
		t.column, t.index = "created_at", "users_created"+down
		t.at = func(u *models.User) any { return int64(u.CreatedAt) }
	case models.KeyUpdatedAt:
		t.column, t.index = "updated_at", "users_updated"+down
		t.at = func(u *models.User) any { return int64(u.UpdatedAt) }
	}
	return t
}

// unknownLast stands in age_last for an age that is not known; in age it is zero.
const unknownLast = 255

func ageColumn(descending bool) string {
	if descending {
		return "age"
	}
	return "age_last"
}

// The parts of an answer. Those of the page stand in the order of the page.
const (
	partBeyond = 100 + iota // the user on the other side of where the page begins
	partTotal
)

// question is a list that is asked for, as statements see it.
type question struct {
	query *models.Query
	terms []term
	// from is the table, with what says how it is to be read.
	from func(st *statement)
	// filter are the conditions, each behind a word that joins it to what stands before.
	filter func(st *statement)
}

// List implements repository.UserRepository. A page is one statement, so that it shows one state: a
// part for each range of an index that the page may touch, and parts for what lies on the other side and
// for the total.
func (s *Store) List(ctx context.Context, query models.Query) (models.Page, error) {
	var page models.Page
	err := s.reads(ctx, func(ctx context.Context) error {
		st, err := s.listing(ctx, &query)
		if err != nil {
			return err
		}
		args := st.args
		if !query.Filter.IsZero() {
			args = st.valued()
		}
		rows, err := s.read.db.QueryContext(ctx, st.String(), args...)
		if err != nil {
			return err
		}
		page, err = collect(rows, &query)
		return err
	})
	if err != nil {
		return models.Page{}, err
	}
	return page, nil
}

// listing makes the statement of a list.
func (s *Store) listing(ctx context.Context, query *models.Query) (*statement, error) {
	q := &question{query: query, terms: terms(query.Order)}
	if err := s.plan(ctx, q); err != nil {
		return nil, err
	}
	st := &statement{dialect: &s.dialect}
	q.write(st)
	return st, nil
}

// write makes the whole statement.
func (q *question) write(st *statement) {
	query := q.query
	position := &query.Position
	next := false
	part := func(number int, selected string, inner func()) {
		if next {
			st.say(" UNION ALL ")
		}
		next = true
		st.say("SELECT ", itoa(int64(number)), " AS part, ", selected, " FROM (")
		inner()
		st.say(") AS part", itoa(int64(number)))
	}
	switch {
	case position.At.ID != 0:
		for number, r := range ranges(q.terms, position, position.Backward) {
			part(number, columns, func() { q.rows(st, r, query.Limit+1) })
		}
		beyond := *position
		beyond.Backward, beyond.Inclusive = !position.Backward, !position.Inclusive
		for number, r := range ranges(q.terms, &beyond, beyond.Backward) {
			part(partBeyond+10*(number+1), columns, func() { q.rows(st, r, 1) })
		}
	default:
		whole := span{rest: q.terms, backward: position.Backward}
		part(0, columns, func() {
			q.rows(st, whole, query.Limit+1)
			if query.Skip > 0 {
				st.say(" OFFSET ", itoa(query.Skip))
			}
		})
		if query.Skip > 0 {
			part(partBeyond+10, columns, func() { q.rows(st, whole, 1) })
		}
	}
	if query.WithTotal {
		part(partTotal, "id, '' AS name, '' AS email, 0 AS age, 0 AS created_at, 0 AS updated_at, 0 AS version", func() {
			st.say("SELECT COUNT(*) AS id FROM ")
			if query.Filter.IsZero() { // by whichever index is the shortest
				st.say("users")
			} else {
				q.from(st)
			}
			st.where()
			q.filter(st)
		})
	}
}

// span is a range of an index: users who are equal to a place in some terms, lie beyond it in the next,
// and are sorted by those that are left.
type span struct {
	at       *models.User
	same     []term
	beyond   *term
	included bool
	rest     []term
	backward bool
}

// ranges cuts what lies behind a position, or before it, into spans, nearest first. One condition with
// OR in it would say the same, but engines read all who are equal in the first term for it.
func ranges(all []term, position *models.Position, backward bool) []span {
	var spans []span
	for n := len(all) - 1; n >= 0; n-- {
		spans = append(spans, span{
			at: &position.At, same: all[:n], beyond: &all[n], included: position.Inclusive && n == len(all)-1,
			rest: all[n:], backward: backward,
		})
	}
	return spans
}

// rows selects the users of a span in their order.
func (q *question) rows(st *statement, r span, limit int) {
	st.say("SELECT ", columns, " FROM ")
	q.from(st)
	st.where()
	for i := range r.same {
		st.and(r.same[i].column, " = ")
		if cast := r.same[i].popular; cast != "" && st.dialect.hides {
			st.say("(SELECT ")
			st.give(r.same[i].at(r.at))
			st.say("::", cast, ")")
			continue
		}
		st.give(r.same[i].at(r.at))
	}
	if r.beyond != nil {
		st.and(r.beyond.column, comparison(r.beyond.descending != r.backward, r.included))
		st.give(r.beyond.at(r.at))
	}
	q.filter(st)
	st.say(" ORDER BY ")
	for i := range r.rest {
		if i > 0 {
			st.say(", ")
		}
		st.say(r.rest[i].column)
		if r.rest[i].descending != r.backward {
			st.say(" DESC")
		}
		if r.rest[i].unique {
			break
		}
	}
	st.say(" LIMIT ", itoa(int64(limit)))
}

func comparison(falling, included bool) string {
	switch {
	case falling && included:
		return " <= "
	case falling:
		return " < "
	case included:
		return " >= "
	}
	return " > "
}

// collect reads the parts into a page. What an engine makes of several parts has no order of its own.
func collect(rows *sql.Rows, query *models.Query) (page models.Page, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	page = query.NewPage(query.Limit + 1)
	beyond := false
	for rows.Next() {
		var part int
		var user models.User
		if err := readUser(rows, &user, &part); err != nil {
			return models.Page{}, err
		}
		switch {
		case part == partTotal:
			page.Total = user.ID
		case part >= partBeyond:
			beyond = true
		default:
			page.Users = append(page.Users, user)
		}
	}
	if err := rows.Err(); err != nil {
		return models.Page{}, err
	}
	backward := query.Position.Backward
	inOrder := func(a, b models.User) int {
		c := query.Order.Compare(&a, &b)
		if backward {
			return -c
		}
		return c
	}
	if !slices.IsSortedFunc(page.Users, inOrder) {
		slices.SortFunc(page.Users, inOrder)
	}
	further := len(page.Users) > query.Limit
	if further {
		page.Users = page.Users[:query.Limit]
	}
	page.More, page.Before = further, beyond
	if backward {
		slices.Reverse(page.Users)
		page.More, page.Before = beyond, further
	}
	return page, nil
}
