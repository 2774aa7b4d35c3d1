package middleware

// Budget is what a request is charged to, where callers have only so much of the service.
type Budget uint8

// The budgets.
const (
	BudgetNone   Budget = iota // requests that are always answered
	BudgetReads                // requests that read
	BudgetWrites               // requests that change one user
	BudgetBulk                 // the operations of batches
)

// String returns the name of the budget, as in the header RateLimit-Policy.
func (b Budget) String() string {
	return [...]string{"none", "reads", "writes", "bulk"}[b]
}
