package tests

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"userapi/middleware/auth"
	"userapi/models"
	"userapi/tests/testkit"
)

// program returns the path of the first of the programs that is installed. Without any the test is
// skipped, or fails where TEST_REQUIRE_SERVICES=1 says that nothing may be.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("TEST_REQUIRE_SERVICES") == "1" {
		t.Fatalf("none of %s is installed, and TEST_REQUIRE_SERVICES=1", strings.Join(names, ", "))
	}
	t.Skipf("none of %s is installed", strings.Join(names, ", "))
	return ""
}

// browser opens a page in a browser that ends with the test, and gathers what it complains of and
// whom it asks.
func browser(t *testing.T) (context.Context, *sightings) {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program(t, "chromium", "chromium-browser", "google-chrome")),
		chromedp.NoSandbox, // refused to root, as which CI runs
		chromedp.Flag("disable-quic", true),
		chromedp.WindowSize(1280, 1600)) // its folder is chromedp's to remove: Chromium writes there to its very end
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)

	seen := new(sightings)
	chromedp.ListenTarget(ctx, seen.note)
	return ctx, seen
}

// sightings are what a browser complained of and the URLs that it asked for. They are safe for
// concurrent use.
type sightings struct {
	mu         sync.Mutex
	complaints []string
	urls       []string
}

