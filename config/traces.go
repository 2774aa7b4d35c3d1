package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
)

// Traces says where spans go and which. It is read from the OTEL_* variables of OpenTelemetry's
// specification, by which an operator configures all programs alike, and from nothing else.
type Traces struct {
	// Endpoint is the URL that spans are posted to.
	Endpoint *url.URL
	// Headers go with every request to it. Their values are secrets.
	Headers map[string]string
	// Timeout is how long one request to it may take.
	Timeout time.Duration
	// Gzip says whether what is posted is compressed.
	Gzip bool
	// TLS is what an https endpoint is asked with.
	TLS *tls.Config

	// ByParent says whether a request that comes with a traceparent is sampled as that says.
	ByParent bool
	// Ratio is the part of all other requests that is sampled, from 0 to 1.
	Ratio float64

	// Attributes describe the service, by name.
	Attributes map[string]string

	// Limits bound what one span holds.
	Limits SpanLimits

	// Queue is the number of spans that wait to be exported, at most; Batch that which one request takes.
	Queue, Batch int
	// Every is how often spans are exported, and Patience how long one batch is tried.
	Every, Patience time.Duration
}

// SpanLimits is how long a value of a span may be, and how many there may be of what. Negative is no limit.
type SpanLimits struct{ ValueLength, Attributes, Events, EventAttributes, Links, LinkAttributes int }

const (
	exporterVariable = "OTEL_TRACES_EXPORTER"
	serviceVariable  = "OTEL_SERVICE_NAME"
	endpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT"
	// tracesEndpointVariable takes the place of endpointVariable, path and all.
	tracesEndpointVariable = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	tracesPath             = "/v1/traces"
	endpointMend           = "write it like http://127.0.0.1:4318"
)

// ReadTraces returns what the environment says about traces; nil when there are to be none, which is so
// unless OTEL_TRACES_EXPORTER is otlp or an endpoint is given. Its error is an *Error that names every
// variable at fault, since the SDK would only log it and go on with something else.
func ReadTraces(environ []string) (*Traces, error) {
	v := &variables{of: map[string]string{}}
	for _, entry := range environ {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			if value = strings.TrimSpace(value); value != "" { // an empty one is as good as none
				v.of[name] = value
			}
		}
	}
	if !v.wanted() {
		return nil, v.err()
	}
	t := &Traces{
		Endpoint: v.endpoint(),
		Headers:  v.pairs(v.exporter("HEADERS"), httpguts.ValidHeaderFieldName, httpguts.ValidHeaderFieldValue),
		Timeout:  v.milliseconds(v.exporter("TIMEOUT"), 10*time.Second),
		Gzip:     v.choice(v.exporter("COMPRESSION"), "none", "gzip") == "gzip",
		Every:    v.milliseconds("OTEL_BSP_SCHEDULE_DELAY", 5*time.Second),
		Patience: v.milliseconds("OTEL_BSP_EXPORT_TIMEOUT", 30*time.Second),
		Queue:    v.number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1, 1<<20),
		Limits:   v.limits(),
	}
	v.propagators()
	// Others are for gRPC, or JSON, which collectors take as well, but need another encoder.
	v.choice(v.exporter("PROTOCOL"), "http/protobuf")
	t.TLS = v.tls(t.Endpoint)
	t.Batch = v.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", min(512, t.Queue), 1, t.Queue)
	t.ByParent, t.Ratio = v.sampler()
	t.Attributes = v.pairs("OTEL_RESOURCE_ATTRIBUTES", validAttribute, utf8.ValidString)
	if name := v.of[serviceVariable]; utf8.ValidString(name) && name != "" {
		t.Attributes["service.name"] = name
	} else if name != "" {
		v.reject(serviceVariable, "write it in UTF-8", "it is not text")
	}
	return t, v.err()
}

// variables are those of OpenTelemetry in an environment, and what is wrong with them.
type variables struct {
	of     map[string]string
	faults []Fault
}

func (v *variables) err() error {
	if len(v.faults) == 0 {
		return nil
	}
	return &Error{Faults: v.faults}
}

