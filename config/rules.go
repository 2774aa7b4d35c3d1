package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// kind is the shape that a value must have in YAML, where text and numbers are different things. In
// the environment and on the command line everything is text.
type kind int

const (
	word    kind = iota // a string
	number              // an integer
	boolean             // true or false
	list                // a sequence of strings; elsewhere separated by commas
	words               // a list, or a string that is its only element
)

// complaint says what is wrong with a value and what to do about it.
type complaint struct{ problem, mend string }

// rule is what one setting allows. parse reads the text form of a value, the one form that all sources
// share, and returns the value in the type of its field.
type rule struct {
	kind   kind
	allows string // the same in a few words, for the documents
	parse  func(text string) (any, *complaint)
}

func reject(mend, problem string, about ...any) (any, *complaint) {
	return nil, &complaint{problem: fmt.Sprintf(problem, about...), mend: mend}
}

// span allows a duration with a unit, from least to most inclusive. The least is what turns a slip of
// the unit, such as 5ns, into a fault instead of a service that answers nothing.
func span(least, most time.Duration) rule {
	allows := plain(least) + " to " + plain(most)
	return rule{allows: allows, parse: func(text string) (any, *complaint) {
		if _, err := time.ParseDuration(text + "s"); err == nil && strings.Trim(text, "0123456789.") == "" {
			return reject("write "+text+"s if seconds are meant", "%s has no unit", quote(text))
		}
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			return reject("write it like 500ms, 5s or 1m30s", "%s is not a duration", quote(text))
		case d < least || d > most:
			return reject("give "+allows, "%s is out of range", quote(text))
		}
		return d, nil
	}}
}

// count allows a whole number in plain decimal digits, from least to most inclusive.
func count(least, most int64) rule {
	allows := plain(least) + " to " + plain(most)
	return rule{kind: number, allows: allows, parse: func(text string) (any, *complaint) {
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case strings.Trim(text, "0123456789") != "" || len(text) > 1 && text[0] == '0' || text == "":
			return reject("give "+allows+" in plain digits", "%s is not a whole number", quote(text))
		case err != nil || n < least || n > most:
			return reject("give "+allows, "%s is out of range", quote(text))
		}
		return n, nil
	}}
}

func truth() rule {
	return rule{kind: boolean, allows: "true or false", parse: func(text string) (any, *complaint) {
		if text != "true" && text != "false" {
			return reject("write true or false", "%s is neither true nor false", quote(text))
		}
		return text == "true", nil
	}}
}

func oneOf(words ...string) rule {
	allows := strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	return rule{allows: allows, parse: func(text string) (any, *complaint) {
		if slices.Contains(words, text) {
			return text, nil
		}
		mend := "write " + allows
		if meant, alike := nearest(text, words); alike {
			mend = "write " + meant
		}
		return reject(mend, "%s is not %s", quote(text), allows)
	}}
}

// address allows host:port, where the host may be missing and the port may be 0.
func address() rule {
	return rule{allows: "host:port", parse: func(text string) (any, *complaint) {
		host, port, err := net.SplitHostPort(text)
		_, portErr := strconv.ParseUint(port, 10, 16)
		switch _, digits := strconv.ParseUint(text, 10, 16); {
		case digits == nil:
			return reject("write :"+text+" for every interface or 127.0.0.1:"+text+" for this machine only",
				"%s is a port without a colon", quote(text))
		case err != nil && text != "" && isHost(text):
			return reject("write "+net.JoinHostPort(text, "8080"), "%s has no port", quote(text))
		case err != nil || host != "" && !isHost(host):
			return reject("write it like 127.0.0.1:8080, or :8080 for every interface",
				"%s is not host:port", quote(text))
		case portErr != nil:
			return reject("end it with a colon and a number up to 65535", "%s has no valid port", quote(text))
		}
		return text, nil
	}}
}

// redis allows nothing, host:port or a URL of a Redis. Its complaint does not repeat the value.
func redis() rule {
	return rule{allows: "host:port, a redis:// or rediss:// URL, or nothing", parse: func(text string) (any, *complaint) {
		if text == "" || isRedis(text) {
			return Secret(text), nil
		}
		return reject("write it like redis.internal:6379 or rediss://user:password@redis.internal:6379/0, with %XX for what is special",
			"the value is neither host:port nor a URL of Redis")
	}}
}

// isRedis accepts host:port and redis[s]://[[user]:password@]host[:port][/database][?options]. What remains
// of an unescaped password that holds a slash, a question mark or a hash is no host or no database.
func isRedis(text string) bool {
	isPort := func(text string) bool {
		n, err := strconv.ParseUint(text, 10, 16)
		return err == nil && n > 0
	}
	if !strings.Contains(text, "://") {
		host, port, err := net.SplitHostPort(text)
		return err == nil && isHost(host) && isPort(port)
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || !isHost(u.Hostname()) || u.Fragment != "" {
		return false
	}
	return (u.Port() == "" || isPort(u.Port())) && strings.Trim(strings.TrimPrefix(u.Path, "/"), "0123456789") == ""
}

// isHost accepts an IP address or a name of DNS shape. A name that ends in digits only is a mistyped
// address and would fail later and less clearly.
func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	labels := strings.Split(text, ".")
	for _, label := range labels {
		odd := strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_")
		if label == "" || len(label) > 63 || odd != "" || label[0] == '-' {
			return false
		}
	}
	return len(text) <= 253 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// networks allows a list, perhaps empty, of IP addresses and CIDR ranges without host bits.
func networks() rule {
	return rule{kind: list, allows: "a list of IP addresses and CIDR ranges", parse: func(text string) (any, *complaint) {
		found := []string{}
		if text == "" {
			return found, nil
		}
		for element := range strings.SplitSeq(text, ",") {
			element = strings.TrimSpace(element)
			if wrong := checkNetwork(element); wrong != nil {
				return nil, wrong
			}
			found = append(found, element)
		}
		return found, nil
	}}
}

func checkNetwork(element string) *complaint {
	if addr, err := netip.ParseAddr(element); err == nil && addr.Zone() == "" {
		return nil
	}
	prefix, err := netip.ParsePrefix(element)
	if err != nil {
		return &complaint{
			problem: quote(element) + " is neither an IP address nor a CIDR range",
			mend:    "write it like 10.0.0.7 or 10.0.0.0/8",
		}
	}
	if prefix != prefix.Masked() {
		return &complaint{
			problem: quote(element) + " is an address inside of its range",
			mend:    "write " + prefix.Masked().String() + " for the range or " + prefix.Addr().String() + " for the address",
		}
	}
	return nil
}

// path allows any printable text; whether there is such a file is found out by reading it.
func path() rule {
	return rule{allows: "a path, or nothing", parse: func(text string) (any, *complaint) {
		unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unprintable) {
			return reject("rename the file", "%s has characters that cannot be printed", quote(text))
		}
		if holdsPassword(text) {
			return reject("put that into a file and name the file here", "the value is not a path")
		}
		return text, nil
	}}
}

// cursorKey allows nothing or 32 bytes in base64. Its complaint does not repeat the value.
func cursorKey() rule {
	return rule{allows: "32 bytes in base64, or nothing", parse: func(text string) (any, *complaint) {
		if text == "" {
			return Secret(""), nil
		}
		if _, err := decodeKey(text); err != nil {
			return reject("make one with: openssl rand -base64 32", "the value is not 32 bytes in base64")
		}
		return Secret(text), nil
	}}
}
