package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseOutcome(t *testing.T) {
	t.Run("the result line is found among wrk's own text", func(t *testing.T) {
		got, err := parseOutcome([]byte("Running 1s test\nRESULT {\"requests\":500,\"micros\":250000,\"status\":2}\nbye\n"))
		if err != nil || got.Requests != 500 || got.rate() != 2000 || got.Status != 2 {
			t.Errorf("parseOutcome = %+v, %v", got, err)
		}
	})
	t.Run("no result line is an error that shows what wrk said", func(t *testing.T) {
		if _, err := parseOutcome([]byte("unable to connect\n")); err == nil || !strings.Contains(err.Error(), "unable to connect") {
			t.Errorf("err = %v", err)
		}
	})
}

func TestOutcome_Fault(t *testing.T) {
	good := outcome{Requests: 10, Micros: 1000, Bytes: 1000}
	if err := good.fault(100); err != nil {
		t.Errorf("a clean run is faulty: %v", err)
	}
	for name, spoil := range map[string]func(*outcome){
		"a refused request spoils the run":         func(o *outcome) { o.Status = 1 },
		"a connection not made spoils the run":     func(o *outcome) { o.Connect = 1 },
		"a read error spoils the run":              func(o *outcome) { o.Read = 1 },
		"a write error spoils the run":             func(o *outcome) { o.Write = 1 },
		"a timeout spoils the run":                 func(o *outcome) { o.Timeout = 1 },
		"answers that are too short spoil the run": func(o *outcome) { o.Bytes = 990 },
		"a run without answers is spoilt":          func(o *outcome) { o.Requests = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			spoil(&bad)
			if bad.fault(100) == nil {
				t.Errorf("%+v counts as clean", bad)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	t.Run("the order turns round in every other round", func(t *testing.T) {
		if got := [][]int{order(3, 0), order(3, 1), order(3, 2)}; !reflect.DeepEqual(got, [][]int{{0, 1, 2}, {2, 1, 0}, {0, 1, 2}}) {
			t.Errorf("order = %v", got)
		}
	})
}

func TestUsage(t *testing.T) {
	t.Run("sizes are read as kibibytes", func(t *testing.T) {
		got, err := statusField([]byte("Name:\tserver\nVmHWM:\t   20000 kB\nVmRSS:\t   12345 kB\n"), "VmRSS")
		if err != nil || got != 12345*1024 {
			t.Errorf("statusField = %d, %v", got, err)
		}
	})
	t.Run("a missing size is an error", func(t *testing.T) {
		if _, err := statusField([]byte("Name:\tserver\n"), "VmRSS"); err == nil {
			t.Error("no error")
		}
	})
	t.Run("a program name with spaces and brackets does not shift the CPU times", func(t *testing.T) {
		got, err := cpuTime("42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0")
		if err != nil || got != 2*time.Second {
			t.Errorf("cpuTime = %v, %v", got, err)
		}
	})
}

func TestBusyTime(t *testing.T) {
	t.Run("idle time, waiting and interrupts are not work, stolen time is", func(t *testing.T) {
		got, err := busyTime("cpu  100 20 30 5000 600 70 80 50 0 0\ncpu0 1 2 3\n")
		if err != nil || got != 2*time.Second {
			t.Errorf("busyTime = %v, %v", got, err)
		}
	})
}

func TestAppendCreate(t *testing.T) {
	t.Run("a pipeline holds whole requests with names and addresses of 20 characters", func(t *testing.T) {
		var wire []byte
		for _, n := range []int64{1, 1_000_000} {
			wire = appendCreate(wire, "127.0.0.1:8080", n)
		}
		reader := bufio.NewReader(bytes.NewReader(wire))
		seen := map[string]bool{}
		for range 2 {
			req, err := http.ReadRequest(reader)
			if err != nil {
				t.Fatal(err)
			}
			var in struct{ Name, Email string }
			if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
				t.Fatal(err)
			}
			if len(in.Name) != 20 || len(in.Email) != 20 || seen[in.Email] {
				t.Errorf("name %q, email %q", in.Name, in.Email)
			}
			seen[in.Email] = true
		}
		if _, err := http.ReadRequest(reader); !errors.Is(err, io.EOF) {
			t.Errorf("after the last request: %v", err)
		}
	})
}

func TestReadCreated(t *testing.T) {
	t.Run("anything but 201 stops the seeding and says why", func(t *testing.T) {
		answer := "HTTP/1.1 409 Conflict\r\nContent-Length: 5\r\n\r\ntaken"
		err := readCreated(bufio.NewReader(strings.NewReader(answer)))
		if err == nil || !strings.Contains(err.Error(), "409 Conflict: taken") {
			t.Errorf("err = %v", err)
		}
	})
}

func TestReport(t *testing.T) {
	reached := row{name: "reached", values: []float64{0.7, 0.9, 0.9}, unit: asRatio, goal: atLeast(0.85)}
	missed := row{name: "missed", values: []float64{1.2, 1.4}, unit: asRatio, goal: atMost(1.25)}
	failed := row{name: "failed", unit: asRatio, goal: atLeast(1), err: errors.New("reset")}
	info := row{name: "info", values: []float64{2}, unit: asRatio}

	t.Run("a row is judged by its median and shows its spread", func(t *testing.T) {
		want := []string{"reached", "0.90", "0.70", "0.90", ">= 0.85", "yes", ""}
		if got := reached.cells(); !reflect.DeepEqual(got, want) {
			t.Errorf("cells = %q, want %q", got, want)
		}
	})
	t.Run("a limit that must not be touched is not reached by touching it", func(t *testing.T) {
		if below(50).reached(50) || !atMost(50).reached(50) || !atLeast(50).reached(50) {
			t.Error("the limit itself is judged wrongly")
		}
	})
	t.Run("a missed goal is not a failure of the measurement", func(t *testing.T) {
		r := report{rows: []row{reached, missed, info}}
		if !r.missed() || r.broken() {
			t.Errorf("missed %v, broken %v", r.missed(), r.broken())
		}
	})
	t.Run("a row that could not be measured is both", func(t *testing.T) {
		r := report{rows: []row{reached, failed}}
		if !r.missed() || !r.broken() || failed.cells()[5] != "FAILED" {
			t.Errorf("missed %v, broken %v, cells %q", r.missed(), r.broken(), failed.cells())
		}
	})
	t.Run("a Markdown table has a rule and one line per row", func(t *testing.T) {
		var out bytes.Buffer
		r := report{rows: []row{reached, info}}
		r.print(&out, true)
		if !strings.Contains(out.String(), "| --- |") || !strings.Contains(out.String(), "| info | 2.00 |") {
			t.Errorf("printed:\n%s", out.String())
		}
	})
}

func TestParseFlags(t *testing.T) {
	t.Run("quick lowers what takes long", func(t *testing.T) {
		opt, err := parseFlags([]string{"-quick"}, io.Discard)
		if err != nil || opt.rounds != 1 || opt.seconds != 1 || opt.size != 100_000 || opt.brief != 100*time.Millisecond || opt.warmup != 0 {
			t.Errorf("options %+v, %v", opt, err)
		}
	})
	t.Run("quick leaves alone what a flag of its own sets", func(t *testing.T) {
		opt, err := parseFlags([]string{"-quick", "-rounds", "9"}, io.Discard)
		if err != nil || opt.rounds != 9 || opt.seconds != 1 {
			t.Errorf("options %+v, %v", opt, err)
		}
	})
	for _, args := range [][]string{{"-only", "speed"}, {"-rounds", "0"}, {"-users", "999"}, {"extra"}} {
		t.Run("refused: "+strings.Join(args, " "), func(t *testing.T) {
			if _, err := parseFlags(args, io.Discard); err == nil {
				t.Error("accepted")
			}
		})
	}
}