func (s *sightings) note(event any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		s.complaints = append(s.complaints, event.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.APITypeError || event.Type == runtime.APITypeWarning {
			s.complaints = append(s.complaints, fmt.Sprintf("console.%s %s", event.Type, event.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if event.Entry.Level == log.LevelError || event.Entry.Level == log.LevelWarning {
			s.complaints = append(s.complaints, event.Entry.Text+" "+event.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		s.urls = append(s.urls, event.Request.URL)
	}
}

// judge fails the test for a complaint, and for a request that left the origin.
func (s *sightings) judge(t *testing.T, origin string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, complaint := range s.complaints {
		t.Errorf("the browser says: %s", complaint)
	}
	for _, asked := range s.urls {
		if !strings.HasPrefix(asked, origin+"/") && !strings.HasPrefix(asked, "data:") {
			t.Errorf("the page asks for %s", asked)
		}
	}
	if len(s.urls) < 5 {
		t.Errorf("the browser asked for %q only", s.urls)
	}
}

// keep writes a picture into the folder that TEST_SCREENSHOTS names, for people to look at.
func keep(t *testing.T, name string, picture []byte) {
	t.Helper()
	folder := os.Getenv("TEST_SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir()
	}
	if err := os.WriteFile(filepath.Join(folder, name), picture, 0o644); err != nil {
		t.Error(err)
	}
}

func TestSwaggerUI(t *testing.T) {
	const create = "#operations-users-createUser"

	t.Run("a person creates a user on the page, offline and without an error", func(t *testing.T) {
		ctx, seen := browser(t)
		service := testkit.New(t, testkit.Options{})
		var place, status, answer string
		var picture []byte
		if err := chromedp.Run(ctx,
			network.Enable(),
			log.Enable(),
			chromedp.Navigate(service.URL+"/swagger"),
			chromedp.WaitVisible(create),
			chromedp.Location(&place),
			chromedp.Click(create+" .opblock-summary-control"),
			chromedp.Click(create+" .try-out__btn"),
			chromedp.Click(create+" .execute"),
			chromedp.WaitVisible(create+" .live-responses-table .response-col_status"),
			chromedp.Text(create+" .live-responses-table tbody .response-col_status", &status),
			chromedp.Text(create+" .live-responses-table .highlight-code", &answer),
			chromedp.FullScreenshot(&picture, 100),
		); err != nil {
			t.Fatal(err)
		}
		keep(t, "swagger.png", picture)
		if at, err := url.Parse(place); err != nil || at.Path != "/swagger/index.html" {
			t.Errorf("/swagger leads to %s (%v)", place, err)
		}
		if got := strings.Fields(status); !slices.Contains(got, "201") {
			t.Errorf("the page shows the status %q", status)
		}
		if !strings.Contains(answer, `"email": "ada@example.com"`) {
			t.Errorf("the page shows the answer %q", answer)
		}
		if got := service.Get(t, "/users/1").Want(200).User().Email; got != "ada@example.com" {
			t.Errorf("the user has the address %q", got)
		}
		seen.judge(t, service.URL)
	})
}

// TestSwaggerUI_Authorize has a person say who they are by the button of the page, in each of the ways
// that the document describes.
func TestSwaggerUI_Authorize(t *testing.T) {
	t.Run("a password, a key in either field and a token are sent with what is tried out", func(t *testing.T) {
		ctx, seen := browser(t)
		d, i := newDoor(t), newIssuer(t)
		d.key(t, "reporting", models.ScopeRead)
		service := d.open(t, auth.Options{Users: usersOf(t, adaOfBasic), Tokens: i.tokens()}, testkit.Options{})
		f := &forger{i, claimsAt(d.Now())}
		const list = "#operations-users-listUsers"
		if err := chromedp.Run(ctx, network.Enable(), log.Enable(), chromedp.Navigate(service.URL+"/swagger"),
			chromedp.WaitVisible(list), chromedp.Click(list+" .opblock-summary-control"), chromedp.Click(list+" .try-out__btn")); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name, actor string
			fields      [][2]string
		}{
			{"basic", "ada", [][2]string{{"#auth-basic-username", "ada"}, {"#auth-basic-password", "correct horse"}}},
			{"bearer-key", "reporting", [][2]string{{"#auth-bearer-value", d.keys["reporting"]}}},
			{"bearer-token", "auth0|ada", [][2]string{{"#auth-bearer-value", f.by(nil)}}},
			{"api-key", "reporting", [][2]string{{"#api_key_value", d.keys["reporting"]}}},
		} {
			asked := len(requestsOfList(t, service))
			var picture []byte
			if err := chromedp.Run(ctx, authorize(c.fields, &picture), chromedp.Click(list+" .execute")); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			keep(t, "authorize-"+c.name+".png", picture)
			testkit.Eventually(t, "the request by "+c.name, func() bool { return len(requestsOfList(t, service)) > asked })
			if last := requestsOfList(t, service)[asked]; last.Text("actor") != c.actor || last.Number("status") != 200 {
				t.Errorf("%s: %v", c.name, last)
			}
		}
		// The page looks for a part of its dialog that this edition of it does not have.
		seen.complaints = slices.DeleteFunc(seen.complaints, func(said string) bool { return strings.Contains(said, "Could not find component:") })
		seen.judge(t, service.URL)
	})
}

// requestsOfList returns the lines of the requests for the list of users.
func requestsOfList(t *testing.T, service *testkit.Service) []testkit.Entry {
	t.Helper()
	return slices.DeleteFunc(service.Log.Entries(t), func(e testkit.Entry) bool { return e.Text("route") != "/users/" })
}

// authorize fills in the dialog behind the Authorize button, after whoever was in has logged out, takes a
// picture of it, and closes it.
func authorize(fields [][2]string, picture *[]byte) chromedp.Action {
	const out = `[...document.querySelectorAll(".dialog-ux button")].filter(b => b.textContent === "Logout")`
	steps := chromedp.Tasks{
		chromedp.Click(".auth-wrapper .btn.authorize"),
		chromedp.WaitVisible(".dialog-ux .modal-ux-content"),
		chromedp.Evaluate(out+`.forEach(b => b.click())`, nil),
	}
	for _, field := range fields {
		steps = append(steps, chromedp.WaitVisible(".dialog-ux "+field[0]), chromedp.SendKeys(".dialog-ux "+field[0], field[1]))
	}
	last := fields[len(fields)-1][0]
	return append(steps,
		chromedp.Evaluate(`document.querySelector(".dialog-ux `+last+`").closest("form").querySelector("button.authorize").click()`, nil),
		chromedp.Poll(out+`.length === 1`, nil),
		chromedp.CaptureScreenshot(picture),
		chromedp.Click(".dialog-ux .close-modal"),
		chromedp.WaitNotPresent(".dialog-ux"))
}
