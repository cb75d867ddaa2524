package procmon

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"

	"culprit/internal/event"
)

// dateOrder is how a date's numbers are to be read.
type dateOrder uint8

const (
	anyOrder dateOrder = iota // not known yet
	yearMonthDay
	dayMonthYear
	monthDayYear
	noOrder // it could be two dates, or it is none
)

// A calendar reads the dates of a source: of Date & Time, and of Details.
type calendar struct {
	order dateOrder
	last  []byte // the date read last, and the day it is
	day   int64
	text  string // the first date, for the note that it can't be read
	how   string // how the order is known, where the dates alone don't show it
}

// Years that a row's date may have; others are of another calendar. A file may be older than Procmon.
const (
	firstYear     = 1990
	firstFileYear = 1970
	lastYear      = 2100
)

// date gives the day, in nanoseconds since 1970, of a Date & Time cell. The first cell settles the order of its numbers for
// the whole source if nothing has; timeCell, a Time of Day of the same row, helps with that. It is false when the date could
// be two dates: guessing would put every event of the source on a wrong day.
func (c *calendar) date(cell, timeCell []byte) (int64, bool) {
	if c.order != anyOrder && len(c.last) > 0 && bytes.HasPrefix(cell, c.last) {
		return c.day, true
	}
	n, sep, used, ok := dateNumbers(cell)
	if c.order == anyOrder {
		c.text = string(clip(cell))
		c.order = noOrder
		if ok {
			c.text = string(cell[:used])
			c.order = orderOf(n, cell[:used], sep, timeCell)
		}
	}
	if !ok {
		return 0, false
	}
	d, ok := dayOf(n, c.order, firstYear)
	if !ok {
		return 0, false
	}
	// The digit behind the date may belong to it only if the date were longer, so the prefix takes in what follows.
	c.last = append(c.last[:0], cell[:min(used+1, len(cell))]...)
	c.day = d
	return d, true
}

// dayOf gives the day that a date's numbers are, in nanoseconds since 1970.
func dayOf(n [3]int64, order dateOrder, first int64) (int64, bool) {
	var y, m, d int64
	switch order {
	case yearMonthDay:
		y, m, d = n[0], n[1], n[2]
	case dayMonthYear:
		d, m, y = n[0], n[1], n[2]
	case monthDayYear:
		m, d, y = n[0], n[1], n[2]
	}
	if y < 100 {
		y += 2000
	}
	if order == noOrder || order == anyOrder || y < first || y > lastYear || m < 1 || m > 12 || d < 1 || d > 31 {
		return 0, false
	}
	return daysFromCivil(y, m, d) * day, true
}

// moment reads a date with a time, as Detail has them: 7/13/2009 8:31:09 PM. While the order of the source's dates isn't
// known, only what can be one date is read. Windows' beginning of time, 1601, stands for no date.
func (c *calendar) moment(v []byte) (int64, bool) {
	n, sep, used, ok := dateNumbers(v)
	if !ok {
		return 0, false
	}
	clock := bytes.TrimSpace(v[used:])
	order := c.order
	if order == anyOrder {
		order = orderOf(n, v[:used], sep, clock)
	}
	d, ok := dayOf(n, order, firstFileYear)
	if !ok {
		return 0, false
	}
	var t timeline
	k, ok := t.parse(clock)
	return d + k.ns, ok
}

// dateNumbers reads the three numbers of a date, the first separator between them and how long the date is.
func dateNumbers(b []byte) (n [3]int64, sep byte, used int, ok bool) {
	i := 0
	for i < len(b) && !isDigit(b[i]) {
		i++
	}
	for k := range n {
		from := i
		for ; i < len(b) && isDigit(b[i]) && i-from < 5; i++ {
			n[k] = n[k]*10 + int64(b[i]-'0')
		}
		if i == from || i-from > 4 {
			return n, sep, 0, false
		}
		if k == 2 {
			break
		}
		for i < len(b) && !isDigit(b[i]) {
			if c := b[i]; sep == 0 && (c == '.' || c == '/' || c == '-') {
				sep = c
			} else if c < utf8.RuneSelf && c != ' ' && c != sep {
				return n, sep, 0, false
			}
			i++
		}
	}
	return n, sep, i, sep != 0
}

