package main

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// page is what the service answers to a request for a list.
type page struct {
	Items []person `json:"items"`
	Total *int64   `json:"total"`
	Next  *string  `json:"next_cursor"`
	Prev  *string  `json:"prev_cursor"`
}

// person is a user of the service. Times stay as they are written, for they all have one form, in
// which the order of the texts is that of the times.
type person struct {
	ID        int64  `json:"id"`
	Name      string `json:"name"`
	Email     string `json:"email"`
	Age       *int64 `json:"age"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
	Version   int64  `json:"version"`
}

// fault says what is wrong with the answer to a request, or nil. want is how many users are due, or
// negative when any number is right.
func (p *page) fault(a ask, want int) error {
	if want >= 0 && len(p.Items) != want {
		return fmt.Errorf("%d users where %d are due", len(p.Items), want)
	}
	for i := range p.Items {
		if err := p.Items[i].meets(a.query); err != nil {
			return err
		}
		if i > 0 && compare(a.query.Get("sort"), &p.Items[i-1], &p.Items[i]) >= 0 {
			return fmt.Errorf("user %d stands behind user %d", p.Items[i].ID, p.Items[i-1].ID)
		}
	}
	switch {
	case (p.Total == nil) != (a.query.Get("include_total") == ""):
		return fmt.Errorf("a total that was not asked for, or none that was")
	case p.Total != nil && (*p.Total < a.least || *p.Total > a.most):
		return fmt.Errorf("a total of %d where %d to %d are due", *p.Total, a.least, a.most)
	}
	return nil
}

// meets says which condition of a query a user does not meet, or nil.
func (u *person) meets(query url.Values) error {
	for parameter, values := range query {
		met, value := true, values[0]
		number, _ := strconv.ParseInt(value, 10, 64)
		switch parameter {
		case "email":
			met = strings.EqualFold(u.Email, value)
		case "name":
			met = strings.EqualFold(u.Name, value)
		case "q":
			value = strings.ToLower(value)
			met = strings.Contains(strings.ToLower(u.Name), value) || strings.Contains(strings.ToLower(u.Email), value)
		case "ids":
			met = slices.Contains(strings.Split(value, ","), strconv.FormatInt(u.ID, 10))
		case "age":
			met = u.Age != nil && *u.Age == number
		case "age_min":
			met = u.Age != nil && *u.Age >= number
		case "age_max":
			met = u.Age != nil && *u.Age <= number
		case "created_after":
			met = u.CreatedAt > value
		case "created_before":
			met = u.CreatedAt < value
		}
		if !met {
			return fmt.Errorf("user %d does not meet %s=%s", u.ID, parameter, value)
		}
	}
	return nil
}

// compare tells the order of two users under a value of the parameter sort. Names and addresses of
// those whom this program creates are ASCII.
func compare(sort string, a, b *person) int {
	for word := range strings.SplitSeq(sort, ",") {
		key, descending := strings.CutPrefix(word, "-")
		c := 0
		switch key {
		case "id":
			c = cmp.Compare(a.ID, b.ID)
		case "name":
			c = strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		case "email":
			c = strings.Compare(strings.ToLower(a.Email), strings.ToLower(b.Email))
		case "created_at":
			c = strings.Compare(a.CreatedAt, b.CreatedAt)
		case "updated_at":
			c = strings.Compare(a.UpdatedAt, b.UpdatedAt)
		case "age":
			switch {
			case a.Age != nil && b.Age != nil:
				c = cmp.Compare(*a.Age, *b.Age)
			case a.Age != nil:
				return -1 // unknown ages come last in either direction
			case b.Age != nil:
				return 1
			}
		}
		if descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(a.ID, b.ID)
}
