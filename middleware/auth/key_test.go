package auth

import (
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
	"time"

	"userapi/models"
)

func TestNewKey(t *testing.T) {
	t.Run("a key can be told by its form, and no two are alike", func(t *testing.T) {
		form, seen := regexp.MustCompile(`\Auak_[0-9A-Za-z]{49}\z`), map[string]bool{}
		for range 200 {
			secret, _ := newKey(t, time.Time{})
			if !form.MatchString(secret) || !wellFormed(secret) || seen[secret] {
				t.Fatalf("%q", secret)
			}
			seen[secret] = true
		}
	})
	t.Run("what is stored of it says nothing of the key, and is read again as it was", func(t *testing.T) {
		for _, expires := range []time.Time{{}, time.Unix(1_900_000_000, 0).UTC()} {
			secret, key := newKey(t, expires)
			keys, err := ParseKeys("# of the reports\n\n" + key.Line() + "\n")
			if err != nil || len(keys) != 1 || keys[0] != key {
				t.Errorf("%+v became %+v, %v", key, keys, err)
			}
			if strings.Contains(key.Line(), secret[4:20]) {
				t.Errorf("%q", key.Line())
			}
		}
	})
	t.Run("a name that cannot stand in a line is refused", func(t *testing.T) {
		for _, name := range []string{"", "a b", "a:b", "a\n", "\u202e", strings.Repeat("a", 256), "\xff"} {
			if _, _, err := NewKey(name, models.ScopeRead, time.Time{}); err == nil {
				t.Errorf("%q is taken", name)
			}
		}
	})
}

func TestParseKeys(t *testing.T) {
	secret, key := newKey(t, time.Time{})
	t.Run("a text of comments has no key, which is no error and not the same as no text", func(t *testing.T) {
		for _, text := range []string{"", " \n# none\n"} {
			if keys, err := ParseKeys(text); keys == nil || len(keys) > 0 || err != nil {
				t.Errorf("%q: %v, %v", text, keys, err)
			}
		}
	})
	sum := hex.EncodeToString(key.Hash[:])
	for _, c := range []struct{ name, text, want string }{
		{"two fields", "a sha256:" + sum, "line 1: is not `NAME"},
		{"a word too many", "a sha256:" + sum + " users:read until 2027-01-31T00:00:00Z", "line 1: is not `NAME"},
		{"a hash of another kind", "a sha1:" + sum + " users:read", "line 1: is not `NAME"},
		{"a hash that is cut off", "\na sha256:" + sum[2:] + " users:read", "line 2: is not `NAME"},
		{"a hash that is none", "a sha256:" + strings.Repeat("x", 64) + " users:read", "line 1: is not `NAME"},
		{"a scope that is none", "a sha256:" + sum + " users:raed", "line 1: a scope is none of users:read, users:write, users:delete, users:bulk, admin"},
		{"a time that is none", "a sha256:" + sum + " users:read expires tomorrow", "line 1: the time after expires is not RFC 3339"},
		{"a name with a colon", "a:b sha256:" + sum + " users:read", "line 1: the name"},
		{"the same key twice", "a sha256:" + sum + " users:read\nb sha256:" + sum + " admin", "line 2: the key is that of line 1"},
		{"the key itself", "a " + secret + " users:read", "line 1: holds the key itself"},
		{"all that --new-api-key prints", "# The key\n" + secret + "\n" + key.Line(), "line 2: holds the key itself"},
	} {
		t.Run(c.name+" is refused by its line, which is not repeated", func(t *testing.T) {
			keys, err := ParseKeys(c.text)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v, %v", keys, err)
			} else if strings.Contains(err.Error(), sum[4:20]) || strings.Contains(err.Error(), secret[4:20]) {
				t.Errorf("the error tells: %v", err)
			}
		})
	}
	t.Run("two keys may have one name, while one takes the place of the other", func(t *testing.T) {
		_, second := newKey(t, time.Time{})
		if keys, err := ParseKeys(key.Line() + "\n" + second.Line()); err != nil || len(keys) != 2 {
			t.Errorf("%v, %v", keys, err)
		}
	})
}

func TestKeyTable_verify(t *testing.T) {
	at := newClock()
	secret, key := newKey(t, at.now().Add(time.Minute))
	table, err := newKeyTable([]Key{key})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a typing error is told without a look at any key", func(t *testing.T) {
		for i := range secret {
			for _, wrong := range []byte{'0', 'a', 'Z', '_'} {
				if typed := secret[:i] + string(wrong) + secret[i+1:]; typed != secret {
					if _, refusal := table.verify(typed, at.now()); refusal == nil || refusal.Reason != ReasonMalformed {
						t.Fatalf("%q: %v", typed, refusal)
					}
				}
			}
		}
		for _, typed := range []string{"", keyPrefix, secret[1:], secret + "0", secret[:len(secret)-1], strings.ToUpper(secret)} {
			if wellFormed(typed) {
				t.Errorf("%q", typed)
			}
		}
	})
	t.Run("a key ends at its time", func(t *testing.T) {
		if _, refusal := table.verify(secret, at.now().Add(time.Minute-time.Nanosecond)); refusal != nil {
			t.Error(refusal)
		}
		if _, refusal := table.verify(secret, at.now().Add(time.Minute)); refusal == nil || refusal.Reason != ReasonExpired {
			t.Error(refusal)
		}
	})
}
