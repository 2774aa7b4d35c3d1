package metrics

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"
)

// exported are the labels of each series that a scrape has, by its name; those that Prometheus adds are
// with them.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	families, err := everything(t).registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	target := []string{"job", "instance"}
	names := map[string][]string{"up": target}
	for _, family := range families {
		name, labels := family.GetName(), slices.Clone(target)
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, label.GetName())
		}
		names[name] = labels
		switch family.GetType() {
		case dto.MetricType_HISTOGRAM:
			delete(names, name) // its own name is that of the native one, which not everybody takes
			names[name+"_bucket"] = append(slices.Clone(labels), "le")
			names[name+"_sum"], names[name+"_count"] = labels, labels
		case dto.MetricType_SUMMARY:
			names[name+"_sum"], names[name+"_count"] = labels, labels
		default:
		}
	}
	return names
}

var (
	quoted   = regexp.MustCompile(`"(\\.|[^"\\])*"`)
	ranges   = regexp.MustCompile(`\[[^\]]*\]`)
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\})?\s*(\()?`)
	matcher  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)`)
	number   = regexp.MustCompile(`\b\d[\d.]*([a-z]+)?`)
)

// series returns the names of the series that a PromQL expression asks for with the labels that it
// selects by, and the labels that it groups by. It is no parser: promtool judges the syntax.
func series(expression string) (selected map[string][]string, grouped []string) {
	text := quoted.ReplaceAllString(expression, `""`)
	text = ranges.ReplaceAllString(text, "")
	for _, g := range grouping.FindAllStringSubmatch(text, -1) {
		for label := range strings.SplitSeq(g[2], ",") {
			if label = strings.TrimSpace(label); label != "" {
				grouped = append(grouped, label)
			}
		}
	}
	text = number.ReplaceAllString(grouping.ReplaceAllString(text, " "), " ")
	selected = map[string][]string{}
	for _, s := range selector.FindAllStringSubmatch(text, -1) {
		name, labels, called := s[1], s[2], s[3] != ""
		if called || slices.Contains([]string{"and", "or", "unless", "bool", "offset"}, name) {
			continue
		}
		selected[name] = append(selected[name], "")
		for _, m := range matcher.FindAllStringSubmatch(labels, -1) {
			selected[name] = append(selected[name], m[1])
		}
	}
	return selected, grouped
}

// amiss returns what an expression asks for that is not exported.
func amiss(expression string, names map[string][]string) (wrong []string) {
	selected, grouped := series(expression)
	if len(selected) == 0 {
		return []string{"it asks for nothing"}
	}
	for name, labels := range selected {
		known, there := names[name]
		if !there {
			wrong = append(wrong, name+" is not exported")
			continue
		}
		for _, label := range labels {
			if label != "" && !slices.Contains(known, label) {
				wrong = append(wrong, name+" has no label "+label)
			}
		}
		for _, label := range grouped {
			if len(selected) == 1 && !slices.Contains(known, label) {
				wrong = append(wrong, name+" has no label "+label+" to group by")
			}
		}
	}
	return wrong
}

func TestAmiss(t *testing.T) {
	names := map[string][]string{"a_total": {"job", "x"}, "b_bucket": {"job", "le"}, "r:one:rate5m": {"job"}}
	for expression, faults := range map[string]int{
		`sum by (x) (rate(a_total{job=~"$job",x!="b{c}"}[$__rate_interval])) > 14.4 * 0.001`:        0,
		`histogram_quantile(0.99, sum by (job, le) (rate(b_bucket[5m]))) or vector(0)`:              0,
		`(r:one:rate5m or 0 * r:one:rate5m) / (r:one:rate5m > 0) and a_total - time() < 14 * 86400`: 0,
		`rate(a[5m])`:                       1,
		`sum by (y) (a_total)`:              1,
		`a_total{y="1"}`:                    1,
		`a_total / on (job) c_total{z="a"}`: 1,
		`vector(1)`:                         1,
	} {
		if wrong := amiss(expression, names); len(wrong) != faults {
			t.Errorf("%s: %q", expression, wrong)
		}
	}
}

