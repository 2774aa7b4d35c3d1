package cached

import (
	"testing"

	"userapi/models"
)

func FuzzDecode(f *testing.F) {
	whole := encode(&models.User{ID: 7, Name: "Ada", Email: "ada@example.com", Age: 36, CreatedAt: -1, UpdatedAt: 1, Version: 2})
	f.Add(string(whole))
	f.Add(string(whole[:9]))
	f.Fuzz(func(t *testing.T, entry string) {
		user, ok := decode(entry, 7)
		if !ok {
			return
		}
		again, ok := decode(string(encode(&user)), 7)
		if !ok || again != user {
			t.Errorf("%+v becomes %+v", user, again)
		}
	})
}

func TestDecode(t *testing.T) {
	t.Run("gives back what was encoded, and nothing for a part of it", func(t *testing.T) {
		for _, user := range []models.User{
			{ID: 1},
			{ID: models.MaxID, Name: "Ada", Email: "ada@example.com", Age: 150, CreatedAt: -5, UpdatedAt: 1 << 60, Version: 1 << 62},
		} {
			entry := string(encode(&user))
			if got, ok := decode(entry, user.ID); !ok || got != user {
				t.Errorf("%+v becomes %+v", user, got)
			}
			if _, ok := decode(entry, user.ID+1); ok {
				t.Error("an entry passes for that of another user")
			}
			for n := range len(entry) {
				if _, ok := decode(entry[:n], user.ID); ok {
					t.Errorf("the first %d octets pass for a user", n)
				}
			}
		}
	})
}
