package main

import (
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// seededShelf is what the driver would know of a store of so many seeds, and the seeds as the store
// would answer them.
func seededShelf(users int) (*shelf, []person) {
	s := &shelf{users: users, random: rand.New(rand.NewPCG(1, 2))}
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var people []person
	for i := range users {
		n := int64(i) + 1
		at := begin.Add(time.Duration(i) * time.Microsecond).Format("2006-01-02T15:04:05.000000Z")
		u := person{ID: n, Name: seedName(n), Email: seedEmail(n), CreatedAt: at, UpdatedAt: at, Version: 1}
		if age := seedAge(n); age != 0 {
			u.Age = &age
		}
		s.ages[seedAge(n)]++
		if users/10 <= i && i < users*9/10 {
			s.instants = append(s.instants, instant{i, at})
		}
		people = append(people, u)
	}
	return s, people
}

func TestFiltered(t *testing.T) {
	s, people := seededShelf(fewestUsers)
	for _, l := range filtered() {
		t.Run("the smallest store fills the page: "+l.name, func(t *testing.T) {
			asks, err := l.asks(t.Context(), s, 50)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range asks {
				met := int64(0)
				for i := range people {
					if people[i].meets(a.query) == nil {
						met++
					}
				}
				if met < int64(l.want) || l.want == 1 && met != 1 {
					t.Errorf("%s: %d users where %d are due", a.path(), met, l.want)
				}
				if total := a.query.Has("include_total"); total && (met < a.least || met > a.most) {
					t.Errorf("%s: %d users, but a total of %d to %d is taken for right", a.path(), met, a.least, a.most)
				}
			}
		})
	}
}

func TestSeedAge(t *testing.T) {
	s, _ := seededShelf(fewestUsers)
	t.Run("there are users of every age and some without one", func(t *testing.T) {
		for age, users := range s.ages {
			if users == 0 {
				t.Errorf("nobody is %d", age)
			}
		}
	})
	t.Run("a popular age fills a page", func(t *testing.T) {
		for age := firstPopularAge; age <= lastPopularAge; age += popularAgeStep {
			if s.ages[age] < pageLimit {
				t.Errorf("%d users are %d", s.ages[age], age)
			}
		}
	})
}

func TestSorts(t *testing.T) {
	t.Run("every key is there in both directions", func(t *testing.T) {
		for _, key := range []string{"id", "name", "email", "age", "created_at", "updated_at"} {
			if !slices.Contains(sorts(), key) || !slices.Contains(sorts(), "-"+key) {
				t.Errorf("%s is missing in %q", key, sorts())
			}
		}
	})
	t.Run("two are of several keys", func(t *testing.T) {
		several := slices.DeleteFunc(sorts(), func(sort string) bool { return !strings.Contains(sort, ",") })
		if len(several) != 2 {
			t.Errorf("they are %q", several)
		}
	})
}

func TestPage_fault(t *testing.T) {
	total := func(n int64) *int64 { return &n }
	young, old := int64(20), int64(50)
	people := []person{
		{ID: 1, Name: "Ada", Email: "z@example.com", Age: &old, CreatedAt: "2026-01-02T03:04:05.000001Z"},
		{ID: 2, Name: "bob", Email: "y@example.com", Age: &young, CreatedAt: "2026-01-02T03:04:05.000002Z"},
		{ID: 3, Name: "Eve", Email: "x@example.com", CreatedAt: "2026-01-02T03:04:05.000002Z"},
	}
	for _, c := range []struct {
		name  string
		page  page
		ask   ask
		fault bool
	}{
		{"all as it was asked for", page{Items: people}, asking(), false},
		{"one user is missing", page{Items: people[:2]}, asking(), true},
		{"two users stand the wrong way round", page{Items: []person{people[0], people[2], people[1]}}, asking(), true},
		{"a user comes twice", page{Items: []person{people[0], people[1], people[1]}}, asking(), true},
		{"names are sorted whatever their case", page{Items: people}, asking("sort", "name"), false},
		{"addresses go down", page{Items: people}, asking("sort", "-email"), false},
		{"addresses do not go up", page{Items: people}, asking("sort", "email"), true},
		{"no age comes last, up", page{Items: []person{people[1], people[0], people[2]}}, asking("sort", "age"), false},
		{"no age comes last, down", page{Items: people}, asking("sort", "-age"), false},
		{"no age does not come first", page{Items: []person{people[2], people[0], people[1]}}, asking("sort", "-age"), true},
		{"the second key decides where the first is equal", page{Items: []person{people[2], people[1], people[0]}}, asking("sort", "-created_at,email"), false},
		{"the id decides last", page{Items: []person{people[0], people[2], people[1]}}, asking("sort", "created_at"), true},
		{"a user who does not meet the filter", page{Items: people}, asking("age_min", "20"), true},
		{"a text is found in name or address", page{Items: people}, asking("q", "E"), false},
		{"a text that a user does not have", page{Items: people}, asking("q", "ada"), true},
		{"a total within its bounds", page{Items: people, Total: total(3)}, ask{query: url.Values{"include_total": {"true"}}, least: 3, most: 3}, false},
		{"a total beyond them", page{Items: people, Total: total(4)}, ask{query: url.Values{"include_total": {"true"}}, least: 3, most: 3}, true},
		{"no total", page{Items: people}, ask{query: url.Values{"include_total": {"true"}}, least: 3, most: 3}, true},
		{"a total that nobody asked for", page{Items: people, Total: total(3)}, asking(), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.page.fault(c.ask, len(people)); (err != nil) != c.fault {
				t.Errorf("fault = %v", err)
			}
		})
	}
}

func TestAppendBatch(t *testing.T) {
	t.Run("a batch holds users of whom no two have one address", func(t *testing.T) {
		seen := map[string]bool{}
		script := (&bench{}).batchTraffic("127.0.0.1:8080").script
		for connection := range 2 {
			next := script(connection)
			for range 2 {
				_, body, _ := cutHead(next())
				var batch struct {
					Operations []struct {
						Op   string
						User struct{ Name, Email string }
					}
				}
				if err := json.Unmarshal(body, &batch); err != nil {
					t.Fatal(err)
				}
				if len(batch.Operations) != seedBatch {
					t.Errorf("%d operations", len(batch.Operations))
				}
				for _, op := range batch.Operations {
					if op.Op != "create" || len(op.User.Name) != 20 || seen[op.User.Email] {
						t.Fatalf("operation %+v", op)
					}
					seen[op.User.Email] = true
				}
			}
		}
	})
}
