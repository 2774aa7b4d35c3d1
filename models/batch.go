package models

import "crypto/sha256"

// MaxOperations is how many operations one batch has at most (contract 5).
const MaxOperations = 1000

// Op is what an operation of a batch does.
type Op uint8

// The operations.
const (
	OpCreate Op = iota + 1
	OpUpdate
	OpPatch
	OpDelete
)

// Batch is several changes in one request (contract 5). Later operations see earlier ones.
type Batch struct {
	// Independent runs each operation by itself; otherwise all of them take effect together or none.
	Independent bool
	// DryRun asks for the results and leaves everything as it is.
	DryRun bool
	// Operations are 1 to MaxOperations.
	Operations []Operation
	// Keep, if not nil, has the answer to the batch kept together with what it changes.
	Keep *Keep
}

// Keep is the wish of a request that owns an idempotency key to have its answer kept.
type Keep struct {
	// Key holds the scope of the idempotency key as well as the key.
	Key string
	// Fingerprint tells the bodies of requests apart.
	Fingerprint [sha256.Size]byte
	// Answer makes the answer of the results, and says whether a retry is to be answered with it. It is
	// asked before anything is written, perhaps more than once: the last answer is the one that counts.
	Answer func(results []Result) (answer Answer, keep bool)
	// Kept is set when the answer is kept.
	Kept bool
}

// Operation is one change of a batch.
type Operation struct {
	Op Op
	// ID is that of the user, for all but OpCreate.
	ID int64
	// Match is the condition, for all but OpCreate.
	Match Match
	// Patch is what to set. OpCreate and OpUpdate take its Input alone, which is then whole.
	Patch UserPatch
	// Err says that the operation is not valid; it is not run and this is its result.
	Err *Error
}

// Result is what became of one operation.
type Result struct {
	// User is what is stored afterwards; of a deleted user it has the id alone.
	User User
	// Err says why the operation failed, or is nil.
	Err *Error
}

// Answer is what a request was answered with, as far as a retry is answered with it again.
type Answer struct {
	Status int
	// Location and ETag are values of header fields; empty when there are none.
	Location, ETag string
	// Body belongs to whoever made the answer; who keeps an answer keeps a copy.
	Body []byte
}
