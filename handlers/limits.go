package handlers

import (
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"userapi/handlers/problem"
	"userapi/middleware"
	"userapi/middleware/limit"
	"userapi/models"
)

// unlimited has whatever is not limited be so by limits that let everything through.
func (d *Deps) unlimited() (err error) {
	if d.Flight == nil {
		d.Flight = limit.NewFlight(0, time.Now)
	}
	if d.Limits == nil {
		d.Limits, err = limit.New(limit.Options{Now: time.Now})
	}
	return err
}

// refuse answers a request that its caller has no budget for.
func refuse(c *gin.Context, wait time.Duration) { problem.Write(c, rateLimited(wait)) }

func rateLimited(wait time.Duration) error {
	err := *problem.ErrRateLimited
	err.RetryAfter = wait
	return &err
}

// charge charges a batch that was read for what it does beyond its first operation, which was charged
// before it was read. One that no budget can ever hold is not told to come again.
func (h *users) charge(c *gin.Context, batch *models.Batch) error {
	count := len(batch.Operations)
	if most, limited := h.limits.Most(middleware.BudgetBulk); limited && count > most {
		return models.ErrInvalid.With(models.Fault{
			Pointer: "/operations", Code: "too_many",
			Detail: "must have at most " + strconv.Itoa(most) + " operations, which is all that the rate limit of this service allows at once",
		})
	}
	if wait, ok := h.limits.Rest(c, middleware.BudgetBulk, count); !ok {
		return rateLimited(wait)
	}
	return nil
}
