package tests

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
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
	// match is the version that the user must have, 0 for any.
	match int64
}

// outcome is what it hears.
type outcome struct {
	status int
	user   record
	// version is that of the ETag, 0 when there is none.
	version int64
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
	if in.match != 0 && in.match != now.version {
		return out.status == http.StatusPreconditionFailed && out.version == now.version, now
	}
	switch in.method {
	case http.MethodPut, http.MethodPatch:
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
	const clients, calls, addresses = 8, 100, 3
	svc := testkit.New(t, testkit.Options{})
	var ids, versions [addresses]atomic.Int64 // of the user who was last seen to have the address
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
				in.method = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPut, http.MethodPatch, http.MethodPatch, http.MethodDelete}[random.IntN(7)]
				if changes := in.method != http.MethodGet && in.method != http.MethodPost; changes && random.IntN(3) > 0 {
					in.match = max(1, versions[in.address].Load()-int64(random.IntN(4)/3)) // mostly what was seen last
				}
				operation := porcupine.Operation{ClientId: client, Call: int64(time.Since(begin))}
				out := perform(t, svc, in)
				operation.Return = int64(time.Since(begin))
				if out.status == http.StatusCreated {
					ids[in.address].Store(out.user.id)
				}
				if out.version != 0 {
					versions[in.address].Store(out.version)
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
	for _, status := range []int{200, 201, 204, 404, 409, 412} {
		if outcomes[status] == 0 {
			t.Errorf("nobody was answered %d, so the history proves little: %v", status, outcomes)
		}
	}
}

func perform(t *testing.T, svc *testkit.Service, in call) outcome {
	body, path := fmt.Sprintf(`{"name":"%s","email":"address%d@example.com"}`, in.name, in.address), fmt.Sprintf("/users/%d", in.id)
	switch in.method {
	case http.MethodPost:
		path = "/users/"
	case http.MethodPatch:
		body = fmt.Sprintf(`{"name":"%s"}`, in.name)
	case http.MethodGet, http.MethodDelete:
		body = ""
	}
	condition := "If-Match:"
	if in.match != 0 {
		condition = fmt.Sprintf(`If-Match: "%d"`, in.match)
	}
	answer := svc.Do(t, in.method, path, body, condition)
	out := outcome{status: answer.Status}
	out.version, _ = strconv.ParseInt(strings.Trim(answer.Header.Get("ETag"), `"`), 10, 64)
	if answer.Status == http.StatusOK || answer.Status == http.StatusCreated {
		user := answer.User()
		out.user = record{user.ID, user.Version, user.Name}
	}
	return out
}

// TestUsers_NoLostUpdate has a hundred clients raise the age of one user, each by reading it and
// writing it back under If-Match, and again when somebody else was faster.
func TestUsers_NoLostUpdate(t *testing.T) {
	t.Parallel()
	const clients = 100
	svc := testkit.New(t, testkit.Options{RequireIfMatch: true})
	svc.Create(t, `{"name":"Ada","email":"ada@example.com","age":1}`)
	var late atomic.Int64
	var versions sync.Map
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for {
				read := svc.Get(t, "/users/1").Want(http.StatusOK)
				condition := "If-Match: " + read.Header.Get("ETag")
				age := *read.User().Age + 1
				var answer *testkit.Response
				if client%2 == 0 {
					answer = svc.Patch(t, "/users/1", fmt.Sprintf(`{"age":%d}`, age), condition)
				} else {
					answer = svc.Put(t, "/users/1", fmt.Sprintf(`{"name":"Ada","email":"ada@example.com","age":%d}`, age), condition)
				}
				switch answer.Status {
				case http.StatusOK:
					if _, twice := versions.LoadOrStore(answer.Header.Get("ETag"), true); twice {
						t.Errorf("two writes made the version %s", answer.Header.Get("ETag"))
					}
					return
				case http.StatusPreconditionFailed:
					late.Add(1)
				default:
					t.Errorf("answered %d: %s", answer.Status, answer.Body)
					return
				}
			}
		})
	}
	all.Wait()
	if user := svc.Get(t, "/users/1").User(); *user.Age != 1+clients || user.Version != 1+clients {
		t.Errorf("after %d raises the age is %d at version %d", clients, *user.Age, user.Version)
	}
	if late.Load() == 0 {
		t.Error("nobody was late, so nothing is proved")
	}
}
