package tests

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"userapi/tests/testkit"
)

// tourStep is one command of the README's tour with what it shows.
type tourStep struct{ command, output string }

var nextCursor = regexp.MustCompile(`"next_cursor":"([\w-]+)"`)

// TestREADME runs the tour of the README, so that what it shows is what a reader gets.
func TestREADME(t *testing.T) {
	t.Run("the tour shows what its commands print", func(t *testing.T) {
		if _, err := exec.LookPath("curl"); err != nil {
			if os.Getenv("TEST_REQUIRE_SERVICES") == "1" {
				t.Fatal("curl is not here")
			}
			t.Skip("curl is not here")
		}
		service := testkit.Start{}.Binary(t)
		steps := tour(t)
		if len(steps) < 8 {
			t.Fatalf("the README has %d steps of a tour", len(steps))
		}
		adapt := []string{"http://127.0.0.1:8080", service.URL}
		for _, s := range steps {
			command := strings.NewReplacer(adapt...).Replace(s.command)
			output, err := exec.CommandContext(t.Context(), "sh", "-c", command).Output()
			if err != nil {
				t.Fatalf("%s: %v", s.command, err)
			}
			if got, want := settled(string(output)), settled(s.output); got != want {
				t.Errorf("%s\nprints\n%s\nand not\n%s", s.command, got, want)
			}
			// A command that goes on from a cursor of the README goes on from the one in its place.
			if shown, printed := nextCursor.FindStringSubmatch(s.output), nextCursor.FindSubmatch(output); shown != nil && printed != nil {
				adapt = append(adapt, shown[1], string(printed[1]))
			}
		}
	})
}

// tour returns the commands between the marks of the README.
func tour(t *testing.T) []tourStep {
	t.Helper()
	content, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(content), "<!-- tour:begin")
	text, _, ended := strings.Cut(rest, "<!-- tour:end")
	if !begun || !ended {
		t.Fatal("the README has no tour")
	}
	var steps []tourStep
	for i, block := range strings.Split(text, "```") {
		if i%2 == 0 {
			continue
		}
		for _, part := range strings.Split(block, "$ ")[1:] {
			command, output, _ := strings.Cut(part, "\n")
			steps = append(steps, tourStep{command, output})
		}
	}
	return steps
}

// settled replaces what differs from run to run, and the ends of lines and texts.
func settled(text string) string {
	text = strings.ReplaceAll(text, "\r", "")
	for pattern, word := range map[string]string{
		`[0-9a-f]{32}`:                         "ID",
		`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z`: "TIME",
		`(?m)^Date: .*$`:                       "Date: DATE",
		`"(next|prev)_cursor":"[\w-]{20,}"`:    `"${1}_cursor":"CURSOR"`,
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, word)
	}
	return strings.TrimSpace(text)
}
