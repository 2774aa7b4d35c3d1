package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"userapi/config"
)

// healthBudget is how long the service may take to say how it is.
const healthBudget = 5 * time.Second

// healthCheck is the program that asks the running service whether requests are wanted, for containers
// that have no other program.
func healthCheck(ctx context.Context, settings config.Config, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, healthBudget)
	defer cancel()
	if err := askReady(ctx, settings, stdout); err != nil {
		fmt.Fprintln(stderr, "userapi:", err)
		return exitFailure
	}
	return exitOK
}

func askReady(ctx context.Context, settings config.Config, stdout io.Writer) error {
	host, port, err := net.SplitHostPort(settings.HTTP.Addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens everywhere, so also there
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	// Over TLS nobody looks at the certificate: it names the service for others, who know it by another name
	// than this address, and may be older than what the file holds. Nothing secret is said.
	scheme, anyone := "http", (*tls.Config)(nil)
	if settings.TLS.CertFile != "" {
		scheme, anyone = "https", &tls.Config{InsecureSkipVerify: true} //nolint:gosec // see above
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/readyz", http.NoBody)
	if err != nil {
		return err
	}
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: anyone}} // past any proxy of the environment
	answer, err := direct.Do(request)
	if err != nil {
		return fmt.Errorf("the service does not answer: %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	said, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil {
		return fmt.Errorf("the service does not answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the service is not ready: %d %s", answer.StatusCode, said)
	}
	fmt.Fprintln(stdout, string(said))
	return nil
}
