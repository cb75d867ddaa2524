package procmon

import (
	"bytes"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	second = int64(1e9)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// A clock is a Time of Day as a cell holds it.
type clock struct {
	ns     int64  // since midnight; since the last full hour if noHour
	hours  int64  // as written, before AM and PM
	word   []byte // what stands beside the digits: AM, PM or another language's word for it
	frac   int    // digits of the second's fraction
	noHour bool   // 44:57.9, as Excel shows a time
}

// parseClock reads times as Windows writes them in all its languages: 4:33:14.3062614 PM, 16:28:26,4129246, 16.28.26,41,
// 上午 01:09:44.8222664; and what Excel leaves of them, 44:57.9 and 16:28.
func parseClock(b []byte) (c clock, ok bool) {
	i := 0
	for i < len(b) && !isDigit(b[i]) {
		i++
	}
	c.word = b[:i]
	var n [3]int64
	parts := 0
	var sep byte
	for parts < 3 {
		from := i
		for ; i < len(b) && isDigit(b[i]) && i-from < 3; i++ {
			n[parts] = n[parts]*10 + int64(b[i]-'0')
		}
		if i == from || i-from > 2 {
			return c, false
		}
		parts++
		if i+1 >= len(b) || !isDigit(b[i+1]) || (parts == 1 && b[i] != ':' && b[i] != '.') || (parts > 1 && b[i] != sep) || parts == 3 {
			break
		}
		sep = b[i]
		i++
	}
	if i+1 < len(b) && (b[i] == '.' || b[i] == ',') && isDigit(b[i+1]) {
		var used int
		c.ns, c.frac, used = fraction(b[i+1:])
		i += 1 + used
	}
	if c.noHour = parts == 2 && c.frac > 0; c.noHour {
		n[0], n[1], n[2] = 0, n[0], n[1]
	}
	if parts < 2 || n[0] > 23 || n[1] > 59 || n[2] > 59 {
		return c, false
	}
	if i < len(b) {
		c.word = b[i:]
	}
	c.hours = n[0]
	c.ns += n[0]*hour + n[1]*minute + n[2]*second
	return c, true
}

// fraction reads digits behind a decimal point as nanoseconds and says how many there were.
func fraction(b []byte) (ns int64, digits, used int) {
	for used < len(b) && isDigit(b[used]) {
		if digits < 9 {
			ns = ns*10 + int64(b[used]-'0')
			digits++
		}
		used++
	}
	for range 9 - digits {
		ns *= 10
	}
	return ns, digits, used
}

func isDigit(c byte) bool { return c-'0' < 10 }

// Halves of the day, and what a word can be that stands beside a time.
const (
	noWord = iota
	forenoon
	afternoon
	strangeWord
)

// half says what a word beside a time means.
func half(word []byte) int {
	if len(word) == 3 && word[0] == ' ' && word[2]|0x20 == 'm' {
		switch word[1] | 0x20 {
		case 'a':
			return forenoon
		case 'p':
			return afternoon
		}
	}
	if len(word) == 0 {
		return noWord
	}
	w := plainWord(word)
	if w == "" {
		return noWord
	}
	if h, ok := dayHalves()[w]; ok {
		return h
	}
	return strangeWord
}

// plainWord is word in lower case without spaces, full stops and direction marks, so that "a. m." and "AM" are one.
func plainWord(word []byte) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '.', ',', '\t', 0xa0, 0x202f, 0x200e, 0x200f, 0x61c:
			return -1
		}
		return r
	}, strings.ToLower(string(word)))
}

