package repotest

import (
	"fmt"
	"strings"

	"userapi/models"
)

// parts returns every run of n characters in a text.
func parts(text string, n int) []string {
	var runs []string
	characters := []rune(text)
	for i := 0; i+n <= len(characters); i++ {
		runs = append(runs, string(characters[i:i+n]))
	}
	return runs
}

// searched shows, as first page and with the number of all, whom the search for each text finds.
// The texts are folded first; each is searched for once.
func (s *subject) searched(users []models.User, texts ...string) {
	s.Helper()
	done := make(map[string]bool)
	for i, text := range texts {
		query := models.Query{Filter: models.Filter{Search: models.FoldName(text)}, Limit: models.MaxLimit, WithTotal: i%2 == 0}
		if i%5 == 0 {
			query.Order = models.Order{{Key: models.KeyName, Descending: true}}
		}
		if text != "" && !done[text] {
			done[text] = true
			s.shows(users, query)
		}
	}
}

func searchFinds(s *subject) {
	users := s.filled(crowd(20, 12))
	for i, name := range append(spellings(), strings.Repeat("\U0001f469z", 50)) {
		user := Sample(i)
		user.Name = name
		users = append(users, s.created(user))
	}
	var texts []string
	for _, name := range spellings() {
		folded := models.FoldName(name)
		texts = append(texts, name, folded, folded+"x", "x"+folded)
		for n := 1; n <= 4; n++ {
			texts = append(texts, parts(folded, n)...)
		}
	}
	for _, user := range users[:6] {
		folded := models.FoldName(user.Email)
		for _, n := range []int{1, 2, 3, 7, len([]rune(folded))} {
			texts = append(texts, parts(folded, n)...)
		}
	}
	long := strings.Repeat("\U0001f469z", 50)
	texts = append(texts, long, long+"z", long[:len(long)-1], "z\U0001f469z", "zz", strings.Repeat("z", models.MaxSearchLength))
	texts = append(texts, "\u0301", "xn--", "@", ".", "com", "E", "Q", "\u4f60", "\u4f60\u597d", "\U0001f468")
	s.searched(users, texts...)
}

func searchTakesLiterally(s *subject) {
	var users []models.User
	for i, name := range []string{
		`100%`, `100`, `a_b`, `axb`, `a\b`, `a\\b`, `a'b`, `a"b`, `a''b`, `a*b`, `a?b`, `a.b`, `[a-c]`, `(a|b)+$`, `^a`, `{2}`, `a b`, `a  b`,
		`abcd bcde`, `abc bcd cde`, `aaa`, `aa`, `abab`, `NULL`, `-- x`, `a&b`, `"a b"`, `a:*`, `~!`, `a OR b`,
	} {
		user := Sample(i)
		user.Name = name
		users = append(users, s.created(user))
	}
	s.searched(users,
		`%`, `%%`, `0%`, `_`, `a_b`, `__`, `\`, `\\`, `\b`, `\%`, `'`, `''`, `"`, `"a`, `a*b`, `*`, `?`, `a?b`, `a.b`, `.`, `.*`,
		`[a-c]`, `[`, `]`, `a|b`, `|`, `$`, `^`, `^a`, `{2}`, `a b`, `a  b`, ` `, `  `, ` b`, `b `, `abcde`, `abcd`, `bcde`, `cdeabc`,
		`aa`, `aaa`, `aaaa`, `aba`, `baba`, `null`, `--`, `a&b`, `&`, `:*`, `~`, `!`, `or`, `a or b`, `b a`, `+`, `)`, `(`,
	)
}

func searchStaysWithin(s *subject) {
	var users []models.User
	for i, name := range []string{"Anna B", "Bo", "\u00c9va", "x@y"} {
		user := Sample(i)
		user.Name, user.Email = name, fmt.Sprintf("cde.%d@mno.example", i)
		users = append(users, s.created(user))
	}
	var texts []string
	for _, user := range users {
		name, email := []rune(models.FoldName(user.Name)), []rune(models.FoldName(user.Email))
		for _, two := range [][2][]rune{{name, email}, {email, name}} {
			for _, between := range []string{"", " ", "|", ",", "\ufffd"} {
				for n := 1; n <= 3; n++ {
					end, start := two[0][max(0, len(two[0])-n):], two[1][:min(n, len(two[1]))]
					texts = append(texts, string(end)+between+string(start), string(end)+between+string(start[:1]), string(end[len(end)-1:])+between+string(start))
				}
			}
		}
		texts = append(texts, string(name), string(email))
	}
	for _, next := range users[1:] { // nor into the next user
		texts = append(texts, "example"+strings.ToLower(next.Name[:1]), next.Email[len(next.Email)-1:]+"cde")
	}
	s.searched(users, texts...)
}
