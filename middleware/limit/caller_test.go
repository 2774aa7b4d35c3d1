package limit

import (
	"strings"
	"testing"

	"userapi/models"
)

func TestCallerOf(t *testing.T) {
	t.Parallel()
	ada, basic := &models.Principal{Name: "ada", Method: "api_key"}, &models.Principal{Name: "ada", Method: "basic"}
	cases := []struct {
		says string
		a, b visit
		same bool
	}{
		{"an address is one caller, whatever the port", visit{from: "192.0.2.1:1"}, visit{from: "192.0.2.1:2"}, true},
		{"two addresses of IPv4 are two", visit{from: "192.0.2.1:1"}, visit{from: "192.0.2.2:1"}, false},
		{"64 bits of IPv6 are one caller", visit{from: "[2001:db8::1]:1"}, visit{from: "[2001:db8::ffff:1:2]:1"}, true},
		{"other 64 bits are another one", visit{from: "[2001:db8::1]:1"}, visit{from: "[2001:db8:0:1::1]:1"}, false},
		{"a zone makes no difference", visit{from: "[fe80::1%eth0]:1"}, visit{from: "[fe80::1%eth1]:1"}, true},
		{"IPv4 in IPv6 is IPv4", visit{from: "[::ffff:192.0.2.1]:1"}, visit{from: "192.0.2.1:1"}, true},
		{"and whole, not by 64 bits", visit{from: "[::ffff:192.0.2.1]:1"}, visit{from: "[::ffff:192.0.2.2]:1"}, false},
		{"what a stranger forwards does not count", visit{from: "192.0.2.1:1", forwarded: "198.51.100.7"}, visit{from: "192.0.2.1:1"}, true},
		{"what a trusted proxy forwards does", visit{from: "10.1.1.1:1", forwarded: "198.51.100.7"}, visit{from: "198.51.100.7:1"}, true},
		{"only the last hop before it", visit{from: "10.1.1.1:1", forwarded: "203.0.113.9, 198.51.100.7"}, visit{from: "198.51.100.7:1"}, true},
		{"IPv6 behind a proxy is by 64 bits too", visit{from: "10.1.1.1:1", forwarded: "2001:db8::1"}, visit{from: "[2001:db8::2]:1"}, true},
		{"two proxies with one client are one caller", visit{from: "10.1.1.1:1", forwarded: "198.51.100.7"}, visit{from: "10.1.1.2:1", forwarded: "198.51.100.7"}, true},
		{"a principal is one caller wherever he is", visit{from: "192.0.2.1:1", by: ada}, visit{from: "192.0.2.2:1", by: ada}, true},
		{"two names are two", visit{by: ada}, visit{by: &models.Principal{Name: "bob", Method: "api_key"}}, false},
		{"so is one name proved by two methods", visit{by: ada}, visit{by: basic}, false},
		{"a name is not an address", visit{from: "192.0.2.1:1", by: ada}, visit{from: "192.0.2.1:1"}, false},
		{"nobody known is an address", visit{from: "192.0.2.1:1", by: new(models.Principal)}, visit{from: "192.0.2.1:1"}, true},
		{"those without an address share one budget", visit{from: "@"}, visit{from: ""}, true},
	}
	seeds := newTable(1).seeds
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			first, _ := c.a.context(t)
			second, _ := c.b.context(t)
			a, b := callerOf(first.Request.Context(), first), callerOf(second.Request.Context(), second)
			if (a.key(&seeds) == b.key(&seeds)) != c.same {
				t.Errorf("%+v and %+v are the same here: %v", a, b, !c.same)
			}
			if (a.name(nil, 0) == b.name(nil, 0)) != c.same {
				t.Errorf("%+v and %+v are the same in Redis: %v", a, b, !c.same)
			}
		})
	}
}

func TestCaller_name(t *testing.T) {
	t.Parallel()
	first, _ := visit{from: "192.0.2.1:1"}.context(t)
	address := callerOf(t.Context(), first)
	t.Run("it shows neither name nor address, and depends on the secret and the budget", func(t *testing.T) {
		t.Parallel()
		ada := caller{principal: &models.Principal{Name: "ada", Method: "basic"}}
		names := map[string]bool{}
		for _, secret := range []string{"one", "two"} {
			for budget := range budgets {
				for _, who := range []caller{address, ada} {
					name := who.name([]byte(secret), budget)
					if strings.Contains(name, "192") || strings.Contains(name, "ada") || names[name] {
						t.Errorf("%s", name)
					}
					names[name] = true
				}
			}
		}
	})
	t.Run("who fails at an address has another key than who is there without a name", func(t *testing.T) {
		t.Parallel()
		failing := address
		failing.failing = true
		seeds := newTable(1).seeds
		if failing.key(&seeds) == address.key(&seeds) {
			t.Error("it is the same")
		}
	})
}
