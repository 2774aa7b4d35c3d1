package repotest_test

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"userapi/models"
	"userapi/repository"
)

// filtering returns the maker of a store that lets users through a filter by another rule: what it
// has for a filter and a user of which all is right but the condition in question.
func filtering(matches func(filter models.Filter, user models.User) bool) func() repository.UserRepository {
	return sketched(func(s *sketch) {
		s.matches = func(filter *models.Filter, user *models.User) bool { return matches(*filter, *user) }
	})
}

// searching returns the maker of a store that searches by another rule.
func searching(finds func(user models.User, text string) bool) func() repository.UserRepository {
	return filtering(func(filter models.Filter, user models.User) bool {
		text := filter.Search
		filter.Search = ""
		return filter.Matches(&user) && (text == "" || finds(user, text))
	})
}

// inEither turns a rule about one text into one about name and address.
func inEither(finds func(text, part string) bool) func(user models.User, part string) bool {
	return func(user models.User, part string) bool { return finds(user.Name, part) || finds(user.Email, part) }
}

// naming returns the maker of a store that compares names by another rule.
func naming(same func(name, folded string) bool) func() repository.UserRepository {
	return filtering(func(filter models.Filter, user models.User) bool {
		name := filter.Name
		filter.Name = ""
		return filter.Matches(&user) && (name == "" || same(user.Name, name))
	})
}

func filterFlaws() []flaw {
	ages := "A filter of ages lets its bounds in, and nobody whose age is unknown"
	times := "A filter of times leaves its bounds out"
	names := "A filter of the name is about the whole of it, case-folded"
	ids := "A filter of ids lets those through that are there"
	joins := "Filters are joined by and"
	random := "Whatever was changed, List answers as the plainest list does"
	return slices.Concat(searchFlaws(), []flaw{
		{
			"leaves the bounds of ages out",
			filtering(func(filter models.Filter, user models.User) bool {
				inside := (filter.MinAge == 0 || user.Age > filter.MinAge) && (filter.MaxAge == 0 || user.Age < filter.MaxAge)
				return filter.Matches(&user) && inside
			}),
			[]string{ages, random},
		},
		{
			"takes an unknown age for a very low one",
			filtering(func(filter models.Filter, user models.User) bool {
				if user.Age == 0 && filter.MinAge == 0 {
					filter.MaxAge = 0
				}
				return filter.Matches(&user)
			}),
			[]string{ages, random},
		},
		{
			"turns an inverted range round",
			filtering(func(filter models.Filter, user models.User) bool {
				if filter.MaxAge != 0 {
					filter.MinAge, filter.MaxAge = min(filter.MinAge, filter.MaxAge), max(filter.MinAge, filter.MaxAge)
				}
				return filter.Matches(&user)
			}),
			[]string{ages},
		},
		{"lets the later bound of times in", filtering(letsIn(func(f *models.Filter) **models.Timestamp { return &f.CreatedBefore }, 1)), []string{times}},
		{"lets the earlier bound of times in", filtering(letsIn(func(f *models.Filter) **models.Timestamp { return &f.CreatedAfter }, -1)), []string{times}},
		{"lets the bound of changes in", filtering(letsIn(func(f *models.Filter) **models.Timestamp { return &f.UpdatedAfter }, -1)), []string{times}},
		{
			"compares times in milliseconds",
			filtering(func(filter models.Filter, user models.User) bool {
				user.CreatedAt, user.UpdatedAt = user.CreatedAt/1000*1000, user.UpdatedAt/1000*1000
				return filter.Matches(&user)
			}),
			[]string{times},
		},
		{"compares names as they were typed", naming(func(name, folded string) bool { return name == folded }), []string{names}},
		{"compares names in lower case", naming(func(name, folded string) bool { return strings.ToLower(name) == folded }), []string{names}},
		{"compares the beginnings of names", naming(func(name, folded string) bool { return strings.HasPrefix(models.FoldName(name), folded) }), []string{names}},
		{
			"compares names without the spaces around them",
			naming(func(name, folded string) bool { return models.FoldName(name) == strings.TrimSpace(folded) }),
			[]string{names},
		},
		{
			"compares names without their accents",
			naming(func(name, folded string) bool {
				plain := strings.NewReplacer("\u00e4", "a", "\u00eb", "e", "\u0308", "").Replace
				return plain(models.FoldName(name)) == plain(folded)
			}),
			[]string{names},
		},
		{
			"finds addresses in lower case",
			filtering(func(filter models.Filter, user models.User) bool {
				key := filter.EmailKey
				filter.EmailKey = ""
				return filter.Matches(&user) && (key == "" || strings.ToLower(user.Email) == key)
			}),
			[]string{"A filter of the address finds it in any form"},
		},
		{
			"takes a hundred ids at most",
			filtering(func(filter models.Filter, user models.User) bool {
				if len(filter.IDs) > 100 {
					filter.IDs = filter.IDs[:100]
				}
				return filter.Matches(&user)
			}),
			[]string{ids},
		},
		{"fails when an id is unknown", breaking(failsForUnknown), []string{ids}},
		{
			"keeps ids in four octets",
			filtering(func(filter models.Filter, user models.User) bool {
				short := make([]int64, 0, len(filter.IDs))
				for _, id := range filter.IDs {
					short = append(short, id&(1<<32-1))
				}
				if filter.IDs != nil {
					slices.Sort(short)
					filter.IDs = short
				}
				return filter.Matches(&user)
			}),
			[]string{ids},
		},
		{
			"forgets the other conditions when it finds by name",
			filtering(func(filter models.Filter, user models.User) bool {
				if filter.Name != "" {
					filter = models.Filter{Name: filter.Name}
				}
				return filter.Matches(&user)
			}),
			[]string{joins, random},
		},
		{
			"lets through who meets one of search and name",
			filtering(func(filter models.Filter, user models.User) bool {
				searched, named := filter, filter
				searched.Name, named.Search = "", ""
				return searched.Matches(&user) || filter.Search != "" && filter.Name != "" && named.Matches(&user)
			}),
			[]string{joins},
		},
		{"counts those whom the filter holds back", breaking(countsAll), []string{"Skip, position and total are of what the filter lets through", ages}},
		{"skips before it filters", breaking(skipsFirst), []string{"Skip, position and total are of what the filter lets through"}},
		{"finds by the name at first", sketched(namesAtFirst), []string{"Every filter and order goes by what is stored now", random}},
		{"finds by addresses that were refused", breaking(indexesRefused), []string{"Every filter and order goes by what is stored now"}},
		{"looks at no more than two thousand users", breaking(looksAtFew), []string{"List answers exactly over thousands of users"}},
	})
}

