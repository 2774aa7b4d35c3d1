package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// readTraces reads an environment of words.
func readTraces(t *testing.T, environ string) *Traces {
	t.Helper()
	traces, err := ReadTraces(strings.Fields(environ))
	if err != nil {
		t.Fatal(err)
	}
	return traces
}

func TestReadTraces(t *testing.T) {
	t.Parallel()
	t.Run("nothing is traced unless the environment asks for it", func(t *testing.T) {
		t.Parallel()
		for environ, want := range map[string]bool{
			"": false, "OTEL_SERVICE_NAME=x OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://x OTEL_TRACES_SAMPLER=odd": false,
			"OTEL_TRACES_EXPORTER=otlp": true, "OTEL_TRACES_EXPORTER=OTLP": true, "OTEL_TRACES_EXPORTER=": false,
			"OTEL_EXPORTER_OTLP_ENDPOINT=http://x": true, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://x": true, "OTEL_EXPORTER_OTLP_ENDPOINT=": false,
			"OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_ENDPOINT=http://x": false,
			"OTEL_SDK_DISABLED=true OTEL_TRACES_EXPORTER=otlp":               false, "OTEL_SDK_DISABLED=True OTEL_TRACES_EXPORTER=odd": false,
			"OTEL_SDK_DISABLED=1 OTEL_TRACES_EXPORTER=otlp": true, // the specification knows no other word than true
			"otel_traces_exporter=otlp":                     false,
		} {
			if got := readTraces(t, environ) != nil; got != want {
				t.Errorf("%q: %v", environ, got)
			}
		}
	})
	t.Run("what is not given is as the specification says", func(t *testing.T) {
		t.Parallel()
		got := readTraces(t, "OTEL_TRACES_EXPORTER=otlp")
		endpoint := got.Endpoint.String()
		got.Endpoint = nil
		want := &Traces{
			Headers: map[string]string{}, Timeout: 10 * time.Second, TLS: got.TLS, ByParent: true, Ratio: 1, Attributes: map[string]string{},
			Queue: 2048, Batch: 512, Every: 5 * time.Second, Patience: 30 * time.Second,
			Limits: SpanLimits{ValueLength: -1, Attributes: 128, Events: 128, EventAttributes: 128, Links: 128, LinkAttributes: 128},
		}
		if endpoint != "http://localhost:4318/v1/traces" || !reflect.DeepEqual(got, want) {
			t.Errorf("%s, %+v", endpoint, got)
		}
	})
	t.Run("the endpoint of all signals is a base, that of traces the place itself", func(t *testing.T) {
		t.Parallel()
		const all, traces = "OTEL_EXPORTER_OTLP_ENDPOINT=", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="
		for environ, want := range map[string]string{
			all + "http://x:4318":                       "http://x:4318/v1/traces",
			all + "https://x/":                          "https://x/v1/traces",
			all + "http://x/a/b/":                       "http://x/a/b/v1/traces",
			traces + "http://x":                         "http://x/",
			traces + "http://x/a":                       "http://x/a",
			traces + "http://x/a " + all + "http://y/b": "http://x/a",
			all + "HTTP://x":                            "http://x/v1/traces",
			all + "http://[::1]:4318":                   "http://[::1]:4318/v1/traces",
		} {
			if got := readTraces(t, environ).Endpoint.String(); got != want {
				t.Errorf("%s: %s", environ, got)
			}
		}
	})
	t.Run("what is given for traces takes the place of what is given for all", func(t *testing.T) {
		t.Parallel()
		got := readTraces(t, "OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_HEADERS=a=1,b=2 OTEL_EXPORTER_OTLP_TRACES_HEADERS=c=3%2C4,,d= OTEL_EXPORTER_OTLP_TIMEOUT=1 "+
			"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=200 OTEL_EXPORTER_OTLP_COMPRESSION=none OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=GZIP OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
		if fmt.Sprint(got.Headers) != "map[c:3,4 d:]" || got.Timeout != 200*time.Millisecond || !got.Gzip {
			t.Errorf("%+v", got)
		}
	})
	t.Run("the sampler is one of the specification's", func(t *testing.T) {
		t.Parallel()
		type rule struct {
			byParent bool
			ratio    float64
		}
		for environ, want := range map[string]rule{
			"always_on": {false, 1}, "always_off": {false, 0}, "parentbased_always_on": {true, 1}, "PARENTBASED_ALWAYS_OFF": {true, 0},
			"traceidratio": {false, 1}, "traceidratio OTEL_TRACES_SAMPLER_ARG=0.25": {false, 0.25}, "parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=1e-3": {true, 0.001},
			"always_on OTEL_TRACES_SAMPLER_ARG=odd": {false, 1}, "parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0": {true, 0},
		} {
			if got := readTraces(t, "OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER="+environ); got.ByParent != want.byParent || got.Ratio != want.ratio {
				t.Errorf("%s: %v %v", environ, got.ByParent, got.Ratio)
			}
		}
	})
	t.Run("the service may be described, and its name has a variable of its own", func(t *testing.T) {
		t.Parallel()
		got := readTraces(t, "OTEL_TRACES_EXPORTER=otlp OTEL_RESOURCE_ATTRIBUTES=service.name=a,team=b%20c OTEL_SERVICE_NAME=d")
		if fmt.Sprint(got.Attributes) != "map[service.name:d team:b c]" {
			t.Errorf("%v", got.Attributes)
		}
	})
	t.Run("the queue is bounded as asked, and a batch is no larger", func(t *testing.T) {
		t.Parallel()
		got := readTraces(t, "OTEL_TRACES_EXPORTER=otlp OTEL_BSP_MAX_QUEUE_SIZE=100 OTEL_BSP_SCHEDULE_DELAY=7 OTEL_BSP_EXPORT_TIMEOUT=8")
		if got.Queue != 100 || got.Batch != 100 || got.Every != 7*time.Millisecond || got.Patience != 8*time.Millisecond {
			t.Errorf("%+v", got)
		}
	})
	t.Run("spans are bounded as asked, and what is said of spans takes the place of what is said of all", func(t *testing.T) {
		t.Parallel()
		got := readTraces(t, "OTEL_TRACES_EXPORTER=otlp OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=1 OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=2 OTEL_ATTRIBUTE_COUNT_LIMIT=3 "+
			"OTEL_SPAN_EVENT_COUNT_LIMIT=4 OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT=5 OTEL_SPAN_LINK_COUNT_LIMIT=6 OTEL_LINK_ATTRIBUTE_COUNT_LIMIT=0").Limits
		if want := (SpanLimits{ValueLength: 2, Attributes: 3, Events: 4, EventAttributes: 5, Links: 6, LinkAttributes: 0}); got != want {
			t.Errorf("%+v", got)
		}
	})
	t.Run("what comes with a request is read as W3C has it, whatever else is named beside", func(t *testing.T) {
		t.Parallel()
		for _, list := range []string{"tracecontext", "tracecontext,baggage", "Baggage,tracecontext"} {
			readTraces(t, "OTEL_TRACES_EXPORTER=otlp OTEL_PROPAGATORS="+list)
		}
		readTraces(t, "OTEL_PROPAGATORS=b3") // nothing is traced
	})
	t.Run("certificates come from files", func(t *testing.T) {
		t.Parallel()
		certificate, key := pair(t)
		got := readTraces(t, "OTEL_EXPORTER_OTLP_ENDPOINT=https://x OTEL_EXPORTER_OTLP_CERTIFICATE="+certificate+
			" OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE="+certificate+" OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY="+key).TLS
		if got.RootCAs == nil || len(got.Certificates) != 1 || got.MinVersion != tls.VersionTLS12 {
			t.Errorf("%+v", got)
		}
	})
}

// pair writes a certificate and its key and returns the names of the files.
func pair(t *testing.T) (certificate, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for name, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: public}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

func TestReadTraces_faults(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for environ, want := range map[string]string{
		"OTEL_TRACES_EXPORTER=zipkin":                                      `OTEL_TRACES_EXPORTER: "zipkin" is not supported; set it to none, otlp`,
		"OTEL_TRACES_EXPORTER=otlp,console":                                `OTEL_TRACES_EXPORTER: "otlp,console" is not supported; set it to none, otlp`,
		"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318":                       "OTEL_EXPORTER_OTLP_ENDPOINT: it does not begin with http:// or https://; write it like http://127.0.0.1:4318",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://":                              "OTEL_EXPORTER_OTLP_ENDPOINT: it has no host; write it like http://127.0.0.1:4318",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://:4318":                         "OTEL_EXPORTER_OTLP_ENDPOINT: it has no host; write it like http://127.0.0.1:4318",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://s3cr3t%zz":              "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: it is not a URL; write it like http://127.0.0.1:4318",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://x?token=s3cr3t":                "OTEL_EXPORTER_OTLP_ENDPOINT: it has a query or a fragment, which nobody would send; write it like http://127.0.0.1:4318",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://s3cr3t@x":                      "OTEL_EXPORTER_OTLP_ENDPOINT: it holds credentials, which nobody would send; give them by OTEL_EXPORTER_OTLP_HEADERS",
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_HEADERS=a=1,s3cr3t":  "OTEL_EXPORTER_OTLP_HEADERS: pair 2 cannot be read; write it like name=value,other=value, with commas in values as %2C",
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_HEADERS=a=%0As3cr3t": "OTEL_EXPORTER_OTLP_HEADERS: pair 1 cannot be read; write it like name=value,other=value, with commas in values as %2C",
		"OTEL_TRACES_EXPORTER=otlp OTEL_RESOURCE_ATTRIBUTES=a=%ff":         "OTEL_RESOURCE_ATTRIBUTES: pair 1 cannot be read; write it like name=value,other=value, with commas in values as %2C",
		"OTEL_TRACES_EXPORTER=otlp OTEL_SERVICE_NAME=\xff":                 "OTEL_SERVICE_NAME: it is not text; write it in UTF-8",
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_TIMEOUT=10s":         `OTEL_EXPORTER_OTLP_TIMEOUT: "10s" is not a number in range; give 1 to 600000`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_TIMEOUT=0":           `OTEL_EXPORTER_OTLP_TIMEOUT: "0" is not a number in range; give 1 to 600000`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_COMPRESSION=zstd":    `OTEL_EXPORTER_OTLP_COMPRESSION: "zstd" is not supported; set it to none, gzip`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=http/json":  `OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" is not supported; set it to http/protobuf`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=jaeger_remote": `OTEL_TRACES_SAMPLER: "jaeger_remote" is not supported; set it to parentbased_always_on, parentbased_always_off, ` +
			"parentbased_traceidratio, always_on, always_off, traceidratio",
		"OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=NaN":     `OTEL_TRACES_SAMPLER_ARG: "NaN" is not a ratio; give 0 to 1, such as 0.01`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=1.1":     `OTEL_TRACES_SAMPLER_ARG: "1.1" is not a ratio; give 0 to 1, such as 0.01`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_BSP_MAX_QUEUE_SIZE=-1":                                       `OTEL_BSP_MAX_QUEUE_SIZE: "-1" is not a number in range; give 1 to 1048576`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_BSP_MAX_QUEUE_SIZE=9 OTEL_BSP_MAX_EXPORT_BATCH_SIZE=10":      `OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "10" is not a number in range; give 1 to 9`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_PROPAGATORS=b3":                                              `OTEL_PROPAGATORS: "b3" is not supported; set it to tracecontext or to tracecontext,baggage, or leave it out`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_PROPAGATORS=tracecontext,b3multi":                            `OTEL_PROPAGATORS: "tracecontext,b3multi" is not supported; set it to tracecontext or to tracecontext,baggage, or leave it out`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_PROPAGATORS=none":                                            `OTEL_PROPAGATORS: "none" is not supported; set it to tracecontext or to tracecontext,baggage, or leave it out`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_PROPAGATORS=baggage":                                         `OTEL_PROPAGATORS: "baggage" is not supported; set it to tracecontext or to tracecontext,baggage, or leave it out`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=abc":                       `OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: "abc" is not a number in range; give 0 to 1048576`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_ATTRIBUTE_COUNT_LIMIT=-1":                                    `OTEL_ATTRIBUTE_COUNT_LIMIT: "-1" is not a number in range; give 0 to 1048576`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=1 OTEL_ATTRIBUTE_COUNT_LIMIT=odd": `OTEL_ATTRIBUTE_COUNT_LIMIT: "odd" is not a number in range; give 0 to 1048576`,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://x OTEL_EXPORTER_OTLP_CERTIFICATE=/s3cr3t":                "OTEL_EXPORTER_OTLP_CERTIFICATE: the endpoint is not asked by TLS; let the endpoint begin with https://, or leave this out",
		"OTEL_EXPORTER_OTLP_ENDPOINT=https://x OTEL_EXPORTER_OTLP_CERTIFICATE=/s3cr3t":               "OTEL_EXPORTER_OTLP_CERTIFICATE: the file cannot be read; name a file that this process can read",
		"OTEL_EXPORTER_OTLP_ENDPOINT=https://x OTEL_EXPORTER_OTLP_CERTIFICATE=" + empty:              "OTEL_EXPORTER_OTLP_CERTIFICATE: the file holds no certificate; name a file of PEM certificates",
		"OTEL_EXPORTER_OTLP_ENDPOINT=https://x OTEL_EXPORTER_OTLP_CLIENT_KEY=/s3cr3t":                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: with OTEL_EXPORTER_OTLP_CLIENT_KEY it is not a certificate and its key; name files of a PEM certificate and its key, one by each variable",
	} {
		traces, err := ReadTraces(strings.Split(environ, " "))
		var faults *Error
		if !errors.As(err, &faults) || len(faults.Faults) != 1 {
			t.Errorf("%s: %v, %v", environ, traces, err)
			continue
		}
		if got := faults.Faults[0].String(); got != want {
			t.Errorf("%s:\n%s, want\n%s", environ, got, want)
		}
	}
}
