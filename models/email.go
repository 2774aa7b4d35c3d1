package models

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// The lengths of contract 1.
const (
	maxEmailOctets     = 254 // RFC 3696, erratum 1690
	maxLocalCharacters = 64  // RFC 5321, section 4.5.3.1.1
	maxLabelOctets     = 63  // RFC 1035, section 2.3.4
)

// acePrefix begins an A-label, a label of ASCII that stands for one of Unicode (RFC 5890).
const acePrefix = "xn--"

// EmailError says why a text is not an address that the service takes, without any of the text.
type EmailError struct{ reason string }

// Error returns the reason as a clause for a person, of which the address is the subject.
func (e *EmailError) Error() string { return e.reason }

func refuse(reason string) error { return &EmailError{reason} }

// ParseEmail returns the address in the form in which it is stored, or an *EmailError. The rules
// are those of contract 1: before the @ a dot-atom (RFC 5322, with the letters of RFC 6531), in NFC
// and in the case typed; after it a domain name (UTS 46 without transitional mapping, IDNA 2008),
// in lower case and in Unicode. White space is refused here, so Trim comes first. The stored form
// parses to itself; what is already in it is returned as it is, not as a copy.
func ParseEmail(s string) (string, error) {
	if len(s) > maxEmailOctets {
		return "", refuse("must be at most 254 octets long")
	}
	if !utf8.ValidString(s) {
		return "", refuse(errNotUTF8.Error())
	}
	at := strings.IndexByte(s, '@')
	if at < 0 {
		return "", refuseWithoutAt(s)
	}
	local, err := parseLocal(s[:at])
	if err != nil {
		return "", err
	}
	domain, ascii, err := parseDomain(s[at+1:])
	if err != nil {
		return "", err
	}
	// Mail travels with the domain in either form, so both must fit.
	if len(local)+len("@")+max(len(domain), len(ascii)) > maxEmailOctets {
		return "", refuse("must be at most 254 octets long, also with its domain in A-labels")
	}
	if local == s[:at] && domain == s[at+1:] {
		return s, nil
	}
	return local + "@" + domain, nil
}

// EmailKey returns the form of an address under which two addresses are the same (contract 1): NFC,
// case-folded, the domain in A-labels. Its argument is an address that ParseEmail returned. It
// returns the argument itself, not a copy, when that is its own key.
func EmailKey(email string) string {
	if key, plain := foldASCII(email); plain {
		return key
	}
	local, domain, _ := strings.Cut(email, "@")
	// Folding what is decomposed is what Unicode defines as caseless matching (D145): folding what
	// is composed would tell some equal letters with several marks apart.
	local = norm.NFC.String(FoldName(norm.NFD.String(local)))
	// Encoding cannot fail: ParseEmail has encoded the domain once already.
	domain, _ = idna.Punycode.ToASCII(domain)
	return local + "@" + domain
}

// refuseWithoutAt tells people whose keyboard gave them another character for an @ which one.
func refuseWithoutAt(s string) error {
	if strings.ContainsAny(s, "＠﹫") {
		return refuse("must have an ordinary @, not a full-width or small one")
	}
	return refuse("must have an @ between a name and a domain")
}

// parseLocal returns the part before the @ in its stored form.
func parseLocal(s string) (string, error) {
	if err := checkLocal(s); err != nil || isASCII(s) {
		return s, err
	}
	composed := norm.NFC.String(s)
	if composed == s {
		return s, nil
	}
	// NFC turns a few characters into ASCII that has no place here (the Greek question mark into a
	// semicolon), and makes a few texts longer.
	return composed, checkLocal(composed)
}

// checkLocal returns nil for a dot-atom of visible characters.
func checkLocal(s string) error {
	if s == "" {
		return refuse("must have something before the @")
	}
	characters, afterDot := 0, true
	for _, r := range s {
		switch {
		case isAtext(r):
		case r == '.' && !afterDot:
		case r == '.':
			return refuse("must not have a dot at the start or two dots in a row before the @")
		case r < utf8.RuneSelf:
			return refuseASCII(s)
		case !unicode.IsPrint(r):
			return refuse("must not have spaces or invisible characters before the @")
		case characters == 0 && unicode.IsMark(r):
			return refuse("must not begin with a combining mark")
		}
		afterDot = r == '.'
		characters++
	}
	if afterDot {
		return refuse("must not have a dot right before the @")
	}
	if characters > maxLocalCharacters {
		return refuse("must have at most 64 characters before the @")
	}
	return nil
}

