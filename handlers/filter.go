package handlers

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"userapi/models"
)

// The parameters of a list, by their index in listParameters.
const (
	limitAt = iota
	skipAt
	cursorAt
	includeTotalAt
	sortAt
	searchAt
	emailAt
	nameAt
	ageAt
	ageMinAt
	ageMaxAt
	createdAfterAt
	createdBeforeAt
	updatedAfterAt
	idsAt
)

// pageParameters are those that say nothing of which users are in the list and in which order.
const pageParameters = 1<<limitAt | 1<<skipAt | 1<<cursorAt | 1<<includeTotalAt

// listParameters are the names of what a list can be asked (contract 4).
//
//nolint:gochecknoglobals // never written
var listParameters = [...]string{
	limitAt: "limit", skipAt: "skip", cursorAt: "cursor", includeTotalAt: "include_total", sortAt: "sort",
	searchAt: "q", emailAt: "email", nameAt: "name", ageAt: "age", ageMinAt: "age_min", ageMaxAt: "age_max",
	createdAfterAt: "created_after", createdBeforeAt: "created_before", updatedAfterAt: "updated_after", idsAt: "ids",
}

const (
	// maxName is how many characters a name can have (contract 1).
	maxName = 100
	// maxAge is the largest age.
	maxAge = 150
)

// listQuery reads what a list asks for.
func (h *users) listQuery(asked *parameters) (models.Query, error) {
	query := models.Query{
		Limit:     int(asked.integer(limitAt, models.DefaultLimit, 1, models.MaxLimit)),
		Skip:      asked.integer(skipAt, 0, 0, math.MaxInt64),
		WithTotal: asked.boolean(includeTotalAt),
	}
	if asked.given&^pageParameters != 0 {
		query.Order = readOrder(asked)
		query.Filter = readFilter(asked)
	}
	if asked.has(cursorAt) {
		query.Position = h.position(asked, &query)
	}
	return query, asked.err()
}

// position opens the cursor of a walk. When it is not certain which list is meant, only the form of
// the cursor is judged: it need not be at fault for a filter that is.
func (h *users) position(asked *parameters, query *models.Query) models.Position {
	if asked.has(skipAt) {
		asked.refuse(skipAt, "conflicting_parameters", "must not be given together with cursor")
	}
	cursor, ok := asked.sound(cursorAt)
	if !ok {
		return models.Position{}
	}
	var at models.Position
	if slices.ContainsFunc(asked.faults, aboutListing) {
		_, ok = unwrap(cursor)
	} else {
		at, ok = h.cursors.open(cursor, query.Order, listing(query))
	}
	if !ok {
		asked.refuse(cursorAt, "invalid_cursor", "is not a cursor of this list, sorted and filtered as it was")
	}
	return at
}

// aboutListing says whether a fault leaves open which users are meant or in which order.
func aboutListing(f models.Fault) bool {
	at := slices.Index(listParameters[:], f.Parameter)
	return at < 0 || 1<<at&pageParameters == 0
}

// readOrder reads the parameter sort.
func readOrder(asked *parameters) models.Order {
	text, ok := asked.sound(sortAt)
	if !ok {
		return nil
	}
	if strings.Count(text, ",") >= models.MaxSorts {
		asked.refuse(sortAt, "too_many", "must have at most "+strconv.Itoa(models.MaxSorts)+" keys")
		return nil
	}
	names := models.SortKeys()
	var order models.Order
	for word := range strings.SplitSeq(text, ",") {
		name, descending := strings.CutPrefix(word, "-")
		key := slices.Index(names, name)
		if key < 0 {
			asked.refuse(sortAt, "unknown_sort_key", "must be made of "+strings.Join(names, ", ")+meant(name, names))
			return nil
		}
		sort := models.Sort{Key: models.Key(key), Descending: descending} //nolint:gosec // there are six keys
		if slices.ContainsFunc(order, func(s models.Sort) bool { return s.Key == sort.Key }) {
			asked.refuse(sortAt, "repeated_sort_key", "must have each key once, in one direction")
			return nil
		}
		order = append(order, sort)
	}
	return order.Normal()
}

// readFilter reads the parameters that say which users a list has.
func readFilter(asked *parameters) models.Filter {
	if name, ok := asked.sound(nameAt); ok {
		if asked.values[nameAt] = models.Trim(name); asked.values[nameAt] == "" {
			asked.refuse(nameAt, "empty_parameter", "must not be empty")
		}
	}
	filter := models.Filter{
		Search:        asked.folded(searchAt, models.MaxSearchLength),
		EmailKey:      readEmail(asked),
		Name:          asked.folded(nameAt, maxName),
		CreatedAfter:  readTime(asked, createdAfterAt, false),
		CreatedBefore: readTime(asked, createdBeforeAt, true),
		UpdatedAfter:  readTime(asked, updatedAfterAt, false),
		IDs:           readIDs(asked),
	}
	filter.MinAge, filter.MaxAge = readAges(asked)
	return filter
}

