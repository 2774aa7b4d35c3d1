package models

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// microLayout is the one form of a timestamp, in the words of the time package.
const microLayout = "2006-01-02T15:04:05.000000Z"

// instants are timestamps at which dates and signs change.
func instants() []Timestamp {
	at := []Timestamp{0, math.MinInt64, math.MaxInt64}
	for _, year := range []int{-9999, -400, -1, 0, 1, 4, 100, 400, 1600, 1900, 1969, 1970, 1971, 2000, 2024, 2026, 2038, 2100, 9999, 10_000, 99_999} {
		for _, month := range []time.Month{time.January, time.February, time.March, time.December} {
			at = append(at, TimestampOf(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)))
		}
		at = append(at, TimestampOf(time.Date(year, time.February, 29, 12, 34, 56, 789_012_000, time.UTC)))
	}
	return at
}

func TestTimestamp_String(t *testing.T) {
	holds := func(t rapid.TB, at Timestamp) {
		t.Helper()
		if got, want := at.String(), at.Time().Format(microLayout); got != want {
			t.Fatalf("Timestamp(%d) is %s, want %s", at, got, want)
		}
	}
	t.Run("is what package time writes, at every bound", func(t *testing.T) {
		for _, at := range instants() {
			holds(t, at)
			if at > math.MinInt64 {
				holds(t, at-1)
			}
			if at < math.MaxInt64 {
				holds(t, at+1)
			}
		}
	})
	t.Run("is what package time writes, on every day of four centuries", func(t *testing.T) {
		const days = 400*365 + 97
		first := TimestampOf(time.Date(1801, time.January, 1, 23, 59, 59, 999_999_000, time.UTC))
		for day := range Timestamp(days) {
			holds(t, first+day*microsPerDay)
		}
	})
	t.Run("is what package time writes, anywhere", rapid.MakeCheck(func(t *rapid.T) {
		holds(t, Timestamp(rapid.Int64().Draw(t, "anywhere")))
		holds(t, Timestamp(rapid.Int64Range(-62_167_219_200_000_000, 253_402_300_799_999_999).Draw(t, "in the years 0 to 9999")))
	}))
	t.Run("sorts as the instants do", rapid.MakeCheck(func(t *rapid.T) {
		years := rapid.Int64Range(-62_167_219_200_000_000, 253_402_300_799_999_999)
		a, b := Timestamp(years.Draw(t, "a")), Timestamp(years.Draw(t, "b"))
		if (a < b) != (a.String() < b.String()) {
			t.Fatalf("%s and %s do not sort as %d and %d", a, b, a, b)
		}
	}))
}

func TestTimestamp_Append(t *testing.T) {
	t.Run("leaves what is there", func(t *testing.T) {
		if got := string(Timestamp(-1).Append([]byte("at "))); got != "at 1969-12-31T23:59:59.999999Z" {
			t.Errorf("got %q", got)
		}
	})
}

func TestTimestampOf(t *testing.T) {
	t.Run("cuts what is finer than a microsecond, before 1970 too", func(t *testing.T) {
		for _, second := range []int64{1_767_366_245, 0, -1, -62_135_596_800} {
			exact := time.Unix(second, 123_456_000)
			for _, nanoseconds := range []time.Duration{0, 1, 999} {
				if got := TimestampOf(exact.Add(nanoseconds)).Time(); !got.Equal(exact) {
					t.Errorf("%v and %v became %v", exact, nanoseconds, got)
				}
			}
		}
	})
	t.Run("is the same instant in any zone", func(t *testing.T) {
		at := time.Date(2026, time.January, 2, 15, 4, 5, 0, time.UTC)
		if got := TimestampOf(at.In(time.FixedZone("east", 5*60*60+1800))); got != TimestampOf(at) {
			t.Errorf("got %s, want %s", got, TimestampOf(at))
		}
	})
	t.Run("undoes Time", rapid.MakeCheck(func(t *rapid.T) {
		at := Timestamp(rapid.Int64().Draw(t, "at"))
		if got := TimestampOf(at.Time()); got != at {
			t.Fatalf("got %d, want %d", got, at)
		}
		if zone := at.Time().Location(); zone != time.UTC {
			t.Fatalf("Time is in %v, want UTC", zone)
		}
	}))
}

func TestTimestamp_UnmarshalJSON(t *testing.T) {
	t.Run("reads what MarshalJSON writes", rapid.MakeCheck(func(t *rapid.T) {
		want := Timestamp(rapid.Int64Range(-62_167_219_200_000_000, 253_402_300_799_999_999).Draw(t, "at"))
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Timestamp
		if err := json.Unmarshal(text, &got); err != nil || got != want {
			t.Fatalf("%s became %s, error %v", text, got, err)
		}
	}))
	t.Run("reads any instant of RFC 3339", func(t *testing.T) {
		for text, want := range map[string]string{
			`"2026-01-02T15:04:05Z"`:                "2026-01-02T15:04:05.000000Z",
			`"2026-01-02T15:04:05.5+01:00"`:         "2026-01-02T14:04:05.500000Z",
			`"2026-01-02T00:00:00.123456789-00:30"`: "2026-01-02T00:30:00.123456Z",
		} {
			var got Timestamp
			if err := json.Unmarshal([]byte(text), &got); err != nil || got.String() != want {
				t.Errorf("%s became %s, error %v, want %s", text, got, err, want)
			}
		}
	})
	t.Run("refuses anything else and keeps its value", func(t *testing.T) {
		for _, text := range []string{`5`, `true`, `""`, `"today"`, `"2026-01-02"`, `"2026-13-02T15:04:05Z"`, `"2026-01-02T15:04:05"`} {
			got := Timestamp(7)
			if err := json.Unmarshal([]byte(text), &got); err == nil || got != 7 {
				t.Errorf("%s became %s, error %v", text, got, err)
			}
		}
	})
}
