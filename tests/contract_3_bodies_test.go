package tests

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"userapi/tests/testkit"
)

func TestContract_3_MediaType(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	accepted := []string{
		"application/json", "APPLICATION/Json", "application/json; charset=utf-8", "application/json;charset=UTF-8",
		`application/json; charset="utf-8"`, "application/json ;  charset=utf-8", "application/json; v=1", "application/json;",
	}
	for n, media := range accepted {
		t.Run("takes "+media, func(t *testing.T) {
			svc.Post(t, "/users/", named(n, `"Ada"`), "Content-Type: "+media).Want(http.StatusCreated)
		})
	}
	refused := []string{
		"", "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/octet-stream",
		"application/merge-patch+json", "application/problem+json", "application/vnd.api+json", "application/json-patch+json",
		"application/json; charset=latin1", "application/json; charset=utf-16", "application/json; charset=", "application/json, text/plain",
		"application/jsonx", "application", "application/", "json", "*/*", "application/*", "/", ";", "application/json; charset", "text/plain; application/json",
	}
	for _, media := range refused {
		t.Run("refuses "+media, func(t *testing.T) {
			svc.Post(t, "/users/", ada, "Content-Type: "+media).WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
			svc.Put(t, "/users/1", ada, "Content-Type: "+media).WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
			svc.Post(t, "/users/batch", ada, "Content-Type: "+media).WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
		})
	}
	t.Run("refuses two of them", func(t *testing.T) {
		svc.Post(t, "/users/", ada, "Content-Type: application/json", "Content-Type: text/plain").
			WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
	})
	t.Run("refuses a request without a body that declares nothing", func(t *testing.T) {
		svc.Post(t, "/users/", "").WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
	})
	for _, coding := range []string{"gzip", "deflate", "br", "zstd", "x-gzip", "gzip, identity", "identity, gzip", "nonsense"} {
		t.Run("refuses the content coding "+coding, func(t *testing.T) {
			svc.Post(t, "/users/", ada, "Content-Encoding: "+coding).WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
		})
	}
	t.Run("refuses a content coding in a second header", func(t *testing.T) {
		svc.Post(t, "/users/", ada, "Content-Encoding: identity", "Content-Encoding: gzip").
			WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
	})
	t.Run("takes the content coding identity", func(t *testing.T) {
		svc.Post(t, "/users/", named(100, `"Ada"`), "Content-Encoding: identity").Want(http.StatusCreated)
	})
}

