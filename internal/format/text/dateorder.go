package text

import (
	"strings"
	"time"
)

// A when is a date and time as Windows shows it in some country, taken apart but not understood.
type when struct {
	date    [3]int
	clock   [3]int
	year    int  // which of date is the year: 0 or 2
	dots    bool // the date has dots: day before month wherever that is written
	half    int  // 1 AM, 2 PM, 0 of a clock of 24 hours
	slashes bool
}

// splitWhen takes 8/29/2025 4:29:20 PM, 29.08.2025 16:29:20 or 2025-08-29 16:29:20 apart.
func splitWhen(v []byte) (w when, ok bool) {
	var n [6]int
	count, inside := 0, false
	var words strings.Builder
	for _, c := range v {
		switch {
		case c >= '0' && c <= '9':
			if !inside {
				if count == len(n) {
					return w, false
				}
				count, inside = count+1, true
			}
			if n[count-1] = n[count-1]*10 + int(c-'0'); n[count-1] > 9999 {
				return w, false
			}
			continue
		case c == '.' && count < 3:
			w.dots = true
		case c == '/' || c == '-':
			w.slashes = true
		case c == 'A' || c == 'a' || c == 'P' || c == 'p' || c == 'M' || c == 'm':
			words.WriteByte(c &^ 0x20)
		case c != ' ' && c != ':' && c != '.' && c != 0xe2 && c != 0x80 && c != 0xaf && c != 0xc2 && c != 0xa0: // blanks of any width
			return w, false
		}
		inside = false
	}
	switch words.String() {
	case "":
	case "AM":
		w.half = 1
	case "PM":
		w.half = 2
	default:
		return w, false
	}
	copy(w.date[:], n[:3])
	copy(w.clock[:], n[3:])
	switch {
	case w.date[0] > 99:
	case w.date[2] > 99:
		w.year = 2
	default:
		return w, false
	}
	return w, count == 6 && w.clock[0] < 24 && w.clock[1] < 60 && w.clock[2] < 60 && (w.half == 0 || w.clock[0] >= 1 && w.clock[0] <= 12)
}

// A DateOrder finds out in what order a text's dates have day and month: from one where only one order can be.
type DateOrder struct {
	dayFirst, monthFirst bool // a date that must be so was seen
	dots, half, seen     bool
}

// See learns from a date and time, if v is one.
func (o *DateOrder) See(v []byte) bool {
	w, ok := splitWhen(v)
	if !ok {
		return false
	}
	o.seen = o.seen || w.year == 2
	o.dots = o.dots || w.dots && !w.slashes
	o.half = o.half || w.half > 0
	if w.year == 2 {
		o.dayFirst = o.dayFirst || w.date[0] > 12
		o.monthFirst = o.monthFirst || w.date[1] > 12
	}
	return true
}

// days says whether the day stands first, as far as that is known; else it is taken from what is usual with such a clock.
func (o *DateOrder) days() bool {
	if o.dayFirst != o.monthFirst {
		return o.dayFirst
	}
	return o.dots || !o.half
}

// Doubt says what is not sure of the dates.
func (o *DateOrder) Doubt() string {
	switch {
	case !o.seen || o.dots && !o.monthFirst:
		return ""
	case o.dayFirst && o.monthFirst:
		return "have days and months in both orders: no time is taken from them"
	case !o.dayFirst && !o.monthFirst:
		return "don't tell day from month: taken as " + map[bool]string{true: "day/month/year", false: "month/day/year"}[o.days()]
	}
	return ""
}

// Time reads a date and time: local time, as if it were UTC.
func (o *DateOrder) Time(v []byte) (ns int64, ok bool) {
	w, ok := splitWhen(v)
	if !ok || w.year == 2 && o.dayFirst && o.monthFirst {
		return 0, false
	}
	year, month, day := w.date[0], w.date[1], w.date[2]
	if w.year == 2 {
		year, month, day = w.date[2], w.date[0], w.date[1]
		if o.days() {
			month, day = day, month
		}
	}
	hour := w.clock[0]
	if w.half > 0 {
		hour = hour%12 + 12*(w.half-1)
	}
	if year < 1980 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31 {
		return 0, false
	}
	return time.Date(year, time.Month(month), day, hour, w.clock[1], w.clock[2], 0, time.UTC).UnixNano(), true
}
