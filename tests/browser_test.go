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
