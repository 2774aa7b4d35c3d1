package tests

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/redis/go-redis/v9"

	"userapi/tests/testkit"
)

// TestInstances_OtherUsers has two services with databases of their own share a Redis.
func TestInstances_OtherUsers(t *testing.T) {
	t.Parallel()
	t.Run("none is shown a user of the other's", func(t *testing.T) {
		t.Parallel()
		server := testkit.NewRedis(t)
		admin := redis.NewClient(&redis.Options{Addr: server.Addr})
		defer admin.Close()
		services, users := []*testkit.Process{}, []testkit.User{}
		for n := range 2 {
			f := newFleet(t, 1, "USERAPI_CACHE_REDIS="+server.Addr, "USERAPI_STORAGE_TIMEOUT=2s")
			services = append(services, f.instances[0])
			users = append(users, f.instances[0].Create(t, named(n, `"Ada"`)))
		}
		if users[0].ID != users[1].ID {
			t.Fatalf("ids %d and %d", users[0].ID, users[1].ID)
		}
		path := fmt.Sprintf("/users/%d", users[0].ID)
		awaitLong(t, "both to keep the user", func() bool {
			for n, service := range services {
				if seen := service.Get(t, path).Want(http.StatusOK).User(); !seen.Equal(users[n]) {
					t.Fatalf("service %d shows %+v, not %+v", n, seen, users[n])
				}
			}
			return len(admin.Keys(t.Context(), fmt.Sprintf("*:%d", users[0].ID)).Val()) >= 2
		})
		for n, service := range services {
			if seen := service.Get(t, path).Want(http.StatusOK).User(); !seen.Equal(users[n]) {
				t.Errorf("service %d shows %+v, not %+v", n, seen, users[n])
			}
		}
	})
}
