package tests

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"userapi/tests/testkit"
)

func TestUsers_OneEmailOneUser(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	const requests = 1000
	var created, clashed atomic.Int64
	var all sync.WaitGroup
	start := make(chan struct{})
	for n := range requests {
		email := []byte("one.address@example.com")
		for i := range email { // any of the ways to write it
			if n>>(i%10)&1 == 1 {
				email[i] = strings.ToUpper(string(email[i]))[0]
			}
		}
		all.Go(func() {
			<-start
			switch answer := svc.Post(t, "/users/", fmt.Sprintf(`{"name":"Ada","email":"%s"}`, email)); answer.Status {
			case http.StatusCreated:
				created.Add(1)
			case http.StatusConflict:
				clashed.Add(1)
			}
		})
	}
	close(start)
	all.Wait()
	if created.Load() != 1 || clashed.Load() != requests-1 {
		t.Errorf("%d created and %d clashed of %d", created.Load(), clashed.Load(), requests)
	}
	if page := svc.Get(t, "/users/?include_total=true").Page(); *page.Total != 1 {
		t.Errorf("%d users", *page.Total)
	}
}

// call is what a client does to the users who may have one address after each other.
type call struct {
	method  string
	address int
	id      int64
	name    string
}

// outcome is what it hears.
type outcome struct {
	status int
	user   record
}

// record is the user who has an address; the zero record is nobody.
type record struct {
	id, version int64
	name        string
}

// addressModel is the sequential life of one address. Addresses do not touch each other, so each is
// judged alone.
func addressModel() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byAddress := map[int][]porcupine.Operation{}
			for _, operation := range history {
				address := operation.Input.(call).address
				byAddress[address] = append(byAddress[address], operation)
			}
			parts := [][]porcupine.Operation{}
			for _, part := range byAddress {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return record{} },
		Step: func(state, input, output any) (bool, any) {
			return follows(state.(record), input.(call), output.(outcome))
		},
		Equal:             func(a, b any) bool { return a == b },
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
	}
}

// follows says whether an outcome is right in a state, and what comes of it.
func follows(now record, in call, out outcome) (bool, record) {
	if in.method == http.MethodPost {
		if now.id != 0 {
			return out.status == http.StatusConflict, now
		}
		return out.status == http.StatusCreated && out.user.version == 1 && out.user.name == in.name, out.user
	}
	if now.id == 0 || now.id != in.id {
		return out.status == http.StatusNotFound, now
	}
	switch in.method {
	case http.MethodPut:
		next := now
		if next.name != in.name {
			next.name, next.version = in.name, now.version+1
		}
		return out.status == http.StatusOK && out.user == next, next
	case http.MethodDelete:
		return out.status == http.StatusNoContent, record{}
	}
	return out.status == http.StatusOK && out.user == now, now
}

// TestUsers_Linearizable lets clients meet on few users and asks porcupine whether what they heard can
// be told as a story of one thing after the other.
func TestUsers_Linearizable(t *testing.T) {
	t.Parallel()
	const clients, calls, addresses = 8, 80, 3
	svc := testkit.New(t, testkit.Options{})
	var ids [addresses]atomic.Int64 // the user who was last seen to have the address
	var mu sync.Mutex
	var history []porcupine.Operation
	var all sync.WaitGroup
	begin := time.Now()
	for client := range clients {
		random := rand.New(rand.NewPCG(uint64(client), 7))
		all.Go(func() {
			for range calls {
				in := call{address: random.IntN(addresses), name: fmt.Sprintf("name %d", random.IntN(5))}
				in.id = ids[in.address].Load()
				in.method = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPut, http.MethodDelete}[random.IntN(5)]
				operation := porcupine.Operation{ClientId: client, Call: int64(time.Since(begin))}
				out := perform(t, svc, in)
				operation.Return = int64(time.Since(begin))
				if out.status == http.StatusCreated {
					ids[in.address].Store(out.user.id)
				}
				operation.Input, operation.Output = in, out
				mu.Lock()
				history = append(history, operation)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if result := porcupine.CheckOperationsTimeout(addressModel(), history, 20*time.Second); result != porcupine.Ok {
		t.Errorf("the history of %d calls is %v", len(history), result)
	}
	outcomes := map[int]int{}
	for _, operation := range history {
		outcomes[operation.Output.(outcome).status]++
	}
	for _, status := range []int{200, 201, 204, 404, 409} {
		if outcomes[status] == 0 {
			t.Errorf("nobody was answered %d, so the history proves little: %v", status, outcomes)
		}
	}
}

func perform(t *testing.T, svc *testkit.Service, in call) outcome {
	body := fmt.Sprintf(`{"name":"%s","email":"address%d@example.com"}`, in.name, in.address)
	path := fmt.Sprintf("/users/%d", in.id)
	switch in.method {
	case http.MethodPost:
		path = "/users/"
	case http.MethodGet, http.MethodDelete:
		body = ""
	}
	answer := svc.Do(t, in.method, path, body)
	out := outcome{status: answer.Status}
	if answer.Status == http.StatusOK || answer.Status == http.StatusCreated {
		user := answer.User()
		out.user = record{user.ID, user.Version, user.Name}
	}
	return out
}
