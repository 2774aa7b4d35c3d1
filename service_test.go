package main

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"userapi/config"
	"userapi/middleware/auth"
)

func TestService_apply(t *testing.T) {
	t.Parallel()
	t.Run("has the issuer of tokens asked again, and tells what it fails with", func(t *testing.T) {
		t.Parallel()
		var asked atomic.Int64
		issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			_, _ = w.Write([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
		}))
		t.Cleanup(issuer.Close)
		settings := asking(config.AuthJWT, func(c *config.Config) { c.JWT.JWKSURL = issuer.URL })
		core, logs := observer.New(zap.WarnLevel)
		s := newService(settings, zap.New(core), zap.NewAtomicLevel())
		var passed atomic.Int64
		tell := s.callers.Issuer
		s.callers = auth.NewState(func() time.Time { return time.Unix(1_800_000_000+passed.Load(), 0) })
		s.callers.Issuer = tell
		t.Cleanup(s.callers.Close)
		var err error
		if s.limits, s.flight, err = newLimits(settings, nil, s.log); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.limits.Close() })
		if err := s.open(closed(), make([]byte, 32)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the keys", func() bool { return s.authenticator.Ready() == nil })
		passed.Store(10)
		if err := s.apply(settings); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the issuer to be asked again", func() bool { return asked.Load() == 2 })
		if logs.Len() > 0 {
			t.Errorf("it said %v", logs.All())
		}
		tell(http.ErrServerClosed)
		if logs.Len() != 1 {
			t.Errorf("it said %v", logs.All())
		}
	})
}