func TestContract_3_Malformed(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	svc.Create(t, ada)
	malformed := map[string]string{
		"white space alone":                        " \n\t ",
		"a truncated object":                       `{"name":"Ada","email":"a@example.com"`,
		"a truncated string":                       `{"name":"Ad`,
		"a truncated escape":                       `{"name":"\u00`,
		"a trailing comma":                         `{"name":"Ada","email":"a@example.com",}`,
		"a comma too many":                         `{"name":"Ada",,"email":"a@example.com"}`,
		"a missing comma":                          `{"name":"Ada" "email":"a@example.com"}`,
		"a missing colon":                          `{"name" "Ada"}`,
		"a comment":                                `{"name":"Ada"/* hi */}`,
		"single quotes":                            `{'name':'Ada'}`,
		"a bare member name":                       `{name:"Ada"}`,
		"a bare word":                              `Ada`,
		"another spelling of null":                 `{"name":"Ada","email":"a@example.com","age":None}`,
		"a form":                                   `name=Ada&email=a%40example.com`,
		"XML":                                      `<user><name>Ada</name></user>`,
		"a second document":                        ada + ada,
		"a word behind the document":               ada + ` x`,
		"a bracket behind the document":            ada + `}`,
		"a comma behind the document":              ada + `,`,
		"NUL behind the document":                  ada + "\x00",
		"a byte order mark":                        "\ufeff" + ada,
		"NUL before the document":                  "\x00" + ada,
		"UTF-16":                                   "{\x00\"\x00n\x00\"\x00:\x001\x00}\x00",
		"a raw line break in a string":             "{\"name\":\"a\nb\",\"email\":\"a@example.com\"}",
		"a raw NUL in a string":                    "{\"name\":\"a\x00b\",\"email\":\"a@example.com\"}",
		"an escape that JSON does not have":        `{"name":"a\x41","email":"a@example.com"}`,
		"a lone high surrogate":                    `{"name":"a\ud800b","email":"a@example.com"}`,
		"a lone low surrogate":                     `{"name":"a\udc00b","email":"a@example.com"}`,
		"surrogates in the wrong order":            `{"name":"\ude00\ud83d","email":"a@example.com"}`,
		"a lone surrogate in a member name":        `{"\ud800":1,"name":"Ada","email":"a@example.com"}`,
		"a lone surrogate in a read-only member":   `{"id":"\ud800","name":"Ada","email":"a@example.com"}`,
		"invalid UTF-8":                            "{\"name\":\"a\xffb\",\"email\":\"a@example.com\"}",
		"overlong UTF-8":                           "{\"name\":\"\xc0\xaf\",\"email\":\"a@example.com\"}",
		"a surrogate in UTF-8":                     "{\"name\":\"\xed\xa0\x80\",\"email\":\"a@example.com\"}",
		"a code point past U+10FFFF":               "{\"name\":\"\xf4\x90\x80\x80\",\"email\":\"a@example.com\"}",
		"UTF-8 that is cut":                        "{\"name\":\"\xe2\x82\",\"email\":\"a@example.com\"}",
		"invalid UTF-8 in a member name":           "{\"a\xff\":1,\"name\":\"Ada\",\"email\":\"a@example.com\"}",
		"invalid UTF-8 in a read-only member":      "{\"id\":\"\xff\",\"name\":\"Ada\",\"email\":\"a@example.com\"}",
		"a member named twice":                     `{"name":"Ada","name":"Ada","email":"a@example.com"}`,
		"a member named twice, once by escapes":    `{"name":"Ada","\u006eame":"Eve","email":"a@example.com"}`,
		"an unknown member named twice":            `{"x":1,"x":1,"name":"Ada","email":"a@example.com"}`,
		"a read-only member named twice":           `{"id":1,"id":2,"name":"Ada","email":"a@example.com"}`,
		"a name twice inside a read-only member":   `{"id":{"a":1,"a":2},"name":"Ada","email":"a@example.com"}`,
		"a name twice deep in an unknown member":   `{"x":[{"y":{"a":1,"b":[],"a":2}}],"name":"Ada","email":"a@example.com"}`,
		"a name twice in a value of another type":  `{"name":{"a":1,"a":2},"email":"a@example.com"}`,
		"a syntax error behind faults":             `{"name":"","email":"x","age":0,"nick":1,}`,
		"a syntax error in a body that is a list":  `[1,2`,
		"unbalanced brackets in a read-only value": `{"id":[1,2},"name":"Ada","email":"a@example.com"}`,
	}
	for says, body := range malformed {
		t.Run("400: "+says, func(t *testing.T) {
			svc.Post(t, "/users/", body).WantProblem(http.StatusBadRequest, "malformed_json")
			svc.Put(t, "/users/1", body).WantProblem(http.StatusBadRequest, "malformed_json")
			svc.Patch(t, "/users/1", body).WantProblem(http.StatusBadRequest, "malformed_json")
			svc.Post(t, "/users/batch", body).WantProblem(http.StatusBadRequest, "malformed_json")
			svc.Batch(t, "", opUpdate(1, body)).WantProblem(http.StatusBadRequest, "malformed_json")
		})
	}
	t.Run("400: an empty body", func(t *testing.T) {
		svc.Post(t, "/users/", "", "Content-Type: application/json").WantProblem(http.StatusBadRequest, "malformed_json")
	})
	t.Run("nothing of all that was stored", func(t *testing.T) {
		if page := svc.Get(t, "/users/?include_total=true").Page(); *page.Total != 1 || page.Items[0].Version != 1 {
			t.Errorf("stored: %+v", page)
		}
	})
	for _, body := range []string{`[]`, `null`, `"Ada"`, `7`, `true`, `[` + ada + `]`, ` null `} {
		t.Run("422 for the whole: "+body, func(t *testing.T) {
			svc.Post(t, "/users/", body).WantInvalid(". wrong_type")
		})
	}
	t.Run("white space around the document passes", func(t *testing.T) {
		svc.Post(t, "/users/", "\r\n\t "+named(1, `"Ada"`)+" \n").Want(http.StatusCreated)
	})
}

