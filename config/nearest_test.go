package config

import "testing"

func TestNearest(t *testing.T) {
	names := newCatalogue().names()
	alike := map[string]string{
		"http.adr":                  "http.addr",
		"http.addr ":                "http.addr",
		"htpt.addr":                 "http.addr",
		"addr":                      "http.addr",
		"HTTP.ADDR":                 "http.addr",
		"http.max_body":             "http.max_body_bytes",
		"http.max-body-bytes":       "http.max_body_bytes",
		"http.readtimeout":          "http.read_timeout",
		"http.read_header_timeouts": "http.read_header_timeout",
		"loglevel":                  "log.level",
		"log_level":                 "log.level",
		"drain":                     "shutdown.drain",
		"cursor.keyfile":            "cursor.key_file",
		"cursor.kye":                "cursor.key",
		"swager":                    "http.swagger",
		"dsn":                       "storage.dsn",
		"storage.dns":               "storage.dsn",
		"storage.dsnfile":           "storage.dsn_file",
		"cache.redis_url":           "cache.redis",
	}
	for written, want := range alike {
		t.Run(written+" is taken for "+want, func(t *testing.T) {
			if got, ok := nearest(written, names); !ok || got != want {
				t.Errorf("got %q, %v", got, ok)
			}
		})
	}
	for _, written := range []string{"", "x", "http", "log", "database.url", "http.tls.cert", "tcp://10.0.0.1:80"} {
		t.Run(written+" is taken for nothing", func(t *testing.T) {
			if got, ok := nearest(written, names); ok {
				t.Errorf("got %q", got)
			}
		})
	}
}
