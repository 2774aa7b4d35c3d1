package models

import (
	"fmt"
	"strconv"
	"time"
)

// Timestamp is an instant in whole microseconds since 1970-01-01T00:00:00Z. It is a number and not
// a time.Time so that it has one form in every store: no zone, no monotonic reading, comparable by
// ==, eight bytes.
type Timestamp int64

// TimestampOf returns t as a Timestamp; what is finer than a microsecond is cut off.
func TimestampOf(t time.Time) Timestamp { return Timestamp(t.UnixMicro()) }

// Time returns the instant in UTC.
func (t Timestamp) Time() time.Time { return time.UnixMicro(int64(t)).UTC() }

// String returns the instant as RFC 3339 prescribes, in UTC with `Z` and always six fractional
// digits, so that the strings sort as the instants do (for the years 0 to 9999).
func (t Timestamp) String() string { return string(t.Append(nil)) }

// Append appends the form that String returns to dst.
func (t Timestamp) Append(dst []byte) []byte {
	var d dateText
	return t.append(dst, &d)
}

// microsPerDay is the length of a day in the unit of a Timestamp.
const microsPerDay = 24 * 60 * 60 * 1_000_000

// dateText is the text of a time, whose date serves the next time that lies on the same day. The
// zero value is that of no day.
type dateText struct {
	day  int64
	text [len("2006-01-02T15:04:05.000000Z")]byte
}

// append is Append for somebody who writes many times that may lie on the same day.
func (t Timestamp) append(dst []byte, on *dateText) []byte {
	day, micros := int64(t)/microsPerDay, int64(t)%microsPerDay
	if micros < 0 {
		day, micros = day-1, micros+microsPerDay
	}
	text := &on.text
	if on.day != day || text[0] == 0 {
		year, month, ofMonth := civil(day)
		if year < 0 || year > 9999 {
			return t.Time().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
		}
		on.day = day
		copy(text[:], "0000-00-00T00:00:00.000000Z")
		put2(text[0:], year/100)
		put2(text[2:], year%100)
		put2(text[5:], month)
		put2(text[8:], ofMonth)
	}
	seconds, micro := uint32(micros/1_000_000), uint32(micros%1_000_000) //nolint:gosec // of one day
	put2(text[11:], seconds/3600)
	put2(text[14:], seconds/60%60)
	put2(text[17:], seconds%60)
	put2(text[20:], micro/10_000)
	put2(text[22:], micro/100%100)
	put2(text[24:], micro%100)
	return append(dst, text[:]...)
}

// put2 writes n, which is 0 to 99, as two digits.
func put2[N int64 | uint32](text []byte, n N) {
	text[1] = byte('0' + n%10)
	text[0] = byte('0' + n/10)
}

// civil turns days since 1970-01-01 into a date of the proleptic Gregorian calendar. It counts
// years from March, so that the leap day is the last of its year (Howard Hinnant, "chrono-Compatible
// Low-Level Date Algorithms", civil_from_days). A list page writes a hundred times; time.Time takes
// three times as long for each.
func civil(days int64) (year, month, day int64) {
	days += 719_468 // from 1970-01-01 back to 0000-03-01
	era := days / 146_097
	if days < 0 {
		era = (days - 146_096) / 146_097
	}
	ofEra := days - era*146_097
	yearOfEra := (ofEra - ofEra/1460 + ofEra/36_524 - ofEra/146_096) / 365
	ofYear := ofEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	fromMarch := (5*ofYear + 2) / 153
	day = ofYear - (153*fromMarch+2)/5 + 1
	month = fromMarch + 3
	if month > 12 {
		month -= 12
	}
	year = yearOfEra + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

// MarshalJSON returns the form of String as a JSON string.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	return append(t.Append([]byte{'"'}), '"'), nil
}

// UnmarshalJSON reads a JSON string that holds any RFC 3339 instant.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	text, err := strconv.Unquote(string(data))
	if err != nil {
		return fmt.Errorf("timestamp is not a JSON string: %w", err)
	}
	instant, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return fmt.Errorf("timestamp is not RFC 3339: %w", err)
	}
	*t = TimestampOf(instant)
	return nil
}