// reject notes a fault. No text repeats a value that may hold a secret.
func (v *variables) reject(name, mend, problem string, about ...any) {
	v.faults = append(v.faults, Fault{Source: name, Problem: fmt.Sprintf(problem, about...), Mend: mend})
}

// wanted says whether there are to be traces.
func (v *variables) wanted() bool {
	if strings.EqualFold(v.of["OTEL_SDK_DISABLED"], "true") {
		return false
	}
	if v.of[exporterVariable] != "" {
		return v.choice(exporterVariable, "none", "otlp") == "otlp"
	}
	return v.of[endpointVariable] != "" || v.of[tracesEndpointVariable] != ""
}

// exporter returns the name of a variable of the exporter: that for traces alone, if it is given, else
// that for all signals.
func (v *variables) exporter(name string) string {
	if special := "OTEL_EXPORTER_OTLP_TRACES_" + name; v.of[special] != "" {
		return special
	}
	return "OTEL_EXPORTER_OTLP_" + name
}

// choice returns the value of a variable, which is one of a few in any letter case; the first when it is
// not given.
func (v *variables) choice(name string, allowed ...string) string {
	value := v.of[name]
	if value == "" {
		return allowed[0]
	}
	for _, word := range allowed {
		if strings.EqualFold(value, word) {
			return word
		}
	}
	v.reject(name, "set it to "+strings.Join(allowed, ", "), "%s is not supported", quote(value))
	return allowed[0]
}

func (v *variables) number(name string, otherwise, least, most int) int {
	value := v.of[name]
	if value == "" {
		return otherwise
	}
	number, err := strconv.Atoi(value)
	if err != nil || number < least || number > most {
		v.reject(name, fmt.Sprintf("give %d to %d", least, most), "%s is not a number in range", quote(value))
		return otherwise
	}
	return number
}

func (v *variables) milliseconds(name string, otherwise time.Duration) time.Duration {
	const most = 10 * 60 * 1000
	return time.Duration(v.number(name, int(otherwise.Milliseconds()), 1, most)) * time.Millisecond
}

// limits returns the bounds of spans. All are judged, also those that others take the place of: the SDK
// reads them whatever it is told, and writes beside the log of what it cannot read.
func (v *variables) limits() SpanLimits {
	const most, attributes = 1 << 20, 128
	length := v.number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", -1, 0, most)
	count := v.number("OTEL_ATTRIBUTE_COUNT_LIMIT", attributes, 0, most)
	return SpanLimits{
		ValueLength:     v.number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", length, 0, most),
		Attributes:      v.number("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", count, 0, most),
		Events:          v.number("OTEL_SPAN_EVENT_COUNT_LIMIT", attributes, 0, most),
		EventAttributes: v.number("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", attributes, 0, most),
		Links:           v.number("OTEL_SPAN_LINK_COUNT_LIMIT", attributes, 0, most),
		LinkAttributes:  v.number("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", attributes, 0, most),
	}
}

// propagators refuses to read what comes with a request in another form than W3C's, and not to read it.
// Baggage may be named, as it is by default, though nothing here needs any.
func (v *variables) propagators() {
	const name, ours = "OTEL_PROPAGATORS", "tracecontext"
	if v.of[name] == "" {
		return
	}
	found, others := false, false
	for word := range strings.SplitSeq(v.of[name], ",") {
		word = strings.TrimSpace(word)
		found = found || strings.EqualFold(word, ours)
		others = others || !strings.EqualFold(word, ours) && !strings.EqualFold(word, "baggage")
	}
	if !found || others {
		v.reject(name, "set it to "+ours+" or to "+ours+",baggage, or leave it out", "%s is not supported", quote(v.of[name]))
	}
}

