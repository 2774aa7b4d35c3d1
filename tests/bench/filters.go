package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// filtered lists the filters whose first pages are measured. Each lets so many seeds through that the
// pages of the small store are as long as those of the large one.
func filtered() []listing {
	return []listing{
		first("email", 1, func(s *shelf) ask {
			return asking("email", seedEmail(s.anybody()))
		}),
		first("name", 1, func(s *shelf) ask {
			return asking("name", seedName(s.anybody()))
		}),
		first("ids", pageLimit, func(s *shelf) ask {
			ids := make(map[int64]bool)
			var words []string
			for len(ids) < pageLimit {
				if id := s.anybody(); !ids[id] {
					ids[id] = true
					words = append(words, strconv.FormatInt(id, 10))
				}
			}
			return asking("ids", strings.Join(words, ","))
		}),
		first("age", pageLimit, func(s *shelf) ask {
			return asking("age", strconv.Itoa(s.popularAge()))
		}),
		first("age_min", pageLimit, func(s *shelf) ask {
			return asking("age_min", strconv.Itoa(1+s.random.IntN(100)))
		}),
		first("age_min and age_max", pageLimit, (*shelf).someAges),
		first("created_after", pageLimit, func(s *shelf) ask {
			return asking("created_after", s.anytime().at)
		}),
		first("created_before", pageLimit, func(s *shelf) ask {
			return asking("created_before", s.anytime().at)
		}),
		first("created_after, sort=-created_at", pageLimit, func(s *shelf) ask {
			return asking("created_after", s.anytime().at, "sort", "-created_at")
		}),
		first("include_total of an age range", pageLimit, func(s *shelf) ask {
			a := s.someAges()
			low, _ := strconv.Atoi(a.query.Get("age_min"))
			high, _ := strconv.Atoi(a.query.Get("age_max"))
			for _, count := range s.ages[low : high+1] {
				a.least += count
			}
			a.most = a.least
			a.query.Set("include_total", "true")
			return a
		}),
		first("include_total of a time range", pageLimit, (*shelf).sometime),
	}
}

// first is a list of which first pages are read.
func first(name string, want int, pick func(s *shelf) ask) listing {
	return listing{fmt.Sprintf("first page, %s", name), func(_ context.Context, s *shelf, count int) ([]ask, error) {
		asks := make([]ask, count)
		for i := range asks {
			asks[i] = pick(s)
		}
		return asks, nil
	}, want}
}

// asking makes a request for a page of parameters, which are names and values in turn.
func asking(parameters ...string) ask {
	query := url.Values{"limit": {strconv.Itoa(pageLimit)}}
	for i := 0; i < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	return ask{query: query}
}

// anybody returns the number of a seed, which may but need not be its id.
func (s *shelf) anybody() int64 { return 1 + s.random.Int64N(int64(s.users)) }

func (s *shelf) anytime() instant { return s.instants[s.random.IntN(len(s.instants))] }

func (s *shelf) popularAge() int {
	return firstPopularAge + popularAgeStep*s.random.IntN(1+(lastPopularAge-firstPopularAge)/popularAgeStep)
}

// someAges asks for ten years of age, of which one is popular.
func (s *shelf) someAges() ask {
	low := s.popularAge() - s.random.IntN(popularAgeStep)
	return asking("age_min", strconv.Itoa(low), "age_max", strconv.Itoa(low+popularAgeStep-1))
}

// sometime asks for an interval of times and for the number of its users. Seeds that were created in
// one microsecond may be missing at its ends.
func (s *shelf) sometime() ask {
	const twins = 64
	var from, to int
	for s.instants[to].number-s.instants[from].number <= pageLimit+twins {
		from, to = s.random.IntN(len(s.instants)), s.random.IntN(len(s.instants))
	}
	a := asking("created_after", s.instants[from].at, "created_before", s.instants[to].at, "include_total", "true")
	a.most = int64(s.instants[to].number - s.instants[from].number - 1)
	a.least = a.most - twins
	return a
}