// orderOf tells a date's order from itself and the way the same machine writes the time.
func orderOf(n [3]int64, date []byte, sep byte, timeCell []byte) dateOrder {
	short := n[2] < 100
	switch {
	case n[0] > 31:
		return yearMonthDay
	case short && sep == '-', n[1] > 31, n[0] == 0, n[1] == 0:
		return noOrder
	case n[1] > 12:
		return monthDayYear
	case n[0] > 12 && !short:
		return dayMonthYear
	case sep == '.' || sep == '-': // no Windows language puts the month first with these
		return dayMonthYear
	case n[0] > 12: // 20/07/31 or 31/07/20
		return noOrder
	}
	return slashOrder(date, timeCell)
}

// slashOrder decides 5/7/2020, which languages read both ways. Those that put the month first write seconds with a full stop
// and the half of the day as AM and PM.
func slashOrder(date, timeCell []byte) dateOrder {
	c, ok := parseClock(timeCell)
	if !ok {
		return noOrder
	}
	if i := bytes.IndexByte(timeCell, ','); i > 0 && c.frac > 0 {
		return dayMonthYear
	}
	if h := half(c.word); h == forenoon || h == afternoon {
		if w := plainWord(c.word); w != "am" && w != "pm" {
			return dayMonthYear
		}
	}
	first, rest, _ := bytes.Cut(date, []byte{'/'})
	second, _, _ := bytes.Cut(rest, []byte{'/'})
	if len(bytes.TrimLeft(first, " ")) == 1 && len(second) == 2 && second[0] == '0' {
		return dayMonthYear // d/MM/yyyy is in use, M/dd/yyyy isn't
	}
	return noOrder
}

// lookAhead is how much of a file is looked at for the order of its dates before its first event is given.
const lookAhead = 1 << 20

// dateSigns is what the beginning of a file shows of the order of its dates' numbers.
type dateSigns struct {
	seen                  int
	orders                [noOrder + 1]int // dates that could be read in one way, by that; noOrder: in two
	near                  [noOrder + 1]int // neighbours a day apart in that order and a month in the other
	prev                  [3]int64         // the row's date before
	padded                bool             // 07/08
	american              bool             // times as 4:33:14 PM
	other                 bool             // times in any other way, or a thousands mark other than the comma
	firstDate, firstClock []byte           // of the first row
}

// see takes a date with the time beside it.
func (d *dateSigns) see(date, clock []byte) (n [3]int64, ok bool) {
	n, sep, used, ok := dateNumbers(date)
	if !ok {
		return n, false
	}
	d.seen++
	d.orders[orderOf(n, date[:used], sep, clock)]++
	first, rest, _ := bytes.Cut(date[:used], []byte{'/'})
	second, _, _ := bytes.Cut(rest, []byte{'/'})
	d.padded = d.padded || bytes.HasPrefix(first, []byte{'0'}) || bytes.HasPrefix(second, []byte{'0'})
	c, ok := parseClock(clock)
	if w := string(c.word); ok && sep == '/' && (w == " AM" || w == " PM") && clock[0] != '0' {
		d.american = true
	} else {
		d.other = true
	}
	return n, true
}

// neighbour compares a row's date with the row's before: a capture doesn't jump by a month between two events.
func (d *dateSigns) neighbour(n [3]int64) {
	if d.prev != ([3]int64{}) && n != d.prev {
		apart := func(o dateOrder) int64 {
			a, ok := dayOf(n, o, firstYear)
			b, ok2 := dayOf(d.prev, o, firstYear)
			if !ok || !ok2 {
				return 1000
			}
			return max(a-b, b-a) / day
		}
		month, first := apart(monthDayYear), apart(dayMonthYear)
		if month <= 2 && first >= 27 {
			d.near[monthDayYear]++
		} else if first <= 2 && month >= 27 {
			d.near[dayMonthYear]++
		}
	}
	d.prev = n
}

