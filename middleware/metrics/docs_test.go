package metrics

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
)

var update = flag.Bool("update", false, "write the tables in docs/metrics.md anew")

// everything returns metrics of which each has been used.
func everything(t *testing.T) *Metrics {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	m := New(Build{"v1.2.3", "abc", "go1.26"})
	m.SetUsers(func() int64 { return 1 })
	m.SetReady(func() bool { return true })
	m.SetLogLinesDropped(func() int64 { return 1 })
	m.SetSpansDropped(func() int64 { return 1 })
	m.SetShedding(func() Shedding { return Shedding{Most: 1, Shed: 1} })
	m.SetCallers(func() Callers { return Callers{Known: 1} })
	m.SetCertificate(func() time.Time { return time.Unix(1_800_000_000, 0) })
	m.SetIssuerKeys(func() time.Time { return time.Unix(1_800_000_000, 0) })
	m.SetCache(func() Cache { return Cache{Level: "redis", Hits: 1} })
	m.SetDatabase(func() Database { return Database{Engine: "postgres", Pools: []Pool{{Name: "shared", Used: 1}}} })
	m.Auth("api_key", "ok")
	m.Limit("reads", "allowed")
	_, end := m.Store("postgres")(t.Context(), "get")
	end(nil)
	e := engine(m)
	e.POST("/users/", func(*gin.Context) { panic(http.ErrAbortHandler) })
	ask(e, request(t, "POST", "/users/", "{}"))
	m.Handler() // counts its own failures
	return m
}

// tables returns the metrics as docs/metrics.md lists them: ours, and those that come with the client.
func tables(t *testing.T) string {
	t.Helper()
	families, err := everything(t).registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var ours, others strings.Builder
	for _, family := range families {
		labels := []string{}
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+label.GetName()+"`")
		}
		kind := strings.ToLower(family.GetType().String())
		if family.GetType() == dto.MetricType_HISTOGRAM && family.GetMetric()[0].GetHistogram().Schema != nil {
			kind = "histogram, also native"
		}
		row := fmt.Sprintf("| `%s` | %s | %s | %s |\n", family.GetName(), kind, strings.Join(labels, ", "), strings.ReplaceAll(family.GetHelp(), "|", "\\|"))
		if strings.HasPrefix(family.GetName(), "userapi_") || strings.HasPrefix(family.GetName(), "http_") {
			ours.WriteString(row)
		} else {
			others.WriteString(row)
		}
	}
	const head = "| name | type | labels | meaning |\n|---|---|---|---|\n"
	return head + ours.String() + "\nFrom the client for Go:\n\n" + head + others.String()
}

func TestDocs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems tell other things about a process")
	}
	const path, begin, end = "../../docs/metrics.md", "<!-- names: go test ./middleware/metrics -run Docs -update -->\n", "<!-- end of names -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	listed, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatal("the place of the tables is not marked")
	}
	want := tables(t)
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Run("docs/metrics.md lists exactly what is exported", func(t *testing.T) {
		if listed != want {
			t.Errorf("run go test ./middleware/metrics -run Docs -update; it should say\n%s", want)
		}
	})
}

func TestMetrics_Names(t *testing.T) {
	t.Run("Prometheus' own linter has nothing to say about any of them", func(t *testing.T) {
		families, err := everything(t).registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		problems, err := promlint.NewWithMetricFamilies(families).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("%v: %v", err, problems)
		}
	})
}