// rule is one of Prometheus' rules.
type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

// readRules returns the rules of deploy/prometheus.
func readRules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	read(t, "prometheus/userapi.rules.yml", &file)
	rules := []rule{}
	for _, group := range file.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules
}

func read(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", name))
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDeploy_Rules(t *testing.T) {
	names := exported(t)
	rules := readRules(t)
	for _, r := range rules {
		if r.Record != "" {
			names[r.Record] = []string{"job"}
		}
	}
	t.Run("what the rules ask for is exported", func(t *testing.T) {
		for _, r := range rules {
			for _, wrong := range amiss(r.Expr, names) {
				t.Errorf("%s%s: %s", r.Alert, r.Record, wrong)
			}
		}
	})
	var tests struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	read(t, "prometheus/userapi.test.yml", &tests)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range tests.Tests {
		for _, alert := range test.AlertRuleTest {
			if len(alert.ExpAlerts) > 0 {
				fires[alert.Alertname] = true
			} else {
				silent[alert.Alertname] = true
			}
		}
	}
	for _, r := range rules {
		if r.Alert == "" {
			continue
		}
		t.Run(r.Alert+" is tested both ways and says what to do", func(t *testing.T) {
			if !fires[r.Alert] || !silent[r.Alert] {
				t.Errorf("userapi.test.yml has it fire: %v, and be silent: %v", fires[r.Alert], silent[r.Alert])
			}
			if !slices.Contains([]string{"page", "ticket"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["action"] == "" {
				t.Errorf("%v, %v", r.Labels, r.Annotations)
			}
		})
	}
}

// expressions returns all that a dashboard asks Prometheus.
func expressions(node any) []string {
	found := []string{}
	switch node := node.(type) {
	case map[string]any:
		if expression, ok := node["expr"].(string); ok {
			found = append(found, expression)
		}
		for _, inner := range node {
			found = append(found, expressions(inner)...)
		}
	case []any:
		for _, inner := range node {
			found = append(found, expressions(inner)...)
		}
	}
	return found
}

func TestDeploy_Dashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "grafana", "dashboards", "userapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard map[string]any
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	names := exported(t)
	asked := expressions(dashboard)
	shown := map[string]bool{}
	t.Run("what it asks for is exported", func(t *testing.T) {
		for _, expression := range asked {
			for _, wrong := range amiss(expression, names) {
				t.Errorf("%s: %s", expression, wrong)
			}
			selected, _ := series(expression)
			for name := range selected {
				shown[name] = true
			}
		}
	})
	t.Run("it shows everything that is ours", func(t *testing.T) {
		for _, name := range slices.Sorted(maps.Keys(names)) {
			base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
			ours := strings.HasPrefix(name, "userapi_") || strings.HasPrefix(name, "http_")
			if ours && !shown[name] && !shown[base+"_bucket"] && !shown[base+"_sum"] && !shown[base+"_count"] && name != "userapi_store_connection_waits_total" {
				t.Errorf("%s is on no panel", name)
			}
		}
	})
	t.Run("panels have numbers of their own and do not overlap", func(t *testing.T) {
		ids, cells := map[float64]bool{}, map[[2]int]bool{}
		for _, p := range dashboard["panels"].([]any) {
			panel := p.(map[string]any)
			id, grid := panel["id"].(float64), panel["gridPos"].(map[string]any)
			if ids[id] {
				t.Errorf("%v twice", id)
			}
			ids[id] = true
			at := func(side string) int { return int(grid[side].(float64)) }
			for x := at("x"); x < at("x")+at("w"); x++ {
				for y := at("y"); y < at("y")+at("h"); y++ {
					if cells[[2]int{x, y}] || x >= 24 {
						t.Fatalf("%q is in the way", panel["title"])
					}
					cells[[2]int{x, y}] = true
				}
			}
		}
	})
}
