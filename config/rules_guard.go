package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Rate is how often something may happen: Count times in a row, and then Count times each Per. The zero
// Rate is no limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// String returns the rate as the settings write it.
func (r Rate) String() string {
	if r == (Rate{}) {
		return rateOff
	}
	return strconv.Itoa(r.Count) + "/" + plain(r.Per)
}

const rateOff = "off"

// rate allows off, or a number and a duration.
func rate() rule {
	times, per := count(1, 1_000_000), span(time.Second, 24*time.Hour)
	return rule{allows: "off, or a number per duration like 100/1m", parse: func(text string) (any, *complaint) {
		if text == rateOff {
			return Rate{}, nil
		}
		before, after, ok := strings.Cut(text, "/")
		if !ok {
			return reject("write it like 100/1m, or off", "%s is not a number per duration", quote(text))
		}
		n, wrong := times.parse(before)
		if wrong != nil {
			return nil, wrong
		}
		d, wrong := per.parse(after)
		if wrong != nil {
			return nil, wrong
		}
		return Rate{Count: int(n.(int64)), Per: d.(time.Duration)}, nil
	}}
}

// spanOrNone allows what span does, and zero.
func spanOrNone(least, most time.Duration) rule {
	some := span(least, most)
	return rule{allows: "0s, or " + some.allows, parse: func(text string) (any, *complaint) {
		if d, err := time.ParseDuration(text); err == nil && d == 0 && text != "0" {
			return d, nil
		}
		return some.parse(text)
	}}
}

// each allows a list of which each element is allowed. Where one is allowed alone, the list may be it.
func each(shape kind, allows string, least int, check func(element string) *complaint) rule {
	return rule{kind: shape, allows: allows, parse: func(text string) (any, *complaint) {
		found := []string{}
		for element := range strings.SplitSeq(text, ",") {
			element = strings.TrimSpace(element)
			switch {
			case text == "":
				continue
			case slices.Contains(found, element):
				return reject("keep one of them", "%s is given twice", quote(element))
			}
			if wrong := check(element); wrong != nil {
				return nil, wrong
			}
			found = append(found, element)
		}
		if len(found) < least {
			return reject("give "+allows, "the list is empty")
		}
		return found, nil
	}}
}

// ofWords is a check for each that allows some words.
func ofWords(words ...string) func(string) *complaint {
	one := oneOf(words...)
	return func(element string) *complaint {
		_, wrong := one.parse(element)
		return wrong
	}
}

func modes() rule {
	return each(words, "none, or one or several of basic, api_key and jwt", 1, ofWords(AuthNone, AuthBasic, AuthAPIKey, AuthJWT))
}

// scopeNames are the scopes that models has.
const scopeNames = "users:read, users:write, users:delete, users:bulk, admin"

func scopes() rule {
	return each(list, "a list of scopes", 0, ofWords(strings.Split(scopeNames, ", ")...))
}

// origins allows a list of what browsers send as Origin (RFC 6454, section 6.1), letter by letter.
func origins() rule {
	return each(list, "a list like https://app.example.com", 0, func(element string) *complaint {
		const form = "write it like https://app.example.com or http://localhost:3000, in small letters and with nothing behind"
		switch element {
		case "*":
			return &complaint{quote(element) + " would let every page that somebody opens use the service", "list the origins of the pages that may"}
		case "null":
			return &complaint{quote(element) + " is what any page can make a browser send", "serve the page from an origin, and list that"}
		}
		u, err := url.Parse(element)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || !isHost(u.Hostname()) || u.Scheme+"://"+u.Host != element || strings.ToLower(element) != element {
			return &complaint{quote(element) + " is not an origin", form}
		}
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil && (addr.Is4In6() || addr.String() != u.Hostname()) {
			return &complaint{quote(element) + " is an address that browsers write in another way", "write " + addr.Unmap().String()}
		}
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		switch defaults := map[string]string{"https": "443", "http": "80"}; {
		case u.Port() == defaults[u.Scheme]:
			return &complaint{quote(element) + " has the port that browsers leave out", "write " + u.Scheme + "://" + u.Hostname()}
		case strings.HasSuffix(u.Host, ":"), u.Port() != "" && (err != nil || port == 0 || u.Port()[0] == '0'):
			return &complaint{quote(element) + " has no valid port", form}
		}
		return nil
	})
}

// jwksURL allows nothing, an https URL, or an http URL of this machine, where nobody listens in between.
func jwksURL() rule {
	const form = "an https:// URL, or nothing"
	return rule{allows: form, parse: func(text string) (any, *complaint) {
		if text == "" {
			return text, nil
		}
		u, err := url.Parse(text)
		switch {
		case err != nil || !isHost(u.Hostname()) || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
			return reject("write it like https://issuer.example/.well-known/jwks.json", "the value is not a URL")
		case u.User != nil:
			return reject("leave the user out", "the URL has a user or a password in it")
		case u.Scheme == "http" && !isLoopback(u.Hostname()):
			return reject("use https, or jwt.key_file", "whoever is between could give us keys of his own")
		}
		return text, nil
	}}
}

// isLoopback says whether a host is this machine whoever asks. What localhost is may be up to DNS, in which
// letter case has no meaning: who listens has to look again.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

// hmacSecret allows nothing, or what is too long to be guessed. Its complaint does not repeat the value.
func hmacSecret() rule {
	const least = 32 // RFC 7518, section 3.2
	return rule{allows: "at least 32 bytes, or nothing", parse: func(text string) (any, *complaint) {
		switch {
		case text == mask:
			return reject("write the secret itself", "the value is the mask that --print-config shows")
		case text != "" && len(text) < least:
			return reject("make one with: openssl rand -base64 32", "the value has fewer than %d bytes", least)
		}
		return Secret(text), nil
	}}
}

// secretLines allows any text; what its lines say is judged by who reads them.
func secretLines(form string) rule {
	return rule{allows: "a line " + form + " for each, or nothing", parse: func(text string) (any, *complaint) {
		if text == mask {
			return reject("write the secret itself", "the value is the mask that --print-config shows")
		}
		return Secret(text), nil
	}}
}

// label allows text that can be printed.
func label() rule {
	return rule{allows: "text, or nothing", parse: func(text string) (any, *complaint) {
		unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unprintable) {
			return reject("leave them out", "%s has characters that cannot be printed", quote(text))
		}
		return text, nil
	}}
}

// adminAddress allows nothing, host:port, or a port of this machine.
func adminAddress() rule {
	whole := address()
	return rule{allows: "host:port, a port, or nothing", parse: func(text string) (any, *complaint) {
		if text != "" && strings.Trim(text, "0123456789") == "" {
			text = "127.0.0.1:" + text
		}
		if text == "" {
			return text, nil
		}
		return whole.parse(text)
	}}
}