// order settles the order of the file's dates, and says how it is known where no single date shows it.
func (d *dateSigns) order() (dateOrder, string) {
	day, month := d.orders[dayMonthYear]+d.near[dayMonthYear], d.orders[monthDayYear]+d.near[monthDayYear]
	switch {
	case d.seen == 0:
		return anyOrder, ""
	case d.orders[yearMonthDay] > 0 && day+month == 0:
		return yearMonthDay, ""
	case d.orders[yearMonthDay] > 0, day > 0 && month > 0:
		return noOrder, ""
	case day > 0 && d.orders[dayMonthYear] == 0:
		return dayMonthYear, "neighbouring rows are a day apart if the day stands first, and a month if the month does"
	case day > 0:
		return dayMonthYear, ""
	case month > 0 && d.orders[monthDayYear] == 0:
		return monthDayYear, "neighbouring rows are a day apart if the month stands first, and a month if the day does"
	case month > 0:
		return monthDayYear, ""
	case d.american && !d.other && !d.padded:
		return monthDayYear, "times and numbers are as Windows writes them in English (United States), and nothing says otherwise"
	}
	return noOrder, ""
}

// solveDates looks ahead for the order of the dates' numbers, and settles what @timestamp is.
func (r *csvReader) solveDates() {
	r.basis = event.BasisTimeOfDay
	if r.at[colDate] < 0 && (r.at[colDetail] < 0 || r.o.RolesOnly) {
		return
	}
	head := r.rows.peek(lookAhead)
	s := &csvScanner{sep: r.rows.sep, width: r.width, buf: head, end: len(head), line: 1, err: io.EOF, budget: int64(len(head))}
	var d dateSigns
	var parts []detailPart
	for {
		_, _, err := s.next(false)
		if err == io.EOF {
			break
		}
		if err == nil && len(s.cells) == r.width {
			parts = r.dateRow(&d, s, parts[:0])
		}
	}
	r.settleDates(&d)
}

// settleDates takes over what the beginning of a file shows.
func (r *csvReader) settleDates(d *dateSigns) {
	r.dates.order, r.dates.how = d.order()
	if d.firstDate == nil {
		return
	}
	_, _, used, ok := dateNumbers(d.firstDate)
	if r.dates.text = string(clip(d.firstDate)); ok {
		r.dates.text = string(d.firstDate[:used])
	}
	if _, ok = r.dates.date(d.firstDate, d.firstClock); !ok {
		return
	}
	r.basis = event.BasisLocal
	if r.dates.how != "" {
		names := [...]string{dayMonthYear: "day/month/year", monthDayYear: "month/day/year"}
		r.notes = append(r.notes, fmt.Sprintf("the date %q is taken for %s: %s", r.dates.text, names[r.dates.order], r.dates.how))
	}
}

// dateRow looks at a row's dates and numbers.
func (r *csvReader) dateRow(d *dateSigns, s *csvScanner, parts []detailPart) []detailPart {
	raw := func(c csvColumn) []byte {
		if r.at[c] < 0 {
			return nil
		}
		x := s.cells[r.at[c]]
		return s.row[x.from:x.to]
	}
	if date := raw(colDate); date != nil {
		clock := raw(colTime)
		if clock == nil {
			_, _, used, _ := dateNumbers(date)
			clock = bytes.TrimSpace(date[used:])
		}
		if n, ok := d.see(date, clock); ok {
			d.neighbour(n)
		}
		if d.firstDate == nil {
			d.firstDate, d.firstClock = date, clock
		}
	}
	parts, _ = splitDetail(parts, raw(colOperation), raw(colDetail))
	for _, p := range parts {
		if p.key == nil {
			continue
		}
		switch p.key.field.Type() {
		case event.Date:
			if _, _, used, ok := dateNumbers(p.value); ok {
				d.see(p.value, bytes.TrimSpace(p.value[used:]))
			}
		case event.Long:
			if _, used, ok := number(p.value); ok && used == len(p.value) && bytes.ContainsAny(p.value, ".'\u00a0\u202f\u2019 ") {
				d.other = true
			}
		}
	}
	return parts
}
