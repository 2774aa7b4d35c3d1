package auth

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Bounds of what one check of a password may cost. The upper ones keep a line of a file from taking the
// machine; the lower ones are those of RFC 9106 with room for small machines, and of bcrypt itself.
const (
	leastArgonMemory  = 7 << 10   // KiB; OWASP's smallest choice is 7 MiB
	mostArgonMemory   = 256 << 10 // KiB
	mostArgonPasses   = 16
	mostArgonLanes    = 16
	leastArgonOctets  = 16 // of the hash; of the salt 8
	mostArgonOctets   = 64
	leastBcryptCost   = 10
	mostBcryptCost    = 15
	bcryptOctets      = 72 // more of a password is not looked at by bcrypt
	mostPasswordBytes = 1024
)

// hash is the hash of a password, of one kind or the other.
type hash struct {
	// bcrypt is the whole hash in the form of bcrypt, or nil.
	bcrypt []byte
	cost   int

	memory, passes uint32
	lanes          uint8
	salt, sum      []byte
}

var (
	errHashKind = errors.New("the hash is neither bcrypt nor argon2id; set the password anew with htpasswd -B, which makes bcrypt")
	errHashForm = errors.New("the hash is damaged; set the password anew with htpasswd -B")
)

// parseHash reads a hash in the form of crypt(3): $2y$… of bcrypt or $argon2id$… (PHC string). Its error
// repeats nothing of it.
func parseHash(text string) (*hash, error) {
	switch {
	case strings.HasPrefix(text, "$2a$"), strings.HasPrefix(text, "$2b$"), strings.HasPrefix(text, "$2y$"):
		return parseBcrypt(text)
	case strings.HasPrefix(text, "$argon2id$"):
		return parseArgon(strings.Split(text, "$"))
	}
	return nil, errHashKind
}

func parseBcrypt(text string) (*hash, error) {
	cost, err := bcrypt.Cost([]byte(text))
	if err != nil || len(text) != 60 {
		return nil, errHashForm
	}
	for _, c := range text[7:] {
		if c != '.' && c != '/' && digitOf(byte(c)) < 0 { //nolint:gosec // what is not ASCII is found below
			return nil, errHashForm
		}
	}
	if cost < leastBcryptCost || cost > mostBcryptCost {
		return nil, fmt.Errorf("the cost of the bcrypt hash must be %d to %d; set the password anew with htpasswd -B -C 10", leastBcryptCost, mostBcryptCost)
	}
	return &hash{bcrypt: []byte(text), cost: cost}, nil
}

// parseArgon reads the parts of $argon2id$v=19$m=65536,t=3,p=4$salt$sum.
func parseArgon(parts []string) (*hash, error) {
	if len(parts) != 6 || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, errHashForm
	}
	h := new(hash)
	var values [3]uint64
	fields := strings.Split(parts[3], ",")
	if len(fields) != len(values) {
		return nil, errHashForm
	}
	for i, name := range []string{"m=", "t=", "p="} {
		text, ok := strings.CutPrefix(fields[i], name)
		value, err := strconv.ParseUint(text, 10, 32)
		if !ok || err != nil {
			return nil, errHashForm
		}
		values[i] = value
	}
	if values[0] < leastArgonMemory || values[0] > mostArgonMemory || values[1] < 1 || values[1] > mostArgonPasses || values[2] < 1 || values[2] > mostArgonLanes {
		return nil, fmt.Errorf("the argon2id hash must ask for m=%d to %d (KiB), t=1 to %d and p=1 to %d; set the password anew with other parameters, such as m=19456,t=2,p=1",
			leastArgonMemory, mostArgonMemory, mostArgonPasses, mostArgonLanes)
	}
	h.memory, h.passes, h.lanes = uint32(values[0]), uint32(values[1]), uint8(values[2]) //nolint:gosec // within the bounds
	var saltErr, sumErr error
	encoding := base64.RawStdEncoding.Strict()
	h.salt, saltErr = encoding.DecodeString(parts[4])
	h.sum, sumErr = encoding.DecodeString(parts[5])
	if saltErr != nil || sumErr != nil || len(h.salt) < 8 || len(h.salt) > mostArgonOctets || len(h.sum) < leastArgonOctets || len(h.sum) > mostArgonOctets {
		return nil, errHashForm
	}
	return h, nil
}

// matches says whether a password has the hash. It takes as long for one that has not.
func (h *hash) matches(password []byte) bool {
	if h.bcrypt != nil {
		fits := len(password) <= bcryptOctets
		return bcrypt.CompareHashAndPassword(h.bcrypt, password[:min(len(password), bcryptOctets)]) == nil && fits
	}
	sum := argon2.IDKey(password, h.salt, h.passes, h.memory, h.lanes, uint32(len(h.sum))) //nolint:gosec // at most 64
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}

// work names what a check costs: two hashes of the same work take the same time.
func (h *hash) work() string {
	if h.bcrypt != nil {
		return "bcrypt " + strconv.Itoa(h.cost)
	}
	return fmt.Sprintf("argon2id m=%d,t=%d,p=%d", h.memory, h.passes, h.lanes)
}

// dummy returns a hash of the same work that no password is known to have.
func (h *hash) dummy() *hash {
	copied := *h
	if h.bcrypt != nil {
		copied.bcrypt = append(bytes.Clone(h.bcrypt[:7]), bytes.Repeat([]byte("."), 53)...)
		return &copied
	}
	copied.salt, copied.sum = make([]byte, len(h.salt)), make([]byte, len(h.sum))
	return &copied
}
