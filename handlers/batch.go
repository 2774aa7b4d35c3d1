package handlers

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"userapi/handlers/problem"
	"userapi/models"
)

// BatchRequest is the body of a batch. It documents what newBatchBody reads.
type BatchRequest struct {
	// Whether all operations take effect together or none, or each by itself.
	Mode string `json:"mode" validate:"optional" enums:"atomic,independent" default:"atomic" example:"atomic"`
	// Whether to answer the same and change nothing; ids that the answer shows are not kept.
	DryRun bool `json:"dry_run" validate:"optional" default:"false" example:"false"`
	// What to do, in this order: later operations see earlier ones.
	Operations []BatchOperation `json:"operations" validate:"min=1,max=1000"`
} // @name BatchRequest

// BatchOperation is one change of a batch.
type BatchOperation struct {
	// What to do.
	Op string `json:"op" enums:"create,update,patch,delete" example:"update"`
	// The id of the user; for all but create, which has none.
	ID int64 `json:"id,omitempty" validate:"optional" minimum:"1" maximum:"9007199254740991" example:"7"`
	// The version that the user must have, bare or quoted, or a list as If-Match has it, or *; for all but create.
	IfMatch string `json:"if_match,omitempty" validate:"optional" minLength:"1" example:"3"`
	// What to set; for all but delete. Create and update need it whole, as POST and PUT do.
	User *UserPatch `json:"user,omitempty" validate:"optional"`
} // @name BatchOperation

// BatchResults is what became of a batch.
type BatchResults struct {
	// As asked for.
	Mode string `json:"mode" enums:"atomic,independent" example:"atomic"`
	// As asked for.
	DryRun bool `json:"dry_run" example:"false"`
	// One result per operation, in their order.
	Results []BatchResult `json:"results" validate:"min=1,max=1000"`
} // @name BatchResults

// BatchResult is what became of one operation of a batch; exactly one of user, id and problem is there.
type BatchResult struct {
	// The HTTP status that the operation would have had alone.
	Status int `json:"status" format:"int32" minimum:"200" maximum:"499" example:"200"`
	// The user as stored, of create, update and patch.
	User *models.User `json:"user,omitempty" validate:"optional"`
	// The id of the user who is gone, of delete.
	ID int64 `json:"id,omitempty" validate:"optional" minimum:"1" maximum:"9007199254740991" example:"9"`
	// Why the operation failed; only with the mode independent.
	Problem *problem.Problem `json:"problem,omitempty" validate:"optional"`
} // @name BatchResult

// batch makes several changes.
//
//	@Summary		Change many users
//	@Description	Runs 1 to 1000 operations in order. Atomic (the default): all take effect and the answer is 200, or none does and one problem lists every bad operation; addresses are judged by how all end, so that users can swap theirs. Independent: each runs by itself and the answer is 207, also when all failed. A body of 1 MiB, the default of http.max_body_bytes, has room for 1000 operations of about 1000 octets; one with an ordinary user takes 100 to 200.
//	@ID				batchUsers
//	@Tags			users
//	@Accept			json
//	@Produce		json
//	@Param			Idempotency-Key	header		string			false	"Makes sending again safe: the same key and body are answered once more with the first success"	minlength(1)	maxlength(255)
//	@Param			batch			body		BatchRequest	true	"What to do"
//	@Success		200,207			{object}	BatchResults	"What became of the operations of an atomic (200) or independent (207) batch"
//	@Header			200,207			{string}	Idempotency-Replayed	"true when the answer is that of an earlier request"
//	@Failure		400,401,403,404,408,409,412,413,415,422,428,429,500,503	{object}	problem.Problem	"The problem"
//	@Header			409				{integer}	Retry-After				"After how many seconds to send the same request again, when it is still running"
//	@Security		BasicAuth
//	@Security		BearerAuth
//	@Security		ApiKeyAuth
//	@x-needs			"users:bulk"
//	@Router			/users/batch [post]
func (h *users) batch(c *gin.Context) error {
	var batch models.Batch
	key, keyErr := retryKeyOf(c)
	if err := firstOf(c.ShouldBindWith(&batch, h.batchBody), keyErr); err != nil {
		return err
	}
	if err := mayRun(c, &batch); err != nil {
		return err
	}
	if err := h.charge(c, &batch); err != nil {
		return err
	}
	return h.batched(c, key, &batch, func(body []byte, results []models.Result) (models.Answer, bool, error) {
		answer := models.Answer{Status: http.StatusOK}
		if batch.Independent {
			answer.Status = http.StatusMultiStatus
		} else if err := rejection(results); err != nil {
			return answer, false, err
		}
		answer.Body = appendResults(c, body, &batch, results)
		// Where nothing was done, a retry may have better luck.
		return answer, slices.ContainsFunc(results, func(r models.Result) bool { return r.Err == nil }), nil
	})
}

