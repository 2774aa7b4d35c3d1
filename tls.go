package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"userapi/config"
)

const (
	// certificateLook is how often the files of the certificate are read. They are small, and what is
	// read is what counts: times of files say nothing about links that were turned to another folder.
	certificateLook = time.Second
	// certificateNotice is how long before its end a certificate is complained of, once a day.
	certificateNotice = 14 * 24 * time.Hour
)

// certificate is the pair of files by which the service proves who it is. Handshakes use what the files
// held when they last made a valid pair, so that one that is half written, or is not a pair at all,
// changes nothing. It is safe for concurrent use.
type certificate struct {
	certFile, keyFile string
	log               *zap.Logger
	now               func() time.Time
	current           atomic.Pointer[tls.Certificate]

	mu     sync.Mutex
	sum    [sha256.Size]byte // of what current was read from
	warned time.Time         // when its end was last complained of
}

// secure has a server speak TLS, if the settings name a certificate, and follow its files until the function
// that it returns is called. Its error is an unusableError.
func (s *service) secure(server *server) (stop func(), err error) {
	if s.settings.TLS.CertFile == "" {
		return func() {}, nil
	}
	if s.certificate, err = newCertificate(s.settings.TLS, s.log); err != nil {
		return nil, err
	}
	server.secure(s.certificate)
	s.metrics.SetCertificate(s.certificate.NotAfter)
	return s.certificate.watch(certificateLook), nil
}

// newCertificate reads the pair. Its error is an unusableError. One that has expired is used
// nevertheless: every client says so by itself, and a restart must not make of it an outage that ends
// later than the next renewal.
func newCertificate(settings config.TLS, log *zap.Logger) (*certificate, error) {
	c := &certificate{certFile: settings.CertFile, keyFile: settings.KeyFile, log: log, now: time.Now}
	pair, sum, err := c.read()
	if err != nil {
		return nil, unusableError{err}
	}
	c.use(pair, sum)
	return c, nil
}

// config returns what a server is told of TLS.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// Reload reads the files again and has new handshakes use what they hold. When that is no pair, or has
// expired while the one in use has not, it returns an error that names the setting, and changes nothing.
func (c *certificate) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	pair, sum, err := c.read()
	if err != nil {
		return err
	}
	if sum == c.sum {
		return nil
	}
	if now := c.now(); !valid(pair.Leaf, now) && valid(c.current.Load().Leaf, now) {
		return fmt.Errorf("tls.cert_file: %s is valid from %s to %s only; replace it by one that is valid now",
			c.certFile, pair.Leaf.NotBefore.UTC().Format(time.RFC3339), pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	c.use(pair, sum)
	return nil
}

// follow reads the files again, as somebody asked for. A fault is logged and stops nothing else: whoever takes
// a key out of the settings must not have to mend a certificate first.
func (c *certificate) follow() {
	if err := c.Reload(); err != nil {
		c.refuse(err.Error())
	}
}

func (c *certificate) refuse(fault string) {
	c.log.Error("the certificate was changed to what cannot be used; the one before is still in use", zap.String("error", fault))
}

// NotAfter returns when the certificate in use ends.
func (c *certificate) NotAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// DaysLeft returns how many days the certificate in use is still valid; it is negative when it has expired.
func (c *certificate) DaysLeft() float64 { return c.NotAfter().Sub(c.now()).Hours() / 24 }

// watch follows the files until the function that it returns is called.
func (c *certificate) watch(every time.Duration) (stop func()) {
	ticker, stopping, done := time.NewTicker(every), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var faults certificateFaults
		for {
			select {
			case <-stopping:
				return
			case <-ticker.C:
				c.look(&faults)
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(stopping)
		<-done
	}
}

// certificateFaults is what was wrong when the files were last looked at, and what of that was said.
type certificateFaults struct{ seen, said string }

// look follows the files. What is wrong with them is said once, and only when two looks in a row have found
// it: between the writing of the one file and of the other they are no pair.
func (c *certificate) look(faults *certificateFaults) {
	fault := ""
	if err := c.Reload(); err != nil {
		fault = err.Error()
	}
	switch {
	case fault == "":
		faults.said = ""
	case fault == faults.seen && fault != faults.said:
		faults.said = fault
		c.refuse(fault)
	}
	faults.seen = fault
	c.warn()
}

// use has handshakes use a pair. The caller has the lock, or nobody else knows c.
func (c *certificate) use(pair *tls.Certificate, sum [sha256.Size]byte) {
	c.current.Store(pair)
	c.sum, c.warned = sum, time.Time{}
	c.log.Info("certificate in use", zap.Strings("names", pair.Leaf.DNSNames), zap.String("not_after", pair.Leaf.NotAfter.UTC().Format(time.RFC3339)))
	c.complain()
}

// warn complains of a certificate that ends soon, once a day.
func (c *certificate) warn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.complain()
}

func (c *certificate) complain() {
	now, leaf := c.now(), c.current.Load().Leaf
	if left := leaf.NotAfter.Sub(now); left > certificateNotice && valid(leaf, now) || now.Sub(c.warned) < 24*time.Hour {
		return
	}
	c.warned = now
	if !valid(leaf, now) {
		c.log.Error("the certificate is not valid at this time; clients refuse it", zap.Float64("days_left", c.DaysLeft()))
		return
	}
	c.log.Warn("the certificate ends soon; replace it", zap.Float64("days_left", c.DaysLeft()))
}

func valid(leaf *x509.Certificate, now time.Time) bool {
	return !now.Before(leaf.NotBefore) && !now.After(leaf.NotAfter)
}

// read returns the pair that the files hold, and the sum of what they hold. Its error names the setting
// and the mend, and never what stands in the file of the key.
func (c *certificate) read() (*tls.Certificate, [sha256.Size]byte, error) {
	var sum [sha256.Size]byte
	chain, err := readPEM("tls.cert_file", c.certFile)
	if err != nil {
		return nil, sum, err
	}
	key, err := readPEM("tls.key_file", c.keyFile)
	if err != nil {
		return nil, sum, err
	}
	if err := checkChain(chain); err != nil {
		return nil, sum, fmt.Errorf("tls.cert_file: %s %w; give it the certificate in PEM, and behind it those that lead to its authority", c.certFile, err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	switch {
	case err != nil && bytes.Contains(key, []byte("ENCRYPTED")):
		return nil, sum, fmt.Errorf("tls.key_file: %s is encrypted; take the password off with: openssl pkey", c.keyFile)
	case err != nil:
		return nil, sum, fmt.Errorf("tls.key_file: %s: %s; give it the key in PEM that belongs to the certificate of tls.cert_file",
			c.keyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%d\n", len(chain))
	_, _ = hash.Write(chain)
	_, _ = hash.Write(key)
	return &pair, [sha256.Size]byte(hash.Sum(nil)), nil
}

func readPEM(setting, path string) ([]byte, error) {
	const mend = "name a file in PEM that this process may read"
	content, err := config.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; %s", setting, err, mend)
	}
	return content, nil
}

// checkChain says why a text is no certificate.
func checkChain(text []byte) error {
	found := false
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("holds a damaged certificate (%s)", strings.TrimPrefix(err.Error(), "x509: "))
		}
		found = true
	}
	if !found {
		return errors.New("holds no certificate")
	}
	return nil
}
