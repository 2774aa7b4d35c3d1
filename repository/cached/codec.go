package cached

import (
	"encoding/binary"

	"userapi/models"
)

// What an entry of the shared level begins with. A change of what follows is a new format number, so
// that instances of two releases do not misread each other; both then load from the store.
const (
	formatUser     = 1
	formatReserved = 'r' // and a token
	formatBlocked  = 'b' // and a record for each writer (scripts.go)
)

// encode writes a user as an entry: numbers as varints, then the lengths of name and address, then
// these.
func encode(user *models.User) []byte {
	dst := make([]byte, 0, 48+len(user.Name)+len(user.Email))
	dst = append(dst, formatUser, byte(user.Age))
	for _, number := range [...]int64{user.ID, user.Version, int64(user.CreatedAt), int64(user.UpdatedAt)} {
		dst = binary.AppendVarint(dst, number)
	}
	dst = binary.AppendUvarint(dst, uint64(len(user.Name)))
	dst = binary.AppendUvarint(dst, uint64(len(user.Email)))
	return append(append(dst, user.Name...), user.Email...)
}

// decode reads an entry; false when it is not that of the user with this id.
func decode(entry string, id int64) (models.User, bool) {
	if len(entry) < 2 || entry[0] != formatUser {
		return models.User{}, false
	}
	user := models.User{Age: models.Age(entry[1])}
	rest := []byte(entry[2:])
	for _, number := range [...]*int64{&user.ID, &user.Version, (*int64)(&user.CreatedAt), (*int64)(&user.UpdatedAt)} {
		value, n := binary.Varint(rest)
		if n <= 0 {
			return models.User{}, false
		}
		*number, rest = value, rest[n:]
	}
	var lengths [2]uint64
	for i := range lengths {
		value, n := binary.Uvarint(rest)
		if n <= 0 || value > uint64(len(rest)) {
			return models.User{}, false
		}
		lengths[i], rest = value, rest[n:]
	}
	if lengths[0]+lengths[1] != uint64(len(rest)) {
		return models.User{}, false
	}
	text := entry[len(entry)-len(rest):]
	user.Name, user.Email = text[:lengths[0]], text[lengths[0]:]
	return user, user.ID == id
}
