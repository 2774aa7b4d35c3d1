package tests

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"userapi/tests/testkit"
)

// TestUsers_WalksUnderWriters walks over lists of many sorts, forwards and backwards, while writers
// create, change and delete other users: every user that nobody touches is seen exactly once.
func TestUsers_WalksUnderWriters(t *testing.T) {
	t.Parallel()
	const stable, writers, writes = 60, 3, 200
	svc := testkit.New(t, testkit.Options{})
	untouched, aged := []int64{}, []int64{}
	for n := range stable {
		user := svc.Create(t, fmt.Sprintf(`{"name":"Stable %d","email":"stable%02d@example.com","age":%s}`, n%7, n*37%stable, []string{"null", "30", "31"}[n%3]))
		untouched = append(untouched, user.ID)
		if user.Age != nil {
			aged = append(aged, user.ID)
		}
		svc.Create(t, fmt.Sprintf(`{"name":"Loose %d","email":"loose%02d@example.com","age":30}`, n%7, n))
	}
	var writing atomic.Int64
	writing.Store(writers)
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			defer writing.Add(-1)
			disturb(t, svc, writer, writes)
		})
	}
	for query, expected := range map[string][]int64{
		"": untouched, "sort=-id": untouched, "sort=name": untouched, "sort=-name,email": untouched, "sort=email": untouched, "sort=age": untouched, "sort=-age,name": untouched,
		"sort=-created_at": untouched, "sort=updated_at": untouched, "sort=-updated_at,age": untouched, "q=able&sort=name": untouched, "q=%40example&sort=-email": untouched,
		"created_after=2026-01-01T00:00:00Z&sort=created_at": untouched, "age_min=1&sort=-age": aged, "age_max=31": aged,
	} {
		all.Go(func() {
			for limit, quiet := 7, false; !quiet && !t.Failed(); limit = 3 + limit*5%11 {
				quiet = writing.Load() == 0 // then this walk is the last one
				walkUnderWriters(t, svc, fmt.Sprintf("/users/?limit=%d&%s", limit, query), expected)
			}
		})
	}
	all.Wait()
}

// disturb makes and unmakes users who are not stable: those of its own, and those that stand between the
// stable ones.
func disturb(t *testing.T, svc *testkit.Service, writer, writes int) {
	random := rand.New(rand.NewPCG(uint64(writer), 11))
	own := []int64{}
	for n := range writes {
		if len(own) == 0 || random.IntN(3) == 0 {
			user := svc.Create(t, fmt.Sprintf(`{"name":"Stable %d","email":"stab%d.%d@example.com","age":%d}`, random.IntN(9), writer, n, 29+random.IntN(4)))
			own = append(own, user.ID)
			continue
		}
		at := random.IntN(len(own))
		path := fmt.Sprintf("/users/%d", own[at])
		if random.IntN(2) == 0 {
			svc.Delete(t, path).Want(http.StatusNoContent)
			own = slices.Delete(own, at, at+1)
			continue
		}
		svc.Put(t, path, fmt.Sprintf(`{"name":"Stable %d","email":"stab%d.%d@example.com","age":%d}`, random.IntN(9), writer, n, 29+random.IntN(4))).Want(http.StatusOK)
		svc.Patch(t, fmt.Sprintf("/users/%d", 2*(1+random.IntN(60))), fmt.Sprintf(`{"name":"Stable %d","age":%d}`, random.IntN(9), 29+random.IntN(4))).Want(http.StatusOK)
	}
}

// walkUnderWriters walks over a list and, from its last page, back to the first.
func walkUnderWriters(t *testing.T, svc *testkit.Service, path string, expected []int64) {
	once := func(direction string, seen map[int64]int) {
		for _, id := range expected {
			if seen[id] != 1 {
				t.Errorf("%s: on the way %s user %d was seen %d times", path, direction, id, seen[id])
			}
		}
	}
	count := func(seen map[int64]int, page testkit.Page) {
		for _, id := range page.IDs() {
			seen[id]++
		}
	}
	page, forth := svc.Get(t, path).Want(http.StatusOK).Page(), map[int64]int{}
	count(forth, page)
	for page.NextCursor != nil {
		page = svc.Get(t, path+"&cursor="+*page.NextCursor).Want(http.StatusOK).Page()
		count(forth, page)
	}
	once("there", forth)
	back := map[int64]int{}
	count(back, page)
	for page.PrevCursor != nil {
		page = svc.Get(t, path+"&cursor="+*page.PrevCursor).Want(http.StatusOK).Page()
		count(back, page)
	}
	once("back", back)
}

// TestUsers_ReadYourWrites has clients look for what was acknowledged a moment ago, each in every way
// that there is to find it, while others write.
func TestUsers_ReadYourWrites(t *testing.T) {
	t.Parallel()
	const clients, rounds = 6, 15
	svc := testkit.New(t, testkit.Options{})
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for round := range rounds {
				address, moved := fmt.Sprintf("c%dr%da", client, round), fmt.Sprintf("c%dr%db", client, round)
				body := fmt.Sprintf(`{"name":"Name %[1]s","email":"%[1]s@example.com","age":%[2]d}`, address, 1+client)
				user := svc.Create(t, body)
				finds(t, svc, address, 1+client, &user)
				changed := svc.Patch(t, fmt.Sprintf("/users/%d", user.ID), fmt.Sprintf(`{"name":"Name %[1]s","email":"%[1]s@example.com","age":%[2]d}`, moved, 50+client)).Want(http.StatusOK).User()
				finds(t, svc, address, 1+client, nil)
				finds(t, svc, moved, 50+client, &changed)
				if round%2 == 0 {
					svc.Delete(t, fmt.Sprintf("/users/%d", user.ID)).Want(http.StatusNoContent)
				} else {
					svc.Batch(t, "", opDelete(user.ID)).WantResults("atomic", 204)
				}
				finds(t, svc, moved, 50+client, nil)
			}
		})
	}
	all.Wait()
	if n := users(t, svc); n != 0 {
		t.Errorf("%d users are left", n)
	}
}

// finds looks for the user with a name and an address of their own, in a crowd of users: it must be this
// one, or nobody.
func finds(t *testing.T, svc *testkit.Service, address string, age int, user *testkit.User) {
	t.Helper()
	byEmail := svc.Get(t, "/users/by-email/"+address+"@example.com")
	if user == nil {
		byEmail.Want(http.StatusNotFound)
	} else if got := byEmail.Want(http.StatusOK).User(); !got.Equal(*user) {
		t.Errorf("by address there is %+v, want %+v", got, *user)
	}
	for _, query := range []string{
		"email=" + address + "@example.com", "name=name+" + address, "q=e+" + address + "&include_total=true", "q=" + address + "@ex&sort=-updated_at",
		fmt.Sprintf("age=%d&name=Name%%20%s&sort=name", age, address),
	} {
		page := svc.Get(t, "/users/?"+query).Want(http.StatusOK).Page()
		switch {
		case user == nil && len(page.Items) > 0:
			t.Errorf("%s finds %+v, and should find nobody", query, page.Items)
		case user != nil && (len(page.Items) != 1 || !page.Items[0].Equal(*user)):
			t.Errorf("%s finds %+v, and should find %+v", query, page.Items, *user)
		}
	}
	newest := svc.Get(t, "/users/?sort=-id&limit=1000").Want(http.StatusOK).Page()
	if user != nil && !slices.ContainsFunc(newest.Items, user.Equal) {
		t.Errorf("the list has not %+v", *user)
	}
}