// rejection returns the problem of an atomic batch, with the faults of all its bad operations, or nil
// when none is bad. Its status is that of an invalid operation, else of the first bad one
// (contract 5).
func rejection(results []models.Result) error {
	var faults []models.Fault
	kind := models.KindInternal
	for i := range results {
		err := results[i].Err
		if err == nil {
			continue
		}
		if faults == nil || err.Kind == models.KindInvalid {
			kind = err.Kind
		}
		faults = appendRejected(faults, i, err)
	}
	if faults == nil {
		return nil
	}
	rejected := problem.ErrBatchRejected.With(faults...)
	rejected.Kind = kind
	return rejected
}

// appendRejected appends the faults of one operation, each with its status.
func appendRejected(faults []models.Fault, index int, err *models.Error) []models.Fault {
	status := problem.Status(err)
	for _, fault := range err.Faults {
		fault.Status = status
		faults = append(faults, fault)
	}
	if len(err.Faults) > 0 {
		return faults
	}
	member, detail := "", err.Detail
	switch err.Kind {
	case models.KindNotFound:
		member, detail = "/id", "is not the id of a user"
	case models.KindConflict:
		member, detail = "/user/email", "is the address of another user"
	case models.KindStale:
		member, detail = "/if_match", "does not name the version of the user"
		if err.Version > 0 {
			detail += ", which is " + strconv.FormatInt(err.Version, 10)
		}
	case models.KindPreconditionRequired:
		member, detail = "/if_match", "is required by this service"
	default: // it is about the operation as a whole
	}
	place := "/operations/" + strconv.Itoa(index) + member
	return append(faults, models.Fault{Pointer: place, Code: err.Code, Detail: detail, Status: status})
}

// octetsPerResult is about the length of a result with an ordinary user.
const octetsPerResult = 256

// appendResults appends the answer to a batch as JSON.
func appendResults(c *gin.Context, dst []byte, batch *models.Batch, results []models.Result) []byte {
	mode := modes[0]
	if batch.Independent {
		mode = modes[1]
	}
	dst = slices.Grow(dst, len(results)*octetsPerResult)
	dst = append(append(dst, `{"mode":"`...), mode...)
	dst = strconv.AppendBool(append(dst, `","dry_run":`...), batch.DryRun)
	dst = append(dst, `,"results":[`...)
	for i := range results {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendResult(c, dst, batch.Operations[i].Op, &results[i])
	}
	return append(dst, "]}"...)
}

func appendResult(c *gin.Context, dst []byte, op models.Op, result *models.Result) []byte {
	switch {
	case result.Err != nil:
		return appendProblem(c, dst, result.Err)
	case op == models.OpDelete:
		dst = strconv.AppendInt(append(dst, `{"status":204,"id":`...), result.User.ID, 10)
	case op == models.OpCreate:
		dst = result.User.AppendJSON(append(dst, `{"status":201,"user":`...))
	default:
		dst = result.User.AppendJSON(append(dst, `{"status":200,"user":`...))
	}
	return append(dst, '}')
}

// appendProblem appends the result of an operation that failed.
func appendProblem(c *gin.Context, dst []byte, failed *models.Error) []byte {
	dst = strconv.AppendInt(append(dst, `{"status":`...), int64(problem.Status(failed)), 10)
	text, err := json.Marshal(problem.Of(c, failed))
	if err != nil { // a struct of strings always encodes
		_ = c.Error(err)
		text = []byte("null")
	}
	return append(append(append(dst, `,"problem":`...), text...), '}')
}
