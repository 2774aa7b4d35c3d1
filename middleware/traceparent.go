package middleware

import (
	"encoding/hex"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

const (
	traceparentLength = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	// tracestateLength is what of a tracestate is taken along: what the standard asks of everybody at
	// least (section 3.3.1.5). A span carries it until it is exported, and a client chooses its size.
	tracestateLength = 512
)

// traceID returns the trace-id of the request's traceparent header (W3C Trace Context, section
// 3.2), when it has a valid one.
func traceID(header http.Header) (string, bool) {
	value, ok := traceparent(header)
	if !ok {
		return "", false
	}
	return value[3:35], true
}

// parentOf returns the span that the request's header names as its parent; an invalid one when it names
// none. Of the flags only those count that the standard knows.
func parentOf(header http.Header) trace.SpanContext {
	value, ok := traceparent(header)
	if !ok {
		return trace.SpanContext{}
	}
	config := trace.SpanContextConfig{Remote: true}
	var flags [1]byte
	_, _ = hex.Decode(config.TraceID[:], []byte(value[3:35])) // traceparent has seen the digits
	_, _ = hex.Decode(config.SpanID[:], []byte(value[36:52]))
	_, _ = hex.Decode(flags[:], []byte(value[53:55]))
	config.TraceFlags = trace.TraceFlags(flags[0]) & (trace.FlagsSampled | trace.FlagsRandom)
	return trace.NewSpanContext(config)
}

// stateOf returns the request's tracestate, whose lines are one list; nothing when it is not valid or too
// long, which says nothing about the traceparent (section 3.3).
func stateOf(header http.Header) trace.TraceState {
	lines := header["Tracestate"]
	if len(lines) == 0 {
		return trace.TraceState{}
	}
	list := strings.Join(lines, ",")
	if len(list) > tracestateLength {
		return trace.TraceState{}
	}
	state, _ := trace.ParseTraceState(list) // an error comes with an empty state
	return state
}

// traceparent returns the value of the request's traceparent header when there is a valid one. Versions
// after 00 may say more behind the four fields known.
func traceparent(header http.Header) (string, bool) {
	values := header["Traceparent"]
	if len(values) != 1 {
		return "", false
	}
	value := values[0]
	if len(value) < traceparentLength || value[2] != '-' || value[35] != '-' || value[52] != '-' {
		return "", false
	}
	version, id, parent, flags := value[:2], value[3:35], value[36:52], value[53:55]
	if !lowerHex(version) || !lowerHex(id) || !lowerHex(parent) || !lowerHex(flags) {
		return "", false
	}
	switch {
	case version == "ff", allZero(id), allZero(parent),
		version == "00" && len(value) != traceparentLength,
		len(value) > traceparentLength && value[traceparentLength] != '-':
		return "", false
	}
	return value, true
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if b := s[i]; (b < '0' || b > '9') && (b < 'a' || b > 'f') {
			return false
		}
	}
	return true
}

func allZero(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return false
		}
	}
	return true
}
