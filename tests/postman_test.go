package tests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"userapi/middleware/auth"
	"userapi/models"
	"userapi/tests/testkit"
)

const collectionFile = "../docs/postman_collection.json"

// postmanItem is a folder or a request of a Postman collection, as far as these tests look at it.
type postmanItem struct {
	Name  string        `json:"name"`
	Item  []postmanItem `json:"item"`
	Event []struct {
		Listen string `json:"listen"`
		Script struct {
			Exec []string `json:"exec"`
		} `json:"script"`
	} `json:"event"`
	Request *struct {
		Method      string `json:"method"`
		Description string `json:"description"`
	} `json:"request"`
}

// requests returns the requests of an item and of all that lies in it.
func (i postmanItem) requests() []postmanItem {
	if i.Request != nil {
		return []postmanItem{i}
	}
	var all []postmanItem
	for _, child := range i.Item {
		all = append(all, child.requests()...)
	}
	return all
}

// readCollection decodes the collection.
func readCollection(t *testing.T, target any) {
	t.Helper()
	text, err := os.ReadFile(collectionFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, target); err != nil {
		t.Fatal(err)
	}
}

func collection(t *testing.T) []postmanItem {
	t.Helper()
	var root postmanItem
	readCollection(t, &root)
	return root.requests()
}

// folders returns the folders of the collection by name, as they are written.
func folders(t *testing.T) map[string]string {
	t.Helper()
	var root struct {
		Item []json.RawMessage `json:"item"`
	}
	readCollection(t, &root)
	written := map[string]string{}
	for _, text := range root.Item {
		var folder struct {
			Name string `json:"name"`
		}
		if err := json.Unmarshal(text, &folder); err != nil {
			t.Fatal(err)
		}
		written[folder.Name] = string(text)
	}
	return written
}

func TestPostman_Collection(t *testing.T) {
	t.Run("it has the operations of the document and no other", func(t *testing.T) {
		_, doc := description(t)
		declared := operations(doc)
		named := regexp.MustCompile(`operationId: (\w+)$`)
		asked := map[string]bool{}
		for _, request := range collection(t) {
			match := named.FindStringSubmatch(request.Request.Description)
			if match == nil {
				if !strings.HasSuffix(request.Request.Description, "No operation: the path or the method is not described.") {
					t.Errorf("%q does not name its operation", request.Name)
				}
				continue
			}
			op, known := declared[match[1]]
			if method := request.Request.Method; !known || method != op.method && method != "HEAD" {
				t.Errorf("%q names %s, which is no operation of %s", request.Name, match[1], method)
			}
			asked[match[1]] = true
		}
		for id := range declared {
			if !asked[id] {
				t.Errorf("no request names %s", id)
			}
		}
	})

	t.Run("every request asserts its status and more", func(t *testing.T) {
		names := map[string]bool{}
		for _, request := range collection(t) {
			if request.Name == "" || names[request.Name] {
				t.Errorf("the name %q is empty or given twice", request.Name)
			}
			names[request.Name] = true
			asserted := 0
			for _, event := range request.Event {
				if event.Listen == "test" {
					script := strings.Join(event.Script.Exec, "\n")
					asserted += strings.Count(script, "pm.test(")
					if !strings.Contains(script, "to.have.status(") {
						t.Errorf("%q does not assert its status", request.Name)
					}
				}
			}
			if asserted == 0 {
				t.Errorf("%q asserts nothing", request.Name)
			}
		}
	})
}

// TestPostman_UseCases holds the folders that each show a use case from its first request to its last
// to what the collection says of them: that they can be run alone.
func TestPostman_UseCases(t *testing.T) {
	used := regexp.MustCompile(`\{\{(\w+)\}\}|collectionVariables\.get\('(\w+)'\)`)
	set := regexp.MustCompile(`collectionVariables\.set\('(\w+)'`)
	written := folders(t)
	for _, name := range []string{"Safe update", "Retry", "Walk", "Batch", "Find"} {
		t.Run(name+" needs nothing but itself", func(t *testing.T) {
			folder, found := written[name]
			if !found {
				t.Fatal("there is no such folder")
			}
			made := map[string]bool{"baseUrl": true}
			for _, match := range set.FindAllStringSubmatch(folder, -1) {
				made[match[1]] = true
			}
			for _, match := range used.FindAllStringSubmatch(folder, -1) {
				if variable := match[1] + match[2]; !made[variable] {
					t.Errorf("it takes the variable %s from elsewhere", variable)
				}
			}
		})
	}
}

// newman runs the collection once for each set of variables, and returns what it says and the report that
// it wrote. Only where TEST_REQUIRE_SERVICES=1 says so is it fetched from the npm registry; elsewhere the
// test is skipped unless it is in npm's cache.
func newman(t *testing.T, variables ...map[string]string) (output []byte, report string) {
	t.Helper()
	npx, consent := program(t, "npx"), []string{"--no", "--offline"}
	required := os.Getenv("TEST_REQUIRE_SERVICES") == "1"
	if required {
		consent = []string{"--yes"}
	}
	data := filepath.Join(t.TempDir(), "data.json")
	text, err := json.Marshal(variables)
	if err == nil {
		err = os.WriteFile(data, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	report = filepath.Join(t.TempDir(), "report.json")
	command := exec.CommandContext(t.Context(), npx, append(consent, "newman@6.2.2", "run", collectionFile,
		"--iteration-data", data,
		"--reporters", "cli,json", "--reporter-json-export", report)...)
	output, err = command.CombinedOutput()
	if _, unwritten := os.Stat(report); unwritten != nil {
		if required {
			t.Fatalf("newman does not start: %v\n%s", err, output)
		}
		t.Skip("newman is not in npm's cache")
	}
	return output, report
}

func TestPostman_Run(t *testing.T) {
	t.Run("newman finds every assertion true where nobody is asked who they are, and again by a key where everybody is", func(t *testing.T) {
		service := testkit.New(t, testkit.Options{})
		d := newDoor(t)
		d.key(t, "postman", models.ScopesOfUsers)
		guarded := d.open(t, auth.Options{}, testkit.Options{})
		output, report := newman(t, map[string]string{"baseUrl": service.URL}, map[string]string{"baseUrl": guarded.URL, "apiKey": d.keys["postman"]})
		asserted, failed := assertions(t, report)
		if asserted < 2*3*len(collection(t)) || failed != 0 {
			t.Errorf("%d assertions, %d failed\n%s", asserted, failed, output)
		}
		for _, page := range []testkit.Page{service.Get(t, "/users/").Want(200).Page(), guarded.Get(t, "/users/", bearer(d.keys["postman"])).Want(200).Page()} {
			if len(page.Items) > 0 {
				t.Errorf("the collection left %d users behind", len(page.Items))
			}
		}
	})
}

// assertions returns how many assertions a report of newman counts, and how many were false.
func assertions(t *testing.T, report string) (total, failed int) {
	t.Helper()
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Run struct {
			Stats struct {
				Assertions struct {
					Total  int `json:"total"`
					Failed int `json:"failed"`
				} `json:"assertions"`
			} `json:"stats"`
		} `json:"run"`
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read.Run.Stats.Assertions.Total, read.Run.Stats.Assertions.Failed
}
