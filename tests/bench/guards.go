package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

const (
	apiKeyField = "X-Api-Key"
	bearerField = "Authorization"
	// tokenSecret signs the tokens of a run. It guards nothing but servers that this program has started.
	tokenSecret = "the benchmark signs its own tokens"
	issuer      = "https://issuer.example"
	audience    = "users"
)

// measureGuards sets what everything that guards and watches a service costs together beside one without any of it.
func (b *bench) measureGuards(ctx context.Context) error {
	// Limits that count and never say no; metrics; and traces, of which none is sampled.
	watched := []string{
		"USERAPI_LIMIT_READS=60000/1s", "USERAPI_LIMIT_BULK=1000000/1s", "USERAPI_ADMIN_ADDR=127.0.0.1:0",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9", "OTEL_TRACES_SAMPLER=parentbased_always_off",
	}
	plain, err := b.guarded(ctx, "", "", "USERAPI_LIMIT_IN_FLIGHT=0", "USERAPI_HTTP_COMPRESSION=false")
	if err != nil {
		return err
	}
	defer b.stop(plain)
	key, line, err := b.apiKey(ctx)
	if err != nil {
		return err
	}
	for _, guard := range []struct {
		name, field, value string
		settings           []string
	}{
		{"API key", apiKeyField, key, []string{"USERAPI_AUTH_MODE=api_key", "USERAPI_AUTH_API_KEYS=" + line}},
		{"JWT", bearerField, "Bearer " + token(time.Now().Add(time.Hour)), []string{
			"USERAPI_AUTH_MODE=jwt", "USERAPI_JWT_SECRET=" + tokenSecret, "USERAPI_JWT_ISSUER=" + issuer, "USERAPI_JWT_AUDIENCE=" + audience,
		}},
	} {
		p, err := b.guarded(ctx, guard.field, guard.value, append(guard.settings, watched...)...)
		if err != nil {
			return err
		}
		// The other side sends the header field too: to read it is no part of what is measured.
		b.contest(ctx, guard.name+", limit, metrics and unsampled traces: GET /users/{id}", atLeast(0.9),
			b.getsAs("guarded", p, guard.field, guard.value), b.getsAs("all off", plain, guard.field, guard.value))
		b.stop(p)
	}
	return ctx.Err()
}

// guarded starts a service in memory with some settings and the users of a measurement, whom it takes from
// whoever shows these credentials.
func (b *bench) guarded(ctx context.Context, field, value string, settings ...string) (*process, error) {
	l := b.launchService()
	l.env = settings
	p, err := b.start(ctx, l)
	if err != nil {
		return nil, err
	}
	body := appendBatch(nil, seedBatch, func(dst []byte, n int) []byte { return appendSeed(dst, int64(n+1)) })
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.addr+"/users/batch", strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	req.Close = true
	req.Header.Set("Content-Type", "application/json")
	if field != "" {
		req.Header.Set(field, value)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: the users were not taken: %s", p.name, answer.Status)
	}
	p.answers++
	p.users = seedBatch
	return p, nil
}

// getsAs asks for one user by id after the other, with a header field.
func (b *bench) getsAs(name string, p *process, field, value string) side {
	return side{name, func(ctx context.Context, seconds int) (outcome, error) {
		b.runs++
		return b.drive(ctx, p, load{
			path: "/users/", mode: "id", args: []string{fmt.Sprint(seedBatch), fmt.Sprint(b.runs)}, header: field + ": " + value,
		}, seconds)
	}}
}

// apiKey has the service make a key, and returns it with the line that the service wants to be told.
func (b *bench) apiKey(ctx context.Context) (key, line string, err error) {
	command := exec.CommandContext(ctx, b.service, "--new-api-key", "bench", "--scopes", "users:read,users:write,users:bulk")
	command.Dir = b.dir
	output, err := command.Output()
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	var said []string
	for text := range strings.Lines(string(output)) {
		if text = strings.TrimSpace(text); text != "" && text[0] != '#' {
			said = append(said, text)
		}
	}
	if len(said) != 2 {
		return "", "", fmt.Errorf("make a key: the service says %d lines", len(said))
	}
	return said[0], said[1], nil
}

// token returns a token of HS256 (RFC 7515) that is good until a time.
func token(until time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil,
		`{"iss":%q,"aud":%q,"sub":"bench","exp":%d,"scope":"users:read users:write users:bulk"}`, issuer, audience, until.Unix()))
	mac := hmac.New(sha256.New, []byte(tokenSecret))
	_, _ = mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}
