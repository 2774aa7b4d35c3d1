package middleware

import (
	"net/http"
	"strings"
)

// traceID returns the trace-id of the request's traceparent header (W3C Trace Context, section
// 3.2), when it has a valid one. Versions after 00 may say more behind the four fields known.
func traceID(header http.Header) (string, bool) {
	values := header["Traceparent"]
	if len(values) != 1 {
		return "", false
	}
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	value := values[0]
	if len(value) < length || value[2] != '-' || value[35] != '-' || value[52] != '-' {
		return "", false
	}
	version, trace, parent, flags := value[:2], value[3:35], value[36:52], value[53:55]
	if !lowerHex(version) || !lowerHex(trace) || !lowerHex(parent) || !lowerHex(flags) {
		return "", false
	}
	switch {
	case version == "ff", allZero(trace), allZero(parent),
		version == "00" && len(value) != length,
		len(value) > length && value[length] != '-':
		return "", false
	}
	return trace, true
}

func lowerHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

func allZero(s string) bool {
	return strings.Trim(s, "0") == ""
}
