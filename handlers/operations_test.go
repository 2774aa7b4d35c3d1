package handlers

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin/binding"
	"pgregory.net/rapid"

	"userapi/handlers/problem"
	"userapi/models"
)

// outcome is what is known of an operation once it is read: its own faults as `/pointer code`, or the
// code of another error, or nothing.
func outcome(op *models.Operation) []string {
	if op.Err != nil && len(op.Err.Faults) == 0 {
		return []string{op.Err.Code}
	}
	return faultsOf(op.Err)
}

// atFirst makes pointers into an operation pointers into the first of a batch.
func atFirst(faults []string) []string {
	placed := make([]string, len(faults))
	for i, fault := range faults {
		placed[i] = "/operations/0" + fault
	}
	return placed
}

func TestBatchBody_Bind(t *testing.T) {
	t.Parallel()
	strict := newBatchBody(1<<20, false, false)
	age := int64(36)
	t.Run("every operation is read, whatever the order of its members", func(t *testing.T) {
		t.Parallel()
		body := `{"operations":[
			{"user":{"age":36,"email":" Ada@EXAMPLE.com ","name":" Ada ","id":1},"op":"create"},
			{"user":{"name":"Ada","email":"ada@example.com"},"if_match":"3","id":7,"op":"update"},
			{"op":"patch","user":{"age":null},"id":8.0,"if_match":"\"3\", \"5\""},
			{"id":9007199254740991,"op":"delete","if_match":" * "},
			{"\u006fp":"\u0064elete","id":1}
		],"dry_run":true,"mode":"independent"}`
		want := models.Batch{Independent: true, DryRun: true, Operations: []models.Operation{
			{Op: models.OpCreate, Patch: models.UserPatch{Input: models.UserInput{Name: "Ada", Email: "Ada@example.com", Age: &age}}},
			{Op: models.OpUpdate, ID: 7, Match: models.Match{Given: true, Versions: []int64{3}}, Patch: models.UserPatch{Input: models.UserInput{Name: "Ada", Email: "ada@example.com"}}},
			{Op: models.OpPatch, ID: 8, Match: models.Match{Given: true, Versions: []int64{3, 5}}, Patch: models.UserPatch{Age: true}},
			{Op: models.OpDelete, ID: models.MaxID, Match: models.Match{Given: true, Any: true}},
			{Op: models.OpDelete, ID: 1},
		}}
		if got, err := bindTo[models.Batch](body, strict); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%+v, %v, want\n%+v", got, err, want)
		}
	})
	t.Run("a batch is atomic and meant unless it says otherwise", func(t *testing.T) {
		t.Parallel()
		for _, body := range []string{
			`{"operations":[{"op":"delete","id":1}]}`,
			`{"mode":"atomic","dry_run":false,"operations":[{"op":"delete","id":1}]}`,
		} {
			if got, err := bindTo[models.Batch](body, strict); err != nil || got.Independent || got.DryRun || len(got.Operations) != 1 {
				t.Errorf("%s became %+v, %v", body, got, err)
			}
		}
	})
	t.Run("a thousand operations are read", func(t *testing.T) {
		t.Parallel()
		got, err := bindTo[models.Batch](creates(models.MaxOperations), strict)
		if err != nil || len(got.Operations) != models.MaxOperations {
			t.Fatalf("%d operations, %v", len(got.Operations), err)
		}
		for i := range got.Operations {
			if op := &got.Operations[i]; op.Err != nil || op.Op != models.OpCreate || op.Patch.Input.Email != fmt.Sprintf("ada%d@example.com", i) {
				t.Fatalf("%d became %+v", i, op)
			}
		}
	})
}

