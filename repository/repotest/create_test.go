package repotest

import (
	"slices"
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
	t.Run("members of a crowd are valid input, and no two have one address", func(t *testing.T) {
		keys := make(map[string]bool)
		for _, user := range crowd(300, 1) {
			email, err := models.ParseEmail(user.Email)
			if err != nil || email != user.Email || models.CheckText(user.Name) != nil || models.Trim(user.Name) != user.Name || user.Name == "" {
				t.Errorf("name %+q, email %+q parsed as %+q, error %v", user.Name, user.Email, email, err)
			}
			keys[models.EmailKey(user.Email)] = true
		}
		if len(keys) != 300 {
			t.Errorf("300 users have %d addresses", len(keys))
		}
	})
}

// The rules about orders speak through models.Order, so what they take for granted of it is held
// here.
func TestOrders(t *testing.T) {
	t.Run("the alphabet stands in its order", func(t *testing.T) {
		words := alphabet()
		for i := 1; i < len(words); i++ {
			if models.CompareFolded(words[i-1], words[i]) > 0 {
				t.Errorf("%+q stands before %+q", words[i-1], words[i])
			}
		}
	})
	t.Run("each order is there once, and normal", func(t *testing.T) {
		// Five keys and the id downwards as the last; the id upwards makes no difference.
		for want, orders := range map[int][]models.Order{
			1 + 10 + 1:       singles(),
			10 * (8 + 1):     doubles(),
			10 * 8 * (6 + 1): triples(),
		} {
			seen := make(map[string]bool)
			for _, order := range orders {
				if normal := order.Normal(); !slices.Equal(normal, order) {
					t.Errorf("the normal form of %v is %v", order, normal)
				}
				seen[order.String()] = true
			}
			if len(seen) != want {
				t.Errorf("%d orders, want %d", len(seen), want)
			}
		}
	})
}