// endpoint returns the URL for traces. One that is given for all signals is the base of theirs.
func (v *variables) endpoint() *url.URL {
	name, path := endpointVariable, tracesPath
	if v.of[tracesEndpointVariable] != "" {
		name, path = tracesEndpointVariable, ""
	}
	text := v.of[name]
	if text == "" {
		text = "http://localhost:4318"
	}
	endpoint, err := url.Parse(text)
	switch {
	case err != nil:
		v.reject(name, endpointMend, "it is not a URL")
	case endpoint.Scheme != "http" && endpoint.Scheme != "https":
		v.reject(name, endpointMend, "it does not begin with http:// or https://")
	case endpoint.Hostname() == "":
		v.reject(name, endpointMend, "it has no host")
	case endpoint.User != nil:
		v.reject(name, "give them by OTEL_EXPORTER_OTLP_HEADERS", "it holds credentials, which nobody would send")
	case endpoint.RawQuery != "" || endpoint.Fragment != "":
		v.reject(name, endpointMend, "it has a query or a fragment, which nobody would send")
	default:
		endpoint.Path = strings.TrimSuffix(endpoint.Path, "/") + path
		if endpoint.Path == "" {
			endpoint.Path = "/"
		}
		return endpoint
	}
	return &url.URL{Scheme: "http", Host: "localhost:4318", Path: tracesPath}
}

// tls returns what an https endpoint is asked with: the system's authorities, unless a file names others,
// and a certificate of our own, if there is one.
func (v *variables) tls(endpoint *url.URL) *tls.Config {
	authorities, certificate, key := v.exporter("CERTIFICATE"), v.exporter("CLIENT_CERTIFICATE"), v.exporter("CLIENT_KEY")
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, name := range []string{authorities, certificate, key} {
		if v.of[name] != "" && endpoint.Scheme != "https" {
			v.reject(name, "let the endpoint begin with https://, or leave this out", "the endpoint is not asked by TLS")
			return nil
		}
	}
	if file := v.of[authorities]; file != "" {
		pem, err := ReadFile(file)
		secure.RootCAs = x509.NewCertPool()
		switch {
		case err != nil:
			v.reject(authorities, "name a file that this process can read", "the file cannot be read")
		case !secure.RootCAs.AppendCertsFromPEM(pem):
			v.reject(authorities, "name a file of PEM certificates", "the file holds no certificate")
		}
	}
	if v.of[certificate] != "" || v.of[key] != "" {
		pair, err := tls.LoadX509KeyPair(v.of[certificate], v.of[key])
		if err != nil {
			v.reject(certificate, "name files of a PEM certificate and its key, one by each variable", "with %s it is not a certificate and its key", key)
		}
		secure.Certificates = []tls.Certificate{pair}
	}
	return secure
}

// sampler returns whether the parent decides, and the part that is sampled where it does not.
func (v *variables) sampler() (byParent bool, ratio float64) {
	const name, argument, prefix = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "parentbased_"
	word := v.choice(name, prefix+"always_on", prefix+"always_off", prefix+"traceidratio", "always_on", "always_off", "traceidratio")
	root, byParent := strings.CutPrefix(word, prefix)
	switch {
	case root == "always_off":
		return byParent, 0
	case root == "always_on" || v.of[argument] == "":
		return byParent, 1
	}
	ratio, err := strconv.ParseFloat(v.of[argument], 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) { // not a number is neither
		v.reject(argument, "give 0 to 1, such as 0.01", "%s is not a ratio", quote(v.of[argument]))
	}
	return byParent, ratio
}

func validAttribute(name string) bool { return name != "" && utf8.ValidString(name) }

// pairs returns a list of name=value, whose values are percent-encoded.
func (v *variables) pairs(variable string, validName, validValue func(string) bool) map[string]string {
	pairs := map[string]string{}
	if v.of[variable] == "" {
		return pairs
	}
	for n, pair := range strings.Split(v.of[variable], ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue // such as behind the last comma
		}
		name, text, found := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(text))
		if !found || err != nil || !validName(name) || !validValue(value) {
			v.reject(variable, "write it like name=value,other=value, with commas in values as %2C", "pair %d cannot be read", n+1)
			continue
		}
		pairs[name] = value
	}
	return pairs
}
