package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"strings"

	"github.com/gin-gonic/gin"

	"userapi/models"
)

// maxKeyOctets is how long an idempotency key may be, without its quotes.
const maxKeyOctets = 255

// retryKey is the idempotency key of a request whose body has still to be read.
type retryKey struct {
	// text is the key with its scope before it: the caller, the method and the route, without the version
	// of the interface, because it is the same operation under either prefix.
	text string
	sum  hash.Hash
}

// retryKeyOf reads the Idempotency-Key of a request, or returns nil when there is none. From then on
// it sums up the body as that is read, so that requests without a key pay nothing.
func retryKeyOf(c *gin.Context) (*retryKey, error) {
	values := c.Request.Header["Idempotency-Key"]
	if len(values) == 0 {
		return nil, nil //nolint:nilnil // a request need not have a key
	}
	text, ok := parseKey(values[0])
	if !ok || len(values) > 1 {
		return nil, models.ErrInvalid.With(models.Fault{
			Header: "Idempotency-Key", Code: "malformed_header",
			Detail: "must be given once and have 1 to 255 printable ASCII characters, bare or as a quoted string (RFC 8941)",
		})
	}
	route := strings.TrimSuffix(strings.TrimPrefix(c.FullPath(), "/v1"), "/")
	key := &retryKey{text: caller(c) + c.Request.Method + " " + route + " " + text, sum: sha256.New()}
	if c.Request.Body != nil {
		c.Request.Body = &summedBody{c.Request.Body, key.sum}
	}
	return key, nil
}

// caller returns what tells the keys of one caller from those of others, and is as short whatever the
// caller is called: nothing for whoever was not asked, else a hash with a space behind it.
func caller(c *gin.Context) string {
	principal := models.PrincipalOf(c.Request.Context())
	if principal.Method == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(principal.Method + " " + principal.Name))
	return base64.RawURLEncoding.EncodeToString(sum[:18]) + " "
}

// parseKey returns the key in the value of a header field: a string in quotes (RFC 8941, section
// 3.3.3) or, as most clients send it, the same without them.
func parseKey(value string) (key string, ok bool) {
	key = value
	if strings.HasPrefix(value, `"`) {
		if key, ok = unquoteKey(value[1:]); !ok {
			return "", false
		}
	}
	if key == "" || len(key) > maxKeyOctets {
		return "", false
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return "", false
		}
	}
	return key, true
}

// unquoteKey reads the rest of a string behind its first quote.
func unquoteKey(rest string) (key string, ok bool) {
	var text strings.Builder
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '"':
			return text.String(), i == len(rest)-1
		case '\\':
			i++
			if i == len(rest) || rest[i] != '"' && rest[i] != '\\' {
				return "", false
			}
		}
		text.WriteByte(rest[i])
	}
	return "", false
}

// summedBody is the body of a request that is summed up as it is read.
type summedBody struct {
	io.ReadCloser
	sum hash.Hash
}

// Read implements io.Reader.
func (b *summedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	_, _ = b.sum.Write(p[:n]) // a hash never fails
	return n, err
}

// answering makes the answer to a batch of its results, with the body appended to an empty one, and
// says whether a retry is to be answered with the same. Its error is an answer too.
type answering func(body []byte, results []models.Result) (answer models.Answer, keep bool, err error)

// batched runs a batch, whose body has been read, and answers with what answerOf makes of its results;
// or, when the same request has been answered under its key, with that answer again.
func (h *users) batched(c *gin.Context, key *retryKey, batch *models.Batch, answerOf answering) error {
	buffer := h.buffers.get()
	defer h.buffers.put(buffer)
	var made models.Answer
	makeAnswer := func(results []models.Result) (keep bool, err error) {
		if made, keep, err = answerOf((*buffer)[:0], results); err == nil {
			*buffer = made.Body // whoever keeps the answer keeps a copy
		}
		return keep, err
	}
	run := func(ctx context.Context) (models.Answer, error) {
		results, err := h.service.Batch(ctx, *batch)
		if err == nil && (batch.Keep == nil || !batch.Keep.Kept) {
			_, err = makeAnswer(results)
		}
		return made, err
	}
	if key == nil {
		answer, err := run(c.Request.Context())
		if err == nil {
			writeAnswer(c, &answer)
		}
		return err
	}
	batch.Keep = &models.Keep{Key: key.text, Answer: func(results []models.Result) (models.Answer, bool) {
		keep, err := makeAnswer(results)
		return made, keep && err == nil
	}}
	key.sum.Sum(batch.Keep.Fingerprint[:0])
	answer, replayed, err := h.retries.Do(c.Request.Context(), batch.Keep, run)
	if errors.Is(err, models.ErrKeyReused) {
		return models.ErrKeyReused.With(models.Fault{
			Header: "Idempotency-Key", Code: models.ErrKeyReused.Code, Detail: "came with another body before",
		})
	}
	if err != nil {
		return err
	}
	if replayed {
		c.Writer.Header()["Idempotency-Replayed"] = []string{"true"}
	}
	writeAnswer(c, &answer)
	return nil
}

// writeAnswer answers with JSON and the header fields that go with it.
func writeAnswer(c *gin.Context, answer *models.Answer) {
	header := c.Writer.Header()
	if answer.Location != "" {
		header["Location"] = []string{answer.Location}
	}
	if answer.ETag != "" {
		header["Etag"] = []string{answer.ETag}
	}
	writeJSON(c, answer.Status, answer.Body)
}