// readAges returns the bounds of the age that meet all three parameters, zero for none. What cannot be
// met gives a lower bound above the upper one, which no user is within.
func readAges(asked *parameters) (least, most models.Age) {
	exactly := asked.integer(ageAt, 0, 1, maxAge)
	lower := max(asked.integer(ageMinAt, 0, 1, maxAge), exactly)
	upper := asked.integer(ageMaxAt, 0, 1, maxAge)
	if exactly != 0 && (upper == 0 || exactly < upper) {
		upper = exactly
	}
	return models.Age(lower), models.Age(upper) //nolint:gosec // at most maxAge
}

// readEmail returns the key of an address. No address has a space, and a plus sign that was not
// encoded arrives as one.
func readEmail(asked *parameters) string {
	text, ok := asked.sound(emailAt)
	if !ok {
		return ""
	}
	address, err := models.ParseEmail(strings.ReplaceAll(text, " ", "+"))
	if err != nil {
		asked.refuse(emailAt, "invalid_email", err.Error())
		return ""
	}
	return models.EmailKey(address)
}

// readIDs returns the ids of a comma list, sorted and each once.
func readIDs(asked *parameters) []int64 {
	text, ok := asked.sound(idsAt)
	if !ok {
		return nil
	}
	count := strings.Count(text, ",") + 1
	if count > models.MaxIDs {
		asked.refuse(idsAt, "too_many", "must have at most "+strconv.Itoa(models.MaxIDs)+" ids")
		return nil
	}
	ids := make([]int64, 0, count)
	for word := range strings.SplitSeq(text, ",") {
		id, err := strconv.ParseInt(word, 10, 64)
		switch {
		case err != nil && !isDecimal(word):
			asked.refuse(idsAt, "wrong_type", "must be decimal integers with commas between them")
			return nil
		case err != nil || id < 1:
			asked.refuse(idsAt, "out_of_range", "must each be "+between(1, math.MaxInt64))
			return nil
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// readTime returns an instant that is a bound, itself excluded. What is finer than a time can be is
// rounded so that the bound excludes the same users: down when it is a lower one, else up.
func readTime(asked *parameters, at int, upper bool) *models.Timestamp {
	text, ok := asked.sound(at)
	if !ok {
		return nil
	}
	instant, finer, ok := parseInstant(text)
	if !ok {
		asked.refuse(at, "invalid_time", "must be an instant as RFC 3339 writes it, such as 2026-01-02T15:04:05Z")
		return nil
	}
	if finer && upper {
		instant++
	}
	return &instant
}

// parseInstant reads an instant as RFC 3339 (section 5.6) writes it, cut to a whole microsecond, and
// says whether something was cut off. A space where the sign of the offset belongs is a plus sign that
// was not encoded. time.Parse knows the calendar, but takes commas, lone digits and offsets of days,
// and drops what is finer than a nanosecond. It does not take a leap second, which here is the second
// behind it.
func parseInstant(text string) (instant models.Timestamp, finer, ok bool) {
	const date, seconds = len("2006-01-02"), len("2006-01-02T15:04:05")
	if len(text) <= seconds || text[date]|0x20 != 't' {
		return 0, false, false
	}
	clock, leap := text[date+1:seconds], time.Duration(0)
	if minute, isLeap := strings.CutSuffix(clock, ":60"); isLeap { // which is the second after :59
		clock, leap = minute+":59", time.Second
	}
	whole, err := time.Parse("2006-01-02T15:04:05", text[:date]+"T"+clock)
	if err != nil {
		return 0, false, false
	}
	whole = whole.Add(leap)
	rest := text[seconds:]
	var micros models.Timestamp
	if rest[0] == '.' {
		end := 1
		for end < len(rest) && '0' <= rest[end] && rest[end] <= '9' {
			end++
		}
		if end == 1 {
			return 0, false, false
		}
		micros, finer = parseFraction(rest[1:end])
		rest = rest[end:]
	}
	offset, ok := parseOffset(rest)
	return models.TimestampOf(whole) + micros - offset, finer, ok
}

// parseFraction returns the microseconds in the decimal digits of a fraction of a second, and whether
// there is more.
func parseFraction(digits string) (micros models.Timestamp, finer bool) {
	const precision = len("000000")
	for i := range precision {
		micros *= 10
		if i < len(digits) {
			micros += models.Timestamp(digits[i] - '0')
		}
	}
	return micros, len(digits) > precision && strings.Trim(digits[precision:], "0") != ""
}

// parseOffset returns by how many microseconds a local time is ahead of UTC.
func parseOffset(text string) (models.Timestamp, bool) {
	if text == "Z" || text == "z" {
		return 0, true
	}
	if len(text) != len("+00:00") || text[3] != ':' || !isDigits(text[1:3]) || !isDigits(text[4:]) {
		return 0, false
	}
	hours, _ := strconv.Atoi(text[1:3])
	minutes, _ := strconv.Atoi(text[4:])
	if hours > 23 || minutes > 59 {
		return 0, false
	}
	offset := models.Timestamp((time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute).Microseconds())
	switch text[0] {
	case '+', ' ':
		return offset, true
	case '-':
		return -offset, true
	}
	return 0, false
}
