package tests

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"userapi/tests/testkit"
)

// TestInstances_Cursors walks over lists by cursors that one instance has made and another one reads.
func TestInstances_Cursors(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, sharedRedis(t))
	untouched := crowdOf(t, f.instances[0].Client, "Walked", 60)
	t.Run("a cursor of one instance works at the others, for every sort, in both directions", func(t *testing.T) {
		sorts := []string{"name,-age", "-age,created_at,-email"}
		for _, key := range []string{"id", "name", "email", "age", "created_at", "updated_at"} {
			sorts = append(sorts, key, "-"+key)
		}
		for _, sort := range sorts {
			roundTrip(t, f, "/users/?sort="+sort)
		}
		roundTrip(t, f, "/users/?age_min=5&q=walked&sort=-name")
	})
	t.Run("a walk under concurrent writers returns every untouched user exactly once", func(t *testing.T) {
		client := f.anywhere(t)
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for n := range 4 {
			writers.Go(func() { bustle(t, client, n, stop) })
		}
		for _, sort := range []string{"id", "-id", "name", "-created_at", "updated_at", "-email", "age"} {
			seen := map[int64]int{}
			for _, page := range walked(t, client, "/users/?limit=5&sort="+sort, 1000) {
				for _, id := range page.IDs() {
					seen[id]++
				}
			}
			for _, id := range untouched {
				if seen[id] != 1 {
					t.Errorf("sort %s: user %d came %d times", sort, id, seen[id])
				}
			}
		}
		close(stop)
		writers.Wait()
	})
}

// roundTrip walks to the end of a list and back, each page asked of another instance, and compares
// with the whole list of the first one.
func roundTrip(t *testing.T, f *fleet, path string) {
	t.Helper()
	turn := 0
	get := func(path string) testkit.Page {
		turn++
		return f.instances[turn%len(f.instances)].Get(t, path).Want(http.StatusOK).Page()
	}
	whole := f.instances[0].Get(t, path+"&limit=1000").Want(http.StatusOK).Page().IDs()
	path += "&limit=7"
	page := get(path)
	seen := page.IDs()
	for page.NextCursor != nil {
		page = get(path + "&cursor=" + *page.NextCursor)
		seen = append(seen, page.IDs()...)
	}
	if !slices.Equal(seen, whole) {
		t.Errorf("%s: walked over %v, want %v", path, seen, whole)
	}
	back := page.IDs()
	for page.PrevCursor != nil {
		page = get(path + "&cursor=" + *page.PrevCursor)
		back = append(page.IDs(), back...)
	}
	if !slices.Equal(back, whole) {
		t.Errorf("%s: walked back over %v, want %v", path, back, whole)
	}
}

// bustle creates, changes and deletes users of its own until it is told to stop.
func bustle(t *testing.T, client *testkit.Client, writer int, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		name := string(rune('A' + n%26))
		user := client.Create(t, fmt.Sprintf(`{"name":"%s","email":"%s.bustle%d.%d@example.com","age":%d}`, name, name, writer, n, 1+n%100))
		path := fmt.Sprintf("/users/%d", user.ID)
		client.Patch(t, path, fmt.Sprintf(`{"name":"%s","age":%d}`, string(rune('Z'-n%26)), 1+(n*7)%100)).Want(http.StatusOK)
		if n%3 > 0 {
			client.Delete(t, path).Want(http.StatusNoContent)
		}
	}
}