// forenoons and afternoons are the AM and PM designators of Windows' locales, as plainWord makes them.
const (
	forenoons = `am 上午 午前 오전 πμ πριν de dop dopoledne dopoludnia ص قظ sa pg fm vm vorm ap öö дп el pd paradite eparadites
		पूर्वाह्न पूर्वाह्ण পূর্বাহ্ণ காலை முற்பகல் ఉదయం проб предиобяд претпладне преподне prepodne prijepodne priekšp
		priekšpusdienā priešpiet үө yb rn qn ก่อนเที่ยง ព្រឹក ጥዋት`
	afternoons = `pm 下午 午後 오후 μμ μετά du odp odpoledne popoludní م بظ ch ptg em nm nachm ip ös пп pl md pasdite epasdites
		अपराह्न অপরাহ্ণ மாலை பிற்பகல் సాయంత్రం слоб следобяд попладне поподне popodne poslijepodne pēcp
		pēcpusdienā popiet pop үх yh in wn หลังเที่ยง ល្ងាច ከሰዓት`
)

var dayHalves = sync.OnceValue(func() map[string]int {
	m := make(map[string]int)
	for _, w := range strings.Fields(forenoons) {
		m[w] = forenoon
	}
	for _, w := range strings.Fields(afternoons) {
		m[w] = afternoon
	}
	return m
})

// A timeline turns the rows' times of day into nanoseconds since the first row's midnight.
type timeline struct {
	past int64 // what midnights, or hours nobody wrote down, have added
	prev clock
	seen bool

	lastWord []byte
	lastHalf int

	lastCell         []byte // the last cell read, and where the digits of its fraction stand
	fracFrom, fracTo int
	last             clock
	whole            int64 // its time without the fraction

	wide     bool   // an hour 0 or above 12 was seen: the clock has 24 hours
	halves   bool   // a word for the half of the day was seen
	strange  string // the first word nobody knows
	twelve   bool   // 12 was followed by 1 with neither: the clock has 12 hours and doesn't say which
	hourless bool
	coarsest int // fewest digits of a second's fraction; starts at 9
}

// clock is parse for the rows' own times, which mostly differ in the fraction of a second only.
func (t *timeline) clock(cell []byte) (clock, bool) {
	if f, ok := t.sameSecond(cell); ok {
		t.last.ns = t.whole + f
		return t.last, true
	}
	c, ok := t.parse(cell)
	if !ok {
		return c, false
	}
	t.coarsest = min(t.coarsest, c.frac)
	t.hourless = t.hourless || c.noHour
	t.halves = t.halves || t.lastHalf == forenoon || t.lastHalf == afternoon
	t.wide = t.wide || !c.noHour && (c.hours == 0 || c.hours > 12)
	t.remember(cell, c)
	return c, true
}

// parse reads a Time of Day with its half of the day put right.
func (t *timeline) parse(cell []byte) (clock, bool) {
	c, ok := parseClock(cell)
	if !ok {
		return c, false
	}
	if !bytes.Equal(c.word, t.lastWord) {
		t.lastWord = append(t.lastWord[:0], c.word...)
		t.lastHalf = half(c.word)
		if t.lastHalf == strangeWord && t.strange == "" {
			t.strange = string(bytes.TrimSpace(clip(c.word)))
		}
	}
	c.word = nil // it dies with the row
	switch h := t.lastHalf; {
	case h == forenoon && c.hours == 12:
		c.ns -= 12 * hour
	case h == afternoon && c.hours < 12:
		c.ns += 12 * hour
	}
	return c, true
}

// read gives the time of a row: nanoseconds since the midnight before the first row. Procmon writes no date there; a time
// that falls by more than half a day is the next day's.
func (t *timeline) read(cell []byte) (int64, bool) {
	c, ok := t.clock(cell)
	if !ok {
		return 0, false
	}
	if t.seen {
		t.past += t.step(c)
	}
	t.prev, t.seen = c, true
	return t.past + c.ns, true
}

// remember keeps what sameSecond compares with.
func (t *timeline) remember(cell []byte, c clock) {
	t.fracFrom, t.fracTo = 0, 0
	from := bytes.LastIndexAny(cell, ".,") + 1
	if c.frac == 0 || c.frac > 9 || from+c.frac > len(cell) || from == 0 || !isDigit(cell[from]) {
		return // the last stop isn't the decimal point: 16.28.26 or a designator's, p.m.
	}
	f, digits, _ := fraction(cell[from:])
	if digits != c.frac {
		return
	}
	t.lastCell = append(t.lastCell[:0], cell...)
	t.fracFrom, t.fracTo = from, from+c.frac
	t.last, t.whole = c, c.ns-f
}

