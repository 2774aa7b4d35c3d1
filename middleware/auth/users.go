package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"userapi/models"
)

// User is somebody who may come by Basic.
type User struct {
	Name   string
	Scopes models.Scopes
	hash   *hash
	line   string // of the hash, so that what was checked against another one is not remembered
}

// ParseUsers reads the lines of an htpasswd file, name:hash or name:hash:scope,scope; those without
// scopes get some. Empty lines and those that begin with # are passed over. A text without a user is no
// error, for the reason that ParseKeys has. The error names the line and repeats no hash.
func ParseUsers(text string, scopes models.Scopes) ([]User, error) {
	users, seen := []User{}, map[string]int{}
	for number, line := range lines(text) {
		user, err := parseUser(line, scopes)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if before := seen[user.Name]; before > 0 {
			return nil, fmt.Errorf("line %d: the name is that of line %d; remove one of them", number, before)
		}
		seen[user.Name] = number
		users = append(users, user)
	}
	return users, nil
}

func parseUser(line string, scopes models.Scopes) (User, error) {
	parts := strings.SplitN(line, ":", 3) // scopes have colons of their own
	if len(parts) < 2 {
		return User{}, errors.New("is not name:hash or name:hash:scope,scope; make it with htpasswd -nB NAME")
	}
	user := User{Name: parts[0], Scopes: scopes, line: parts[1]}
	if err := checkName(user.Name); err != nil {
		return User{}, err
	}
	var err error
	if user.hash, err = parseHash(parts[1]); err != nil {
		return User{}, err
	}
	if len(parts) == 3 {
		if user.Scopes, err = ParseScopes(parts[2]); err != nil {
			return User{}, err
		}
	}
	return user, nil
}

// directory checks names and passwords. It is safe for concurrent use.
type directory struct {
	state   *State
	entries map[string]*member
	// strangers are dummies, one for each user, so that names that nobody has cost what those cost that
	// somebody has, also when the hashes differ in their work: the works of strangers are spread like those
	// of users. If all strangers had the highest, whoever takes less would be sure to be a user.
	strangers []*member
}

type member struct {
	principal models.Principal
	hash      *hash
	line      string
}

func newDirectory(state *State, users []User) *directory {
	d := &directory{state: state, entries: make(map[string]*member, len(users))}
	for _, user := range users {
		d.entries[user.Name] = &member{models.Principal{Name: user.Name, Method: MethodBasic, Scopes: user.Scopes}, user.hash, user.line}
		d.strangers = append(d.strangers, &member{hash: user.hash.dummy()})
	}
	return d
}

// works returns the kinds of work that passwords are stored with, each once.
func (d *directory) works() []string {
	works := []string{}
	for _, user := range d.entries {
		works = append(works, user.hash.work())
	}
	slices.Sort(works)
	return slices.Compact(works)
}

// verifiedFor is how long a password that was checked is not checked again.
const verifiedFor = time.Minute

func (d *directory) verify(text, address string) (*models.Principal, *Refusal) {
	name, password, ok := splitBasic(text)
	if !ok {
		return nil, &Refusal{Method: MethodBasic, Reason: ReasonMalformed}
	}
	if len(d.entries) == 0 { // there is no name that the time it takes could tell
		return nil, &Refusal{Method: MethodBasic, Reason: ReasonUnknown}
	}
	who := d.entries[name]
	if who == nil {
		who = d.stranger(name)
	}
	s := d.state
	from := s.failures.place(address, name)
	if wait := s.failures.wait(from, s.now()); wait > 0 {
		return nil, &Refusal{Method: MethodBasic, Reason: ReasonThrottled, RetryAfter: wait}
	}
	mark := s.mark(name, password, who.line)
	if _, ok := s.verified.get(&mark, s.now()); ok {
		return &who.principal, nil
	}
	switch outcome := s.check(mark, from, who, password); outcome.reason {
	case "":
		return &who.principal, nil
	default:
		return nil, &Refusal{Method: MethodBasic, Reason: outcome.reason, RetryAfter: outcome.wait}
	}
}

// stranger returns whom to check instead of somebody who is not known; always the same for one name.
func (d *directory) stranger(name string) *member {
	sum := d.state.mark(name, "", "")
	return d.strangers[binary.BigEndian.Uint64(sum[:])%uint64(len(d.strangers))]
}

// splitBasic reads user-id and password (RFC 7617, section 2).
func splitBasic(text string) (name, password string, ok bool) {
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") || len(decoded) > maxName+1+mostPasswordBytes || !utf8.Valid(decoded) {
		return "", "", false
	}
	for _, c := range decoded {
		if c < ' ' || c == 0x7f {
			return "", "", false
		}
	}
	return strings.Cut(string(decoded), ":")
}

// mark returns what stands for a name, a password and the hash it is checked against, under a key that
// is this process' own.
func (s *State) mark(parts ...string) (sum digest) {
	mac := hmac.New(sha256.New, s.key[:])
	var size [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		_, _ = mac.Write(size[:])
		_, _ = mac.Write([]byte(part))
	}
	mac.Sum(sum[:0])
	return sum
}
