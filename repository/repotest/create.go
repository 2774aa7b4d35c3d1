package repotest

import (
	"math"
	"strings"
	"time"

	"userapi/models"
)

func createRules() []Rule {
	return []Rule{
		{
			"Create stores every member as given",
			"what a client put in, it must read again: whole texts in any script, times to the microsecond, no age as no age",
			createStoresEveryMember,
		},
		{
			"Create gives ids that start at 1 and grow",
			"clients page and sort by id, and take 0 for none",
			createGivesGrowingIDs,
		},
		{
			"Create ignores the id of its argument",
			"an id that a client could choose would overwrite, or exhaust the ids at one stroke",
			createIgnoresGivenID,
		},
		{
			"Create never gives an id twice",
			"a link to a deleted user must not lead to another person",
			createNeverReusesID,
		},
		{
			"Create refuses a taken address in any form",
			"one mailbox, one user: in another letter case, composed or not, with its domain in Unicode or in A-labels",
			createRefusesTakenAddress,
		},
		{
			"Create tells different addresses apart",
			"a store that folds accents or takes a dotless i for an i locks real people out",
			createTellsAddressesApart,
		},
	}
}

// variants are users that some store somewhere has not given back as they were.
func variants() []func(*models.User) {
	name := func(text string) func(*models.User) { return func(u *models.User) { u.Name = text } }
	email := func(text string) func(*models.User) { return func(u *models.User) { u.Email = text } }
	age := func(years models.Age) func(*models.User) { return func(u *models.User) { u.Age = years } }
	times := func(created, updated models.Timestamp) func(*models.User) {
		return func(u *models.User) { u.CreatedAt, u.UpdatedAt = created, updated }
	}
	version := func(n int64) func(*models.User) { return func(u *models.User) { u.Version = n } }

	return []func(*models.User){
		name("A"),
		name(strings.Repeat("\U0001f469", 100)), // four bytes each
		name("\U0001f469\u200d\U0001f469\u200d\U0001f467"),
		name("e\u0301 is not \u00e9"),
		name("\u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u4f60\u597d"),
		name(`Robert'); DROP TABLE users;-- "\n" \ % _ ?`),
		name("<b>&amp;</b>"),
		name("NULL"),
		name("two  spaces, a\u00a0hard one, a \u2028 separator"),
		email("O'Neil+%_{tag}@example.com"),
		email("\u7528\u6237@\u4f8b\u5b50.example"),
		email(strings.Repeat("l", 64) + "@" + strings.Repeat("d", 63) + "." + strings.Repeat("e", 63) + "." + strings.Repeat("f", 58) + ".io"),
		age(0), age(1), age(150),
		times(0, 0), times(-1, 1), times(999_999, 1_000_000), times(firstTime(), lastTime()),
		version(1), version(1 << 53), version(math.MaxInt64),
	}
}

// firstTime and lastTime are the ends of the years that RFC 3339 can write.
func firstTime() models.Timestamp {
	return models.TimestampOf(time.Date(1, time.January, 1, 0, 0, 0, 0, time.UTC))
}

func lastTime() models.Timestamp {
	return models.TimestampOf(time.Date(9999, time.December, 31, 23, 59, 59, 999_999_000, time.UTC))
}

func createStoresEveryMember(s *subject) {
	var all []models.User
	for i, vary := range variants() {
		want := Sample(i + 1)
		vary(&want)
		got := s.created(want)
		want.ID = got.ID
		if got != want {
			s.Errorf("Create returned\n%+v, want\n%+v", got, want)
		}
		all = append(all, want)
	}
	s.holds(all...)
}

func createGivesGrowingIDs(s *subject) {
	last := int64(0)
	for _, user := range s.seeded(20) {
		if last == 0 && user.ID != 1 {
			s.Errorf("the first id is %d, want 1", user.ID)
		}
		if user.ID <= last {
			s.Errorf("id %d after %d, want a larger one", user.ID, last)
		}
		last = user.ID
	}
}

func createIgnoresGivenID(s *subject) {
	first := s.created(Sample(1))
	last := first.ID
	for i, given := range []int64{first.ID, -7, 1_000_000, models.MaxID} {
		user := Sample(i + 2)
		user.ID = given
		got := s.created(user)
		if got.ID == given || got.ID <= last || got.ID >= 1_000_000 {
			s.Errorf("Create with id %d in its argument gave id %d after %d", given, got.ID, last)
		}
		last = got.ID
	}
	if got := s.got(first.ID); got != first {
		s.Errorf("user %d became %+v, want %+v", first.ID, got, first)
	}
}

func createNeverReusesID(s *subject) {
	users := s.seeded(4)
	last := users[3].ID
	next := func(after string) {
		s.Helper()
		user := s.created(Sample(9))
		if user.ID <= last {
			s.Errorf("after %s, Create gave id %d; %d was given before", after, user.ID, last)
		}
		last = user.ID
		s.deleted(user.ID)
	}
	s.deleted(users[1].ID)
	next("a delete in the middle")
	s.deleted(users[3].ID)
	next("a delete of the newest")
	_, err := s.Create(s.Context(), Sample(1))
	s.fails(err, models.ErrEmailTaken, "Create with a taken address")
	next("a failed Create")
	s.deleted(users[0].ID, users[2].ID)
	next("a delete of all")
}

// forms are addresses in pairs that models.EmailKey holds to be the same.
func forms() [][2]string {
	return [][2]string{
		{"Ada.Lovelace@example.com", "aDA.lOVELACE@example.com"},
		{"stra\u00dfe@example.com", "STRASSE@example.com"},
		{"jos\u00e9@example.com", "JOSE\u0301@example.com"},
		{"\u03bf\u03b4\u03cc\u03c2@example.com", "\u039f\u0394\u038c\u03a3@example.com"}, // final sigma
		{"kelvin@example.com", "\u212aELVIN@example.com"},                                // the Kelvin sign
		{"info@b\u00fccher.example", "Info@xn--bcher-kva.example"},
	}
}

func createRefusesTakenAddress(s *subject) {
	var all []models.User
	for i, form := range forms() {
		user := Sample(i)
		user.Email = form[0]
		all = append(all, s.created(user))
		for _, again := range form {
			other := Sample(100 + i)
			other.Email = again
			_, err := s.Create(s.Context(), other)
			s.fails(err, models.ErrEmailTaken, "Create with "+again+" beside "+form[0])
		}
	}
	s.holds(all...)
}

// strangers are addresses that models.EmailKey tells apart and a database may not.
func strangers() []string {
	return []string{
		"e@example.com", "\u00e9@example.com", "\u00ea@example.com",
		"i@example.com", "\u0131@example.com", // dotless
		"o@example.com", "\u00f6@example.com", "oe@example.com", "\u00f8@example.com",
		"a.b@example.com", "ab@example.com", "a+b@example.com", "a_b@example.com", "a%b@example.com", "axb@example.com",
		"ab@example.org", "ab@mail.example.com",
		"\u0430b@example.com", // a Cyrillic a
	}
}

func createTellsAddressesApart(s *subject) {
	var all []models.User
	for i, address := range strangers() {
		user := Sample(i)
		user.Email = address
		all = append(all, s.created(user))
	}
	s.holds(all...)
}