func TestContract_3_Nesting(t *testing.T) {
	t.Parallel()
	for _, ignore := range []bool{false, true} {
		svc := testkit.New(t, testkit.Options{IgnoreUnknownMembers: ignore})
		nested := func(n int, member, open, inner, end string, levels int) string {
			return fmt.Sprintf(`{"name":"Ada","email":"case%d@example.com","%s":%s}`, n, member,
				strings.Repeat(open, levels)+inner+strings.Repeat(end, levels))
		}
		for n, shape := range []struct{ open, inner, end string }{{"[", "", "]"}, {"[", "1", "]"}, {`{"a":`, "{}", "}"}, {`{"a":`, "1", "}"}, {`[{"a":`, "1", "}]"}} {
			inside := strings.Count(shape.open, "[") + strings.Count(shape.open, "{")
			full := (31 - strings.Count(shape.inner, "{")) / inside // the object itself is one level
			name := fmt.Sprintf("%s%s%s, unknown members ignored: %v", shape.open, shape.inner, shape.end, ignore)
			t.Run("32 levels pass: "+name, func(t *testing.T) {
				svc.Post(t, "/users/", nested(n, "id", shape.open, shape.inner, shape.end, full)).Want(http.StatusCreated)
			})
			for _, member := range []string{"id", "other", "name", "age"} {
				t.Run("33 levels are 400 in "+member+": "+name, func(t *testing.T) {
					svc.Post(t, "/users/", nested(n, member, shape.open, shape.inner, shape.end, full+1)).
						WantProblem(http.StatusBadRequest, "malformed_json")
				})
			}
		}
		for says, body := range map[string]string{
			"arrays that never end":  strings.Repeat("[", 1<<20),
			"objects that never end": strings.Repeat(`{"a":`, 200_000),
			"arrays around nothing":  strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000),
		} {
			t.Run("400 and quickly: "+says, func(t *testing.T) {
				start := time.Now()
				svc.Post(t, "/users/", body).WantProblem(http.StatusBadRequest, "malformed_json")
				if took := time.Since(start); took > time.Second {
					t.Errorf("took %v", took)
				}
			})
		}
	}
}

// chunked hides the length of a body, so that it is sent in chunks.
func chunked(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) }