func TestBatchBody_Bind_operationFaults(t *testing.T) {
	t.Parallel()
	strict := newBatchBody(1<<20, false, false)
	for operation, want := range map[string][]string{
		// the id
		`{"op":"delete"}`:                                               {"/id required"},
		`{"op":"delete","id":null}`:                                     {"/id wrong_type"},
		`{"op":"delete","id":"1"}`:                                      {"/id wrong_type"},
		`{"op":"delete","id":1.5}`:                                      {"/id wrong_type"},
		`{"op":"delete","id":9223372036854775808}`:                      {"/id out_of_range"},
		`{"op":"delete","id":1e400}`:                                    {"/id out_of_range"},
		`{"op":"create","id":1,"user":{"name":"A","email":"a@b.io"}}`:   {"/id unexpected_member"},
		`{"op":"create","id":"x","user":{"name":"A","email":"a@b.io"}}`: {"/id wrong_type"},
		// the condition
		`{"op":"delete","id":1,"if_match":3}`:                                 {"/if_match wrong_type"},
		`{"op":"delete","id":1,"if_match":null}`:                              {"/if_match wrong_type"},
		`{"op":"delete","id":1,"if_match":""}`:                                {"/if_match malformed_version"},
		`{"op":"delete","id":1,"if_match":"3,4"}`:                             {"/if_match malformed_version"},
		`{"op":"delete","id":1,"if_match":"v3"}`:                              {"/if_match malformed_version"},
		`{"op":"delete","id":1,"if_match":"-3"}`:                              {"/if_match malformed_version"},
		`{"op":"delete","id":1,"if_match":"\"3"}`:                             {"/if_match malformed_version"},
		`{"op":"create","if_match":"*","user":{"name":"A","email":"a@b.io"}}`: {"/if_match unexpected_member"},
		// the user
		`{"op":"create"}`:                                                 {"/user required"},
		`{"op":"update","id":1}`:                                          {"/user required"},
		`{"op":"patch","id":1}`:                                           {"/user required"},
		`{"op":"delete","id":1,"user":{}}`:                                {"/user unexpected_member"},
		`{"op":"delete","id":1,"user":3}`:                                 {"/user wrong_type"},
		`{"op":"create","user":null}`:                                     {"/user wrong_type"},
		`{"op":"create","user":[]}`:                                       {"/user wrong_type"},
		`{"op":"create","user":{}}`:                                       {"/user/email required", "/user/name required"},
		`{"op":"update","id":1,"user":{}}`:                                {"/user/email required", "/user/name required"},
		`{"op":"patch","id":1,"user":{"name":null,"email":"x"}}`:          {"/user/email invalid_email", "/user/name wrong_type"},
		`{"user":{"age":151,"name":"A","nick":"a"},"op":"create"}`:        {"/user/age out_of_range", "/user/email required", "/user/nick unknown_member"},
		`{"user":{"age":true,"name":"A","email":"a@b.io"},"op":"update"}`: {"/id required", "/user/age wrong_type"},
		// all together
		`{"what":1,"if_match":"x","user":{"email":7},"id":[],"op":"patch"}`: {"/id wrong_type", "/if_match malformed_version", "/user/email wrong_type", "/what unknown_member"},
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			got, err := bindTo[models.Batch](`{"operations":[`+operation+`,{"op":"delete","id":5}]}`, strict)
			if err != nil || len(got.Operations) != 2 {
				t.Fatalf("%+v, %v", got, err)
			}
			bad, good := &got.Operations[0], &got.Operations[1]
			if !errors.Is(bad.Err, models.ErrInvalid) || !slices.Equal(outcome(bad), atFirst(want)) {
				t.Errorf("%q, want %q", outcome(bad), atFirst(want))
			}
			if good.Err != nil || good.ID != 5 {
				t.Errorf("the operation behind it is %+v", good)
			}
		})
	}
	for operation, want := range map[string]error{
		`{"op":"delete","id":0}`:                                                        models.ErrUserNotFound,
		`{"op":"patch","id":-9223372036854775809,"user":{}}`:                            models.ErrUserNotFound,
		`{"id":9007199254740992,"op":"delete"}`:                                         models.ErrUserNotFound,
		`{"op":"update","id":9223372036854775807,"user":{"name":"A","email":"a@b.io"}}`: models.ErrUserNotFound,
		`{"op":"update","id":0,"user":{"name":"","email":"a@b.io"}}`:                    models.ErrInvalid, // precedence of contract 1
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			got, err := bindTo[models.Batch](`{"operations":[`+operation+`]}`, strict)
			if err != nil || !errors.Is(got.Operations[0].Err, want) {
				t.Errorf("%v, %v, want %v", got.Operations, err, want)
			}
		})
	}
	t.Run("pointers are of the operation that is meant", func(t *testing.T) {
		t.Parallel()
		valid := `{"op":"delete","id":5},`
		got, err := bindTo[models.Batch](`{"operations":[`+strings.Repeat(valid, 321)+`{"op":"create","user":{"name":"A","a/b":0,"email":"x"}}]}`, strict)
		if err != nil || !slices.Equal(outcome(&got.Operations[321]), []string{"/operations/321/user/a~1b unknown_member", "/operations/321/user/email invalid_email"}) {
			t.Errorf("%v, %q", err, outcome(&got.Operations[321]))
		}
	})
}

