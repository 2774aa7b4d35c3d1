package tests

import (
	"io/fs"
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

// TestREADME_Production has the service read the lines that the README shows for it.
func TestREADME_Production(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<!-- production:begin")
	_, rest, _ = strings.Cut(rest, "```yaml\n")
	lines, _, found := strings.Cut(rest, "```")
	if !found || strings.Count(lines, "\n") != 10 {
		t.Fatalf("the README does not show ten lines: %q", lines)
	}
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/secrets", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"config.yaml": lines, "secrets/keys": "a line\n", "secrets/dsn": "postgres://userapi@127.0.0.1/users", "secrets/redis": "127.0.0.1:6379",
	} {
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, printed, complaints := testkit.Start{Dir: dir, Args: []string{"--print-config"}}.Run(t)
	if code != 0 || complaints != "" || strings.Count(printed, "# config.yaml:") < 15 {
		t.Errorf("exit %d, %s\n%s", code, complaints, printed)
	}
}

// TestSecurity looks whether the tests are there that docs/security.md names.
func TestSecurity(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	err = fs.WalkDir(os.DirFS(".."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile("../" + path)
		tests.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 40 {
		t.Errorf("it names %d tests", len(named))
	}
	for _, name := range named {
		if !strings.Contains(tests.String(), "\nfunc "+name[1]+"(") {
			t.Errorf("there is no %s", name[1])
		}
	}
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