// isAtext is true of the ASCII characters of an atom (RFC 5322, section 3.2.3).
func isAtext(r rune) bool {
	const atext = (1<<10-1)<<'0' | (1<<26-1)<<'A' | (1<<26-1)<<'a' |
		1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'/' |
		1<<'=' | 1<<'?' | 1<<'^' | 1<<'_' | 1<<'`' | 1<<'{' | 1<<'|' | 1<<'}' | 1<<'~'
	if r < 64 {
		return uint64(atext&(1<<64-1))>>r&1 != 0
	}
	return r < utf8.RuneSelf && uint64(atext>>64)>>(r-64)&1 != 0
}

// isLDH is true of lower-case letters, digits and the hyphen (RFC 1123, section 2.1).
func isLDH(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-'
}

// refuseASCII names the forms of RFC 5322 that contract 1 leaves out, for those are what people mean
// who type the characters that an atom has not.
func refuseASCII(local string) error {
	switch {
	case strings.Contains(local, "<"):
		return refuse("must be an address alone, without a display name or angle brackets")
	case strings.Contains(local, `"`):
		return refuse("must not have quotes before the @")
	case strings.Contains(local, "("):
		return refuse("must not have a comment")
	default:
		return refuse("must have, of ASCII, only letters, digits, dots and !#$%&'*+-/=?^_`{|}~ before the @")
	}
}

// parseDomain returns the part after the @ in its stored form and in A-labels.
func parseDomain(s string) (stored, ascii string, err error) {
	lower, plain := foldASCII(s)
	if !plain || strings.Contains(lower, acePrefix) {
		return parseInternational(lower)
	}
	return lower, lower, checkHostname(lower)
}

// parseInternational is parseDomain for a domain with Unicode in it, as such or in A-labels.
func parseInternational(s string) (stored, ascii string, err error) {
	for i, r := range s {
		// UTS 46 would drop invisible characters; what nobody saw should rather be refused.
		if r >= utf8.RuneSelf && (!unicode.IsPrint(r) || i == 0 && unicode.IsMark(r)) {
			return "", "", refuse("must not have invisible characters or a loose mark after the @")
		}
	}
	if ascii, err = domainNames().ToASCII(s); err != nil || hasMixedALabel(s) {
		return "", "", refuseIDNA()
	}
	if err := checkHostname(ascii); err != nil {
		return "", "", err
	}
	labels := strings.Split(ascii, ".")
	for i, label := range labels {
		if labels[i], err = parseLabel(label); err != nil {
			return "", "", err
		}
	}
	return strings.Join(labels, "."), ascii, nil
}

// domainNames maps a domain name by UTS 46 and encodes its labels. It judges neither hyphens, which
// it counts in octets, nor direction, which it wants of all labels if of one, nor whether a
// character is one of IDNA 2008: parseLabel does.
func domainNames() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.Transitional(false), idna.CheckHyphens(false))
}

// hasMixedALabel is true when an A-label has more than ASCII in it, which domainNames decodes all
// the same.
func hasMixedALabel(s string) bool {
	isDot := func(r rune) bool { return r == '.' || r == '。' }
	for label := range strings.FieldsFuncSeq(strings.ToLower(norm.NFKC.String(s)), isDot) {
		if strings.HasPrefix(label, acePrefix) && !isASCII(label) {
			return true
		}
	}
	return false
}

// checkHostname returns nil for a lower-case domain name of ASCII labels that mail can reach.
func checkHostname(s string) error {
	if strings.HasPrefix(s, "[") {
		return refuse("must have a domain name after the @, not an IP address")
	}
	label, start := "", 0
	for end := range len(s) + 1 {
		if end < len(s) && s[end] != '.' {
			continue
		}
		if err := checkHostLabel(s[start:end]); err != nil {
			return err
		}
		label, start = s[start:end], end+1
	}
	if len(label) == len(s) {
		return refuse("must have a dot in the domain after the @")
	}
	if last := label[len(label)-1]; last < 'a' || 'z' < last {
		return refuse("must have a domain after the @ that ends with a letter")
	}
	switch label {
	case "arpa", "invalid", "local", "localhost", "onion", "test":
		return refuse("must not have a domain that is reserved for other uses than mail (RFC 6761)")
	}
	return nil
}