func TestContract_3_BodySize(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	svc := testkit.New(t, testkit.Options{})
	padded := func(n, size int) string {
		body := named(n, `"Ada"`)
		return body + strings.Repeat(" ", size-len(body))
	}
	n := 0
	for _, inChunks := range []bool{false, true} {
		send := func(t *testing.T, body string) *testkit.Response {
			req := svc.Request(t, http.MethodPost, "/users/", body)
			if inChunks {
				req.Body, req.ContentLength, req.GetBody = io.NopCloser(chunked(body)), -1, nil
			}
			return svc.Send(t, req)
		}
		for _, size := range []int{limit - 1, limit} {
			t.Run(fmt.Sprintf("%d octets pass, chunked: %v", size, inChunks), func(t *testing.T) {
				n++
				send(t, padded(n, size)).Want(http.StatusCreated)
			})
		}
		for _, size := range []int{limit + 1, 2 * limit, 20 * limit} {
			t.Run(fmt.Sprintf("%d octets are 413, chunked: %v", size, inChunks), func(t *testing.T) {
				send(t, padded(0, size)).WantProblem(http.StatusRequestEntityTooLarge, "body_too_large")
			})
		}
	}
	t.Run("a length that is only announced is 413 before a single octet", func(t *testing.T) {
		answer := svc.Exchange(t, "POST /users/ HTTP/1.1", "Content-Type: application/json", "Content-Length: 9223372036854775807")
		answer.WantProblem(http.StatusRequestEntityTooLarge, "body_too_large")
	})
	t.Run("an announced size past the limit is not asked for with 100-continue", func(t *testing.T) {
		answer := svc.Exchange(t, "PUT /users/1 HTTP/1.1", "Content-Type: application/json", "Expect: 100-continue", "Content-Length: 1048577")
		answer.WantProblem(http.StatusRequestEntityTooLarge, "body_too_large")
	})
	t.Run("the limit is a setting", func(t *testing.T) {
		small := testkit.New(t, testkit.Options{MaxBodyBytes: 1024})
		small.Post(t, "/users/", padded(1, 1024)).Want(http.StatusCreated)
		small.Post(t, "/users/", padded(2, 1025)).WantProblem(http.StatusRequestEntityTooLarge, "body_too_large")
	})
}

func TestContract_3_Precedence(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{MaxBodyBytes: 1024})
	svc.Create(t, ada)
	svc.Create(t, `{"name":"Grace","email":"grace@example.com"}`)
	const invalid = `{"name":"","email":"grace@example.com"}`
	large := `{"name` + strings.Repeat(" ", 2000)
	cases := []struct {
		says, path, body, media string
		status                  int
		code                    string
		faults                  []string
	}{
		{"404 of the route before 415", "/nothing", large, "text/plain", 404, "route_not_found", nil},
		{"415 before 413", "/users/abc", large, "text/plain", 415, "unsupported_media_type", nil},
		{"413 before 400", "/users/abc", large, "application/json", 413, "body_too_large", nil},
		{"400 before 422 of the id", "/users/abc", `{`, "application/json", 400, "malformed_json", nil},
		{"400 before 404", "/users/99", `{`, "application/json", 400, "malformed_json", nil},
		{"422 tells the faults of path and body together", "/users/abc", invalid, "application/json", 422, "invalid_input", []string{"?id wrong_type", "/name too_short"}},
		{"422 before 404 of an unknown id", "/users/99", invalid, "application/json", 422, "invalid_input", []string{"/name too_short"}},
		{"422 before 404 of an impossible id", "/users/0", invalid, "application/json", 422, "invalid_input", []string{"/name too_short"}},
		{"404 before 409", "/users/99", `{"name":"Ada","email":"grace@example.com"}`, "application/json", 404, "user_not_found", nil},
		{"404 of an impossible id before 409", "/users/-1", `{"name":"Ada","email":"grace@example.com"}`, "application/json", 404, "user_not_found", nil},
		{"409 last", "/users/1", `{"name":"Ada","email":"grace@example.com"}`, "application/json", 409, "email_taken", nil},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			svc.Put(t, c.path, c.body, "Content-Type: "+c.media).WantProblem(c.status, c.code, c.faults...)
		})
	}
	t.Run("405 before everything", func(t *testing.T) {
		svc.Post(t, "/users/abc", large, "Content-Type: text/plain").WantProblem(http.StatusMethodNotAllowed, "method_not_allowed")
		svc.Put(t, "/users/batch", large, "Content-Type: text/plain").WantProblem(http.StatusMethodNotAllowed, "method_not_allowed")
	})
	t.Run("422 before 409 on POST", func(t *testing.T) {
		svc.Post(t, "/users/", invalid).WantInvalid("/name too_short")
	})
}
