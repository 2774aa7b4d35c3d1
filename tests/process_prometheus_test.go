package tests

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"userapi/tests/testkit"
)

// TestProcess_Prometheus has a real Prometheus scrape the built binary.
func TestProcess_Prometheus(t *testing.T) {
	t.Parallel()
	const reads = `{http_request_method="GET",http_route="/users/:id",http_response_status_code="200"}`
	for _, c := range []struct {
		kind, count, quantile string
		flags                 []string
	}{
		{
			"classic", "http_server_request_duration_seconds_count" + reads,
			"histogram_quantile(0.99, http_server_request_duration_seconds_bucket" + reads + ")", nil,
		},
		{
			"native", "histogram_count(http_server_request_duration_seconds" + reads + ")",
			"histogram_quantile(0.99, http_server_request_duration_seconds" + reads + ")",
			[]string{"--enable-feature=native-histograms"},
		},
	} {
		t.Run("it scrapes an instance, with "+c.kind+" histograms", func(t *testing.T) {
			t.Parallel()
			p := testkit.Start{Args: []string{"--set", "admin.addr=127.0.0.1:0"}}.Binary(t)
			prometheus := testkit.NewPrometheus(t, strings.TrimPrefix(adminURL(t, p), "http://"), filepath.Join("..", "deploy", "prometheus", "userapi.rules.yml"), c.flags...)
			p.Create(t, ada)
			const sent = 7
			for range sent {
				p.Get(t, "/users/1").Want(http.StatusOK)
			}
			is := func(expression string, want float64) {
				t.Helper()
				testkit.Eventually(t, expression, func() bool {
					value, there := prometheus.Query(t, expression)
					return there && value == want
				})
			}
			is(`up{job="userapi"}`, 1)
			is(c.count, sent)
			is(`userapi_ready{job="userapi"}`, 1)
			is(`userapi_users`, 1)
			is(`count(userapi_build_info)`, 1)
			if seconds, there := prometheus.Query(t, c.quantile); !there || seconds <= 0 || seconds > 10 {
				t.Errorf("99 of 100 reads take %v s (there: %v)", seconds, there)
			}
			testkit.Eventually(t, "all rules to be looked at", func() bool {
				for _, health := range prometheus.Rules(t) {
					if health == "unknown" {
						return false
					}
				}
				return true
			})
			rules := prometheus.Rules(t)
			for name, health := range rules {
				if health != "ok" {
					t.Errorf("%s: %s", name, health)
				}
			}
			if len(rules) < 15 || rules["UserapiDown"] == "" {
				t.Errorf("the rules are %v", rules)
			}
			if c.kind == "classic" {
				for _, expression := range dashboard(t) {
					prometheus.Query(t, expression) // what it does not understand ends the test
				}
				testkit.Eventually(t, "the share of failures", func() bool {
					p.Get(t, "/users/1").Want(http.StatusOK) // without requests there is none
					value, there := prometheus.Query(t, "userapi:failures:ratio_rate5m")
					return there && value == 0
				})
			}
		})
	}
}

// dashboard returns what the dashboard asks Prometheus, with its variables filled in.
func dashboard(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "deploy", "grafana", "dashboards", "userapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	filled := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*", "$instance", ".*")
	for _, panel := range file.Panels {
		for _, target := range panel.Targets {
			expressions = append(expressions, filled.Replace(target.Expr))
		}
	}
	if len(expressions) < 30 {
		t.Fatalf("it asks %d questions", len(expressions))
	}
	return expressions
}