// checkHostLabel returns nil for a label of letters, digits and hyphens (RFC 1123, section 2.1).
func checkHostLabel(s string) error {
	if s == "" {
		return refuse("must have a domain after the @ with something before, between and after its dots")
	}
	if len(s) > maxLabelOctets {
		return refuse("must have at most 63 octets between the dots after the @")
	}
	for i := range len(s) {
		if !isLDH(s[i]) {
			return refuse("must have, of ASCII, only letters, digits, hyphens and dots after the @")
		}
	}
	reserved := len(s) >= 4 && s[2:4] == "--" && !strings.HasPrefix(s, acePrefix)
	if reserved || s[0] == '-' || s[len(s)-1] == '-' {
		return refuseHyphens()
	}
	return nil
}

func refuseHyphens() error {
	return refuse("must not have a hyphen at either end of a label after the @, nor as its third and fourth character")
}

func refuseIDNA() error {
	return refuse("must have a domain after the @ that is valid as an international one (IDNA 2008)")
}

// parseLabel returns the label in its stored form: in Unicode, unless that holds a joiner. Some
// scripts need joiners (RFC 5892, appendix A), but nobody sees one, so such a label stays an
// A-label; as typed in Unicode it is refused like everything invisible.
func parseLabel(ascii string) (string, error) {
	if !strings.HasPrefix(ascii, acePrefix) {
		return ascii, nil
	}
	label, err := idna.Punycode.ToUnicode(ascii)
	if err != nil {
		return "", refuseIDNA()
	}
	runes := []rune(label)
	reserved := len(runes) >= 4 && runes[2] == '-' && runes[3] == '-'
	if reserved || runes[0] == '-' || runes[len(runes)-1] == '-' {
		return "", refuseHyphens()
	}
	for i := range runes {
		if !fitsLabel(runes, i) {
			return "", refuseIDNA()
		}
	}
	if bidirule.DirectionString(label) == bidi.RightToLeft && !bidirule.ValidString(label) {
		return "", refuse("must not mix writing directions within a label after the @ (RFC 5893)")
	}
	if strings.ContainsAny(label, "\u200c\u200d") {
		return ascii, nil
	}
	return label, nil
}

// fitsLabel is true when IDNA 2008 allows the character s[i] where it stands (RFC 5892, sections 2
// and 3 and appendix A). UTS 46 has judged the label already, so of the tables only what the two
// standards tell apart is left, and the joiners are right.
func fitsLabel(s []rune, i int) bool {
	switch r := s[i]; {
	case r == '\u00b7': // middle dot: between two l, as in Catalan
		return 0 < i && i < len(s)-1 && s[i-1] == 'l' && s[i+1] == 'l'
	case r == '\u0375': // Greek keraia: before a Greek letter
		return i < len(s)-1 && unicode.Is(unicode.Greek, s[i+1])
	case r == '\u05f3', r == '\u05f4': // geresh, gershayim: after a Hebrew letter
		return 0 < i && unicode.Is(unicode.Hebrew, s[i-1])
	case r == '\u30fb': // Katakana middle dot: in a Japanese label
		return slices.ContainsFunc(s, func(r rune) bool {
			return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han)
		})
	case '\u0660' <= r && r <= '\u0669': // Arabic digits: only one set of them
		return !slices.ContainsFunc(s, func(r rune) bool { return '\u06f0' <= r && r <= '\u06f9' })
	case r == '-', r == '\u200c', r == '\u200d':
		return true
	case r == '\u06fd', r == '\u06fe', r == '\u0f0b', r == '\u3007': // Sindhi, Tibetan, Han zero
		return true
	default:
		return !isOutsideIDNA(r) && unicode.In(r, unicode.Letter, unicode.Mn, unicode.Mc, unicode.Nd)
	}
}

// isOutsideIDNA is true of the letters and marks that UTS 46 has and IDNA 2008 has not (RFC 5892).
func isOutsideIDNA(r rune) bool {
	switch {
	case r == 0x0640, r == 0x07fa, 0x302e <= r && r <= 0x3035, r == 0x303b:
		return true // letters that stretch or repeat others, tone marks (section 2.6)
	case 0x1100 <= r && r <= 0x11ff, 0xa960 <= r && r <= 0xa97f, 0xd7b0 <= r && r <= 0xd7ff:
		return true // old Hangul (section 2.9)
	case 0x20d0 <= r && r <= 0x20ff, 0x1d100 <= r && r <= 0x1d24f:
		return true // marks of symbols and of music (section 2.4)
	default:
		return false
	}
}