// sameSecond gives the fraction of a cell that differs from the last one read in nothing else; most do.
func (t *timeline) sameSecond(cell []byte) (ns int64, ok bool) {
	if len(cell) != len(t.lastCell) || t.fracTo == 0 ||
		!bytes.Equal(cell[:t.fracFrom], t.lastCell[:t.fracFrom]) || !bytes.Equal(cell[t.fracTo:], t.lastCell[t.fracTo:]) {
		return 0, false
	}
	for _, c := range cell[t.fracFrom:t.fracTo] {
		if !isDigit(c) {
			return 0, false
		}
		ns = ns*10 + int64(c-'0')
	}
	return ns * tens[9-(t.fracTo-t.fracFrom)], true
}

// tens are the powers of ten.
var tens = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// step says by how much more than its digits the clock has moved since the row before.
func (t *timeline) step(c clock) int64 {
	fell := t.prev.ns - c.ns
	if -second < fell && fell < second {
		return 0
	}
	round := day // what the face of the clock goes through
	switch {
	case t.hourless:
		round = hour
	case !t.wide && !t.halves && t.prev.hours == 12 && fell > 6*hour, t.twelve && !t.wide:
		t.twelve = true
		round = 12 * hour
	}
	switch {
	case fell > round/2:
		return round
	case -fell > round-round/720 && t.past >= round:
		// Network events come to Procmon by another way and stand a moment late: this one is from before midnight.
		return -round
	}
	return 0
}

// dateOrder is how a date's numbers are to be read.
type dateOrder uint8

const (
	anyOrder dateOrder = iota // not known yet
	yearMonthDay
	dayMonthYear
	monthDayYear
	noOrder // it could be two dates, or it is none
)

// A calendar reads the date of Date & Time.
type calendar struct {
	order dateOrder
	last  []byte // the date read last, and the day it is
	day   int64
	text  string // the first date, for the note that it can't be read
}

// date gives the day, in nanoseconds since 1970, of a Date & Time cell. The first cell settles the order of its numbers for
// the whole source; timeCell, a Time of Day of the same row, helps with that. It is false when the date could be two dates:
// guessing would put every event of the source on a wrong day.
func (c *calendar) date(cell, timeCell []byte) (int64, bool) {
	if c.order != anyOrder && len(c.last) > 0 && bytes.HasPrefix(cell, c.last) {
		return c.day, true
	}
	n, sep, used, ok := dateNumbers(cell)
	if c.order == anyOrder {
		c.text = string(clip(cell))
		if ok {
			c.text = string(cell[:used])
		}
		c.order = noOrder
		if ok {
			c.order = orderOf(n, cell[:used], sep, timeCell)
		}
	}
	var y, m, d int64
	switch c.order {
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
	if !ok || c.order == noOrder || y < 1990 || y > 2100 || m < 1 || m > 12 || d < 1 || d > 31 {
		return 0, false
	}
	// The digit behind the date may belong to it only if the date were longer, so the prefix takes in what follows.
	c.last = append(c.last[:0], cell[:min(used+1, len(cell))]...)
	c.day = daysFromCivil(y, m, d) * day
	return c.day, true
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

// daysFromCivil counts the days from 1970-01-01 to a date of the Gregorian calendar.
func daysFromCivil(y, m, d int64) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + d - 1 - 719468
}

// seconds reads 0.0000112 or 0,0000112, seconds, as nanoseconds.
func seconds(b []byte) (int64, bool) {
	i, n := 0, int64(0)
	for ; i < len(b) && isDigit(b[i]); i++ {
		if i > 9 {
			return 0, false
		}
		n = n*10 + int64(b[i]-'0')
	}
	if i == 0 {
		return 0, false
	}
	n *= second
	if i < len(b) && (b[i] == '.' || b[i] == ',') {
		f, _, used := fraction(b[i+1:])
		n += f
		i += 1 + used
	}
	return n, i == len(b)
}