// letsIn is a filter of times that lets one of its bounds in.
func letsIn(bound func(f *models.Filter) **models.Timestamp, by models.Timestamp) func(filter models.Filter, user models.User) bool {
	return func(filter models.Filter, user models.User) bool {
		if at := bound(&filter); *at != nil {
			moved := **at + by
			*at = &moved
		}
		return filter.Matches(&user)
	}
}

func searchFlaws() []flaw {
	finds := "A search finds each folded part of name and address"
	literally := "A search takes its text as it is"
	within := "A search does not look across the border of name and address"
	contains := func(text, part string) bool { return strings.Contains(models.FoldName(text), part) }
	return []flaw{
		{"searches names alone", searching(func(user models.User, part string) bool { return contains(user.Name, part) }), []string{finds}},
		{
			"searches in lower case",
			searching(inEither(func(text, part string) bool { return strings.Contains(strings.ToLower(text), part) })),
			[]string{finds},
		},
		{
			"searches for addresses by their keys",
			searching(func(user models.User, part string) bool {
				return contains(user.Name, part) || contains(models.EmailKey(user.Email), part)
			}),
			[]string{finds},
		},
		{
			"finds nothing shorter than three characters",
			searching(inEither(func(text, part string) bool { return len([]rune(part)) > 2 && contains(text, part) })),
			[]string{finds, literally, "Whatever was changed, List answers as the plainest list does"},
		},
		{
			"finds the beginnings of words",
			searching(inEither(func(text, part string) bool {
				return strings.HasPrefix(models.FoldName(text), part) || contains(text, " "+part)
			})),
			[]string{finds},
		},
		{
			"takes percent signs and underscores for wildcards",
			searching(inEither(func(text, part string) bool {
				pattern := strings.NewReplacer("%", ".*", "_", ".").Replace(regexp.QuoteMeta(part))
				return regexp.MustCompile(pattern).MatchString(models.FoldName(text))
			})),
			[]string{literally},
		},
		{
			"drops the spaces around what it searches for",
			searching(inEither(func(text, part string) bool { return contains(text, strings.TrimSpace(part)) })),
			[]string{literally},
		},
		{"trusts its trigrams", searching(inEither(trustsTrigrams)), []string{literally}},
		{"searches name and address as one text", searching(func(user models.User, part string) bool { return contains(user.Name+user.Email, part) }), []string{within}},
		{
			"searches name and address with a space between them",
			searching(func(user models.User, part string) bool { return contains(user.Name+" "+user.Email, part) }),
			[]string{within},
		},
		{
			"searches address and name as one text",
			searching(func(user models.User, part string) bool { return contains(user.Email+user.Name, part) }),
			[]string{within},
		},
	}
}