func TestBatchBody_Bind_requiredCondition(t *testing.T) {
	t.Parallel()
	strict := newBatchBody(1<<20, false, true)
	for operation, want := range map[string]error{
		`{"op":"delete","id":1}`:                                models.AsError(problem.ErrPreconditionRequired),
		`{"op":"patch","id":0,"user":{}}`:                       models.AsError(problem.ErrPreconditionRequired),
		`{"op":"update","id":1,"user":{"name":"A","email":""}}`: models.ErrInvalid,
		`{"op":"patch","id":0,"user":{},"if_match":"1"}`:        models.ErrUserNotFound,
		`{"op":"delete","id":1,"if_match":"*"}`:                 nil,
		`{"op":"create","user":{"name":"A","email":"a@b.io"}}`:  nil,
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			got, err := bindTo[models.Batch](`{"operations":[`+operation+`]}`, strict)
			if err != nil {
				t.Fatal(err)
			}
			switch failed := got.Operations[0].Err; {
			case want == nil:
				if failed != nil {
					t.Error(failed)
				}
			case !errors.Is(failed, want):
				t.Errorf("%v, want %v", failed, want)
			}
		})
	}
}

func TestBatchBody_Bind_wholeFaults(t *testing.T) {
	t.Parallel()
	strict := newBatchBody(1<<20, false, false)
	for body, want := range map[string][]string{
		`[]`:                               {" wrong_type"},
		`"operations"`:                     {" wrong_type"},
		`{}`:                               {"/operations required"},
		`{"operations":[]}`:                {"/operations too_few"},
		`{"operations":null}`:              {"/operations wrong_type"},
		`{"operations":{"op":"create"}}`:   {"/operations wrong_type"},
		`{"operations":[null,[],3]}`:       {"/operations/0 wrong_type", "/operations/1 wrong_type", "/operations/2 wrong_type"},
		`{"operations":[{"op":"upsert"}]}`: {"/operations/0/op unknown_operation"},
		`{"operations":[{"op":"Create"}]}`: {"/operations/0/op unknown_operation"},
		`{"operations":[{"op":1}]}`:        {"/operations/0/op wrong_type"},
		`{"operations":[{}]}`:              {"/operations/0/op required"},
		`{"mode":"both","operations":[{"op":"delete","id":1}]}`:    {"/mode unknown_mode"},
		`{"mode":null,"operations":[{"op":"delete","id":1}]}`:      {"/mode wrong_type"},
		`{"dry_run":"true","operations":[{"op":"delete","id":1}]}`: {"/dry_run wrong_type"},
		`{"dry_run":null,"operations":[{"op":"delete","id":1}]}`:   {"/dry_run wrong_type"},
		`{"dryrun":true,"operations":[{"op":"delete","id":1}]}`:    {"/dryrun unknown_member"},
		// what is wrong with the operations is told together with it
		`{"operations":[{"op":"create","user":{"name":1,"email":"x"}},{"id":0,"op":"delete"},{"op":"nothing","id":"x"}],"mode":0}`: {
			"/mode wrong_type", "/operations/0/user/email invalid_email", "/operations/0/user/name wrong_type", "/operations/2/id wrong_type", "/operations/2/op unknown_operation",
		},
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			_, err := bindTo[models.Batch](body, strict)
			if !errors.Is(err, models.ErrInvalid) || !slices.Equal(faultsOf(err), want) {
				t.Errorf("%q, %v, want %q", faultsOf(err), err, want)
			}
		})
	}
	t.Run("an operation more than there may be refuses the whole", func(t *testing.T) {
		t.Parallel()
		_, err := bindTo[models.Batch](creates(models.MaxOperations+1), strict)
		if got := faultsOf(err); !slices.Equal(got, []string{"/operations too_many"}) {
			t.Errorf("%q", got)
		}
	})
	t.Run("words and members that are misspelt are told what was meant", func(t *testing.T) {
		t.Parallel()
		_, err := bindTo[models.Batch](`{"mod":1,"mode":"atomc","operations":[{"op":"creat"},{"opp":1,"op":"x"}]}`, strict)
		var said []string
		for _, fault := range models.AsError(err).Faults {
			_, meant, _ := strings.Cut(fault.Detail, "did you mean ")
			said = append(said, fault.Pointer+" "+meant)
		}
		if want := []string{"/mod mode?", "/mode atomic?", "/operations/0/op create?", "/operations/1/opp op?", "/operations/1/op "}; !slices.Equal(said, want) {
			t.Errorf("%q, want %q", said, want)
		}
	})
	t.Run("unknown members can be ignored, those of another operation cannot", func(t *testing.T) {
		t.Parallel()
		got, err := bindTo[models.Batch](`{"x":[{}],"operations":[{"op":"create","y":{},"user":{"name":"A","email":"a@b.io","z":1}},{"op":"delete","id":1,"user":{"z":1}}]}`, newBatchBody(1<<20, true, false))
		if err != nil || got.Operations[0].Err != nil || !slices.Equal(outcome(&got.Operations[1]), []string{"/operations/1/user unexpected_member"}) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestBatchBody_Bind_refused(t *testing.T) {
	t.Parallel()
	strict := newBatchBody(1<<20, false, false)
	nested := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	for body, want := range map[string]error{
		``:                                       problem.ErrMalformedJSON,
		`{"operations":[{"op":"delete","id":1}]`: problem.ErrMalformedJSON,
		`{"operations":[{"op":"delete","id":1},]}`:                                         problem.ErrMalformedJSON,
		`{"operations":[{"op":"delete","id":1}]} 1`:                                        problem.ErrMalformedJSON,
		`{"operations":[{"op":"delete","op":"delete"}]}`:                                   problem.ErrMalformedJSON,
		`{"operations":[{"op":"delete","id":1}],"operations":[]}`:                          problem.ErrMalformedJSON,
		`{"operations":[{"op":"create","user":{"name":"a","name":"b"}}]}`:                  problem.ErrMalformedJSON,
		`{"operations":[{"op":"create","user":{"\u0065mail":"a@b.io","email":"a@b.io"}}]}`: problem.ErrMalformedJSON,
		`{"operations":[{"op":"create","user":{"name":"\ud800"}}]}`:                        problem.ErrMalformedJSON,
		`{"operations":[{"op":delete}]}`:                                                   problem.ErrMalformedJSON,
		`{"operations":[{"op":"delete","id":01}]}`:                                         problem.ErrMalformedJSON,
		`{"operations":[{"op":"delete","id":1.}]}`:                                         problem.ErrMalformedJSON,
		`{"operations":[{"op":"update","user":{"age":-}}]}`:                                problem.ErrMalformedJSON,
		`{"operations":[{"op":"update","user":{"age":nil}}]}`:                              problem.ErrMalformedJSON,
		`{"operations":[{"op":"update","user":{"nick":tru}}]}`:                             problem.ErrMalformedJSON,
		`{"operations":[{"op":"delete","id":1}},"dry_run":true`:                            problem.ErrMalformedJSON,
		`{"operations":[{"op":"delete","if_match":"\x"}]}`:                                 problem.ErrMalformedJSON,
		`{"dry_run":truth,"operations":[]}`:                                                problem.ErrMalformedJSON,
		`{"mode":atomic,"operations":[]}`:                                                  problem.ErrMalformedJSON,
		`{"operations":[{op:"delete"}]}`:                                                   problem.ErrMalformedJSON,
		`{"operations":[{1:"delete"}]}`:                                                    problem.ErrMalformedJSON,
		`{"operations":[{"op":"patch","id":1,"user":{"id":` + nested(28) + `}}]}`:          nil,
		`{"operations":[{"op":"patch","id":1,"user":{"id":` + nested(29) + `}}]}`:          problem.ErrMalformedJSON,
		`{"operations":[` + strings.Repeat(`0,`, models.MaxOperations) + nested(31) + `]}`: problem.ErrMalformedJSON,
		`{"operations":"` + strings.Repeat("a", 1<<20) + `"}`:                              problem.ErrBodyTooLarge,
	} {
		t.Run(fmt.Sprintf("%.70s", body), func(t *testing.T) {
			t.Parallel()
			if _, err := bindTo[models.Batch](body, strict); !errors.Is(err, want) || (want == nil) != (err == nil) {
				t.Errorf("%v, want %v", err, want)
			}
		})
	}
}

func TestBatchBody_Bind_bounds(t *testing.T) {
	t.Parallel()
	strict := newBatchBody(1<<24, false, false)
	t.Run("faults are bounded, and every bad operation has one", func(t *testing.T) {
		t.Parallel()
		operation := `{"op":"delete","id":"x","if_match":3,"a":1,"b":2,"user":7},`
		got, err := bindTo[models.Batch](`{"operations":[`+strings.Repeat(operation, 999)+`{"op":"delete"}]}`, strict)
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for i := range got.Operations {
			if got.Operations[i].Err == nil || len(got.Operations[i].Err.Faults) == 0 {
				t.Fatalf("operation %d passes for valid", i)
			}
			told += len(got.Operations[i].Err.Faults)
		}
		if told < maxFaults || told > maxFaults+models.MaxOperations {
			t.Errorf("%d faults", told)
		}
	})
	t.Run("the whole is refused also when the operations have used up all the faults", func(t *testing.T) {
		t.Parallel()
		operation := `{"op":"delete","a":1,"b":2,"c":3},`
		for body, want := range map[string]string{
			`{"operations":[` + strings.Repeat(operation, 999) + `{"op":"delete"}],"mode":"x"}`: "/mode unknown_mode",
			`{"operations":[` + strings.Repeat(operation, 999) + `{"op":"x"}]}`:                 "/operations/999/op unknown_operation",
			`{"operations":[` + strings.Repeat(operation, 1000) + `1]}`:                         "/operations too_many",
		} {
			if _, err := bindTo[models.Batch](body, strict); !slices.Contains(faultsOf(err), want) || len(faultsOf(err)) > maxFaults+models.MaxOperations+1 {
				t.Errorf("%d faults without %s: %v", len(faultsOf(err)), want, err)
			}
		}
	})
	t.Run("what one batch sent is never seen by the next", rapid.MakeCheck(func(t *rapid.T) {
		before := rapid.SampledFrom([]string{`{"operations":[{"op":"create","x":1,"user":{"name":"A"`, `{"operations":[{"op":"x","y":1}],"mode":1}`, creates(3), `[`})
		_, _ = bindTo[models.Batch](before.Draw(t, "before"), strict)
		got, err := bindTo[models.Batch](`{"operations":[{"op":"create","user":{"name":"A","email":"a@b.io","x":1}}]}`, strict)
		if err != nil || got.Independent || !slices.Equal(outcome(&got.Operations[0]), []string{"/operations/0/user/x unknown_member"}) {
			t.Fatalf("%+v, %v", got, err)
		}
	}))
}

// creates returns the body of a batch that creates users.
func creates(count int) string {
	var body strings.Builder
	body.WriteString(`{"mode":"atomic","operations":[`)
	for n := range count {
		if n > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"op":"create","user":{"name":"Ada Lovelace %d","email":"ada%d@example.com","age":%d}}`, n, n, 1+n%150)
	}
	body.WriteString("]}")
	return body.String()
}

func BenchmarkBatch_Bind(b *testing.B) {
	patches := strings.NewReplacer(`"op":"create",`, `"op":"patch","id":7,"if_match":"3",`, `,"age":`, `,"version":`).Replace(creates(models.MaxOperations))
	bodies := map[string]string{"create": creates(models.MaxOperations), "patch": patches}
	for _, op := range []string{"create", "patch"} {
		b.Run(op, func(b *testing.B) {
			benchmarkBind(b, newBatchBody(1<<20, false, false), bodies[op])
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/models.MaxOperations, "ns/user")
		})
	}
}

func benchmarkBind(b *testing.B, strict binding.Binding, body string) {
	b.Helper()
	if err := registerRules(); err != nil {
		b.Fatal(err)
	}
	reader := strings.NewReader(body)
	req := &http.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(reader), ContentLength: int64(len(body))}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		var batch models.Batch
		if err := strict.Bind(req, &batch); err != nil || batch.Operations[models.MaxOperations-1].Err != nil {
			b.Fatal(err, batch.Operations[models.MaxOperations-1].Err)
		}
	}
}
