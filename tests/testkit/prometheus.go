package testkit

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"userapi/repository/sql/sqltest"
)

// Prometheus is a Prometheus of a test's own.
type Prometheus struct {
	// URL is where it is, without a slash at the end.
	URL string
}

// NewPrometheus starts a Prometheus that scrapes what listens at an address five times a second as the job
// userapi and has the rules of the file. It ends with the test.
func NewPrometheus(tb testing.TB, target, rules string, flags ...string) *Prometheus {
	tb.Helper()
	if _, err := exec.LookPath("prometheus"); err != nil {
		sqltest.Missing(tb, "prometheus is not installed")
	}
	rules, err := filepath.Abs(rules)
	if err != nil {
		tb.Fatal(err)
	}
	dir, addr := tb.TempDir(), FreeAddr(tb)
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf(`
global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
rule_files: [%q]
scrape_configs:
  - job_name: userapi
    static_configs: [{targets: [%q]}]
`, rules, target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	args := append([]string{
		"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + addr, "--log.level=warn",
	}, flags...)
	run(tb, "prometheus", args...).await(tb, addr)
	p := &Prometheus{URL: "http://" + addr}
	Eventually(tb, "Prometheus to be ready", func() bool {
		status, _, _ := Fetch(tb, http.MethodGet, p.URL+"/-/ready")
		return status == http.StatusOK
	})
	return p
}

// Query returns the value of an expression, which must be one number, or false while there is none.
func (p *Prometheus) Query(tb testing.TB, expression string) (float64, bool) {
	tb.Helper()
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	p.ask(tb, "/api/v1/query?query="+url.QueryEscape(expression), &answer)
	if len(answer.Data.Result) != 1 {
		return 0, false
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	return value, err == nil
}

// Rules returns the health of each rule by its name: ok, unknown before it was first looked at, or err.
func (p *Prometheus) Rules(tb testing.TB) map[string]string {
	tb.Helper()
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	p.ask(tb, "/api/v1/rules", &answer)
	health := map[string]string{}
	for _, group := range answer.Data.Groups {
		for _, rule := range group.Rules {
			health[rule.Name] = strings.TrimSpace(rule.Health + " " + rule.LastError)
		}
	}
	return health
}

func (p *Prometheus) ask(tb testing.TB, path string, into any) {
	tb.Helper()
	status, _, body := Fetch(tb, http.MethodGet, p.URL+path)
	if status != http.StatusOK {
		tb.Fatalf("Prometheus says %d: %s", status, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		tb.Fatal(err)
	}
}