// trustsTrigrams finds a text in which all runs of three characters of the part are somewhere.
func trustsTrigrams(text, part string) bool {
	text = models.FoldName(text)
	runes := []rune(part)
	if len(runes) <= 3 {
		return strings.Contains(text, part)
	}
	for i := range len(runes) - 2 {
		if !strings.Contains(text, string(runes[i:i+3])) {
			return false
		}
	}
	return true
}

func failsForUnknown(b *broken, good *sketch) {
	b.list = func(ctx context.Context, query models.Query) (models.Page, error) {
		for _, id := range query.Filter.IDs {
			if _, err := good.read(id); err != nil {
				return models.Page{}, err
			}
		}
		return good.List(ctx, query)
	}
}

func countsAll(b *broken, good *sketch) {
	b.list = func(ctx context.Context, query models.Query) (models.Page, error) {
		page, err := good.List(ctx, query)
		if query.WithTotal && err == nil {
			all, err := good.List(ctx, models.Query{Limit: 1, WithTotal: true})
			page.Total = all.Total
			return page, err
		}
		return page, err
	}
}

func skipsFirst(b *broken, good *sketch) {
	b.list = func(ctx context.Context, query models.Query) (models.Page, error) {
		if query.Skip == 0 || query.Filter.IsZero() {
			return good.List(ctx, query)
		}
		all, err := good.List(ctx, models.Query{Order: query.Order, Skip: query.Skip, Limit: models.MaxLimit})
		query.Skip = 0
		left := slices.DeleteFunc(all.Users, func(user models.User) bool { return !query.Filter.Matches(&user) })
		return good.page(left, query), err
	}
}

func namesAtFirst(s *sketch) {
	first := make(map[int64]string)
	s.matches = func(filter *models.Filter, user *models.User) bool {
		if _, ok := first[user.ID]; !ok {
			first[user.ID] = user.Name
		}
		if filter.Name != "" && models.CompareFolded(first[user.ID], filter.Name) != 0 {
			return false
		}
		other := *filter
		other.Name = ""
		return other.Matches(user)
	}
}

// indexesRefused has an index of addresses for its filter that learns of every change, also of those
// that are not written.
func indexesRefused(b *broken, good *sketch) {
	refused := make(map[string]int64)
	b.update = func(ctx context.Context, id int64, change change) (models.User, error) {
		var key string
		user, err := good.Update(ctx, id, func(user models.User) (models.User, error) {
			changed, err := change(user)
			key = models.EmailKey(changed.Email)
			return changed, err
		})
		if err != nil {
			refused[key] = id
		}
		return user, err
	}
	b.list = func(ctx context.Context, query models.Query) (models.Page, error) {
		if id, ok := refused[query.Filter.EmailKey]; ok {
			query.Filter.EmailKey, query.Filter.IDs = "", []int64{id}
		}
		return good.List(ctx, query)
	}
}

func looksAtFew(b *broken, good *sketch) {
	b.list = func(ctx context.Context, query models.Query) (models.Page, error) {
		if err := ctx.Err(); err != nil {
			return models.Page{}, err
		}
		users, err := good.all(&models.Filter{})
		users = slices.DeleteFunc(users[:min(2000, len(users))], func(user models.User) bool { return !query.Filter.Matches(&user) })
		return good.page(users, query), err
	}
}
