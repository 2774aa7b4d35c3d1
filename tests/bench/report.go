package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// goal is a limit on the median of a row, in the unit of its values.
type goal struct {
	sign  string
	limit float64
}

func atLeast(limit float64) *goal { return &goal{">=", limit} }
func atMost(limit float64) *goal  { return &goal{"<=", limit} }
func below(limit float64) *goal   { return &goal{"<", limit} }

func (g goal) reached(value float64) bool {
	switch g.sign {
	case ">=":
		return value >= g.limit
	case "<=":
		return value <= g.limit
	default:
		return value < g.limit
	}
}

func asRatio(v float64) string     { return fmt.Sprintf("%.2f", v) }
func asBytes(v float64) string     { return fmt.Sprintf("%.0f B", v) }
func asRate(v float64) string      { return fmt.Sprintf("%.0f/s", v) }
func asMillis(v float64) string    { return fmt.Sprintf("%.1f ms", v) }
func asLatency(v float64) string   { return fmt.Sprintf("%.2f ms", v) }
func asMegabytes(v float64) string { return fmt.Sprintf("%.1f MB", v/1e6) }

// row is one result: a value per round, judged by the median. With err it could not be measured.
type row struct {
	name   string
	values []float64
	unit   func(float64) string
	goal   *goal // nil: for information
	note   string
	err    error
}

func (r row) reached() bool {
	return r.err == nil && (r.goal == nil || r.goal.reached(median(r.values)))
}

func (r row) cells() []string {
	if r.err != nil {
		return []string{r.name, "", "", "", r.limit(), "FAILED", strings.Join(strings.Fields(r.err.Error()), " ")}
	}
	low, high := "", ""
	if len(r.values) > 1 {
		low, high = r.unit(slices.Min(r.values)), r.unit(slices.Max(r.values))
	}
	verdict := ""
	if r.goal != nil {
		verdict = "no"
		if r.reached() {
			verdict = "yes"
		}
	}
	return []string{r.name, r.unit(median(r.values)), low, high, r.limit(), verdict, r.note}
}

// limit prints the goal in the unit of the row.
func (r row) limit() string {
	if r.goal == nil {
		return ""
	}
	return r.goal.sign + " " + r.unit(r.goal.limit)
}

// report gathers rows; absolute figures go to a second table, as context.
type report struct {
	setting  []string
	rows     []row
	contexts [][]string
}

func (r *report) add(rows ...row) { r.rows = append(r.rows, rows...) }

// context keeps the medians of what each server did, in absolute figures.
func (r *report) context(name string, servers []string, outs [][]outcome) {
	for i, server := range servers {
		var rates, busy []float64
		var answers, p99 int64
		for _, out := range outs[i] {
			rates = append(rates, out.rate())
			busy = append(busy, float64(out.generator.Microseconds())/float64(out.Micros)*100)
			answers += out.Requests
			p99 = max(p99, out.P99)
		}
		r.contexts = append(r.contexts, []string{
			name, server, fmt.Sprintf("%.0f", median(rates)),
			unlessZero("%.0f us", median(latencies(outs[i]))), unlessZero("%.1f ms", float64(p99)/1e3),
			unlessZero("%.1f us", median(costs(outs[i]))), unlessZero("%.0f %%", median(busy)),
			fmt.Sprint(answers),
		})
	}
}

// unlessZero leaves the cell of what was not measured empty.
func unlessZero(format string, value float64) string {
	if value == 0 {
		return ""
	}
	return fmt.Sprintf(format, value)
}

// describe notes the circumstances that a reader must know.
func (r *report) describe(ctx context.Context, opt options) {
	r.setting = append(r.setting,
		fmt.Sprintf("%s, %s %s/%s, %d CPUs; wrk -t1 -c%d; %d rounds of %d s", time.Now().UTC().Format(time.DateOnly),
			runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), wrkConnections, opt.rounds, opt.seconds))
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ := strings.Cut(string(text), " ")
		r.setting = append(r.setting, "load of the machine before the first row: "+load)
	}
	if rev, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output(); err == nil {
		r.setting = append(r.setting, "revision "+strings.TrimSpace(string(rev)))
	}
}

// broken tells whether a row could not be measured.
func (r *report) broken() bool {
	return slices.ContainsFunc(r.rows, func(row row) bool { return row.err != nil })
}

// missed tells whether a goal was not reached.
func (r *report) missed() bool {
	return slices.ContainsFunc(r.rows, func(row row) bool { return !row.reached() })
}

func (r *report) print(w io.Writer, markdown bool) {
	if len(r.rows) == 0 {
		return
	}
	table := plainTable
	if markdown {
		table = markdownTable
	}
	fmt.Fprintf(w, "%s\n\n", strings.Join(r.setting, "; "))
	var cells [][]string
	for _, row := range r.rows {
		cells = append(cells, row.cells())
	}
	table(w, []string{"row", "median", "min", "max", "goal", "reached", "note"}, cells)
	if len(r.contexts) == 0 {
		return
	}
	fmt.Fprint(w, "\nContext: absolute figures of this machine on this day; the ratios above are the result.\n\n")
	table(w, []string{
		"row", "server", "answers/s", "p50", "worst p99", "server CPU/answer", "generator busy", "answers",
	}, r.contexts)
}

func plainTable(w io.Writer, head []string, cells [][]string) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range append([][]string{head}, cells...) {
		fmt.Fprintln(tab, strings.TrimRight(strings.Join(line, "\t"), "\t"))
	}
	_ = tab.Flush() // As with every print here, there is nobody left to tell.
}

func markdownTable(w io.Writer, head []string, cells [][]string) {
	rule := slices.Repeat([]string{"---"}, len(head))
	for _, line := range append([][]string{head, rule}, cells...) {
		escaped := make([]string, len(line))
		for i, cell := range line {
			escaped[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(escaped, " | "))
	}
}

func latencies(outs []outcome) []float64 {
	values := make([]float64, len(outs))
	for i, out := range outs {
		values[i] = float64(out.P50)
	}
	return values
}

func costs(outs []outcome) []float64 {
	values := make([]float64, len(outs))
	for i, out := range outs {
		values[i] = out.cost()
	}
	return values
}

// median of an even number of values is the mean of the middle two; of none it is zero.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
