package repotest

import (
	"testing"

	"userapi/models"
)

// The rules speak of addresses through models.EmailKey, so what they take for granted of it is held
// here.
func TestEmailKey(t *testing.T) {
	t.Run("is the same for the forms of one address", func(t *testing.T) {
		for _, form := range forms() {
			if a, b := models.EmailKey(form[0]), models.EmailKey(form[1]); a != b || form[0] == form[1] {
				t.Errorf("%+q and %+q have the keys %+q and %+q", form[0], form[1], a, b)
			}
		}
	})
	t.Run("is another for every stranger", func(t *testing.T) {
		keys := make(map[string]string)
		for _, address := range strangers() {
			if other, ok := keys[models.EmailKey(address)]; ok {
				t.Errorf("%+q and %+q have the same key", address, other)
			}
			keys[models.EmailKey(address)] = address
		}
	})
	t.Run("variants are valid input, times and version apart", func(t *testing.T) {
		for i, vary := range variants() {
			user := Sample(i)
			vary(&user)
			email, err := models.ParseEmail(user.Email)
			if err != nil || email != user.Email || models.CheckText(user.Name) != nil || models.Trim(user.Name) != user.Name {
				t.Errorf("variant %d: name %q, email %q parsed as %q, error %v", i, user.Name, user.Email, email, err)
			}
		}
	})
}
