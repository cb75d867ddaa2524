package procmon

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"

	"culprit/internal/event"
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

// time gives the row its time, if the file has times, or says why it has none.
func (r *csvReader) time(row *csvRow) {
	r.localTime(row)
	switch {
	case !row.timed:
	case r.toUTC != nil:
		row.t = r.toUTC(row.t)
	case r.at[colRelative] >= 0:
		r.follow(row, row.raw(r.at[colRelative]))
	default:
		r.watch(row)
	}
}

// localTime gives the row's time as written. If nothing has, the first row settles what the file's times are.
func (r *csvReader) localTime(row *csvRow) {
	var clockCell, dateCell []byte
	if i := r.at[colTime]; i >= 0 {
		clockCell = row.raw(i)
	}
	if i := r.at[colDate]; i >= 0 {
		dateCell = row.raw(i)
		if clockCell == nil {
			_, _, used, _ := dateNumbers(dateCell)
			clockCell = dateCell[used:]
		}
	}
	if r.basis == "" {
		r.basis = event.BasisTimeOfDay
		if dateCell != nil {
			if _, ok := r.dates.date(dateCell, clockCell); ok {
				r.basis = event.BasisLocal
			}
		}
	}
	switch {
	case clockCell == nil:
		return
	case r.basis == event.BasisTimeOfDay:
		t, ok := r.times.read(clockCell)
		if !ok {
			row.bad = fmt.Sprintf("the time %q can't be read", clip(clockCell))
			return
		}
		row.clock, row.t = r.times.prev.ns, t
	default:
		c, ok := r.times.clock(clockCell)
		if !ok || c.noHour {
			row.bad = fmt.Sprintf("the time %q can't be read", clip(clockCell))
			return
		}
		r.times.seen = true
		d, ok := r.dates.date(dateCell, clockCell)
		if !ok {
			row.bad = fmt.Sprintf("the date %q can't be read", clip(dateCell))
			return
		}
		row.clock, row.t = c.ns, d+c.ns
	}
	row.timed = true
}

// steps holds what is known of steps of the clock: daylight saving begins or ends, or a capture pauses over midnights.
type steps struct {
	known bool
	base  int64 // the time at which Relative Time is 0; without that column, the row's time before
	shift int64 // how far the clock is off since its last step
	told  bool
}

// follow puts a row's time right by its Relative Time, which no change of the clock moves.
func (r *csvReader) follow(row *csvRow, cell []byte) {
	rel, ok := relative(cell)
	if !ok {
		return
	}
	s := &r.steps
	if !s.known {
		s.base, s.known = row.t-rel, true
		return
	}
	const unit = 30 * minute // no clock steps by less
	off := s.base + rel - row.t
	if -2*second < off && off < 2*second {
		s.shift = 0
		return
	}
	shift := (off + unit/2) / unit * unit
	if off < -unit/2 {
		shift = (off - unit/2) / unit * unit
	}
	if shift == 0 || off-shift > 2*second || shift-off > 2*second {
		return
	}
	if shift != s.shift && !s.told {
		s.told = true
		r.notes = append(r.notes, fmt.Sprintf("in line %d the clock steps by %s against Relative Time (daylight saving, or a pause over midnight): times follow Relative Time, as if it had not",
			row.line, time.Duration(-shift)))
	}
	s.shift = shift
	row.t += shift
}

// watch notes a fall by an hour that nothing in the file explains.
func (r *csvReader) watch(row *csvRow) {
	s := &r.steps
	if fell := s.base - row.t; s.known && !s.told && fell > 55*minute && fell <= hour+second && !r.times.hourless {
		s.told = true
		r.notes = append(r.notes, fmt.Sprintf("in line %d the time falls by an hour: daylight saving ended, or two captures stand in one file. Times are left as they are; the column Relative Time, or a PML, would show which",
			row.line))
	}
	s.base, s.known = row.t, true
}

// relative reads a Relative Time, 00:00:09.4121402, whose hours go on beyond 24.
func relative(b []byte) (ns int64, ok bool) {
	var n [3]int64
	i := 0
	for k := range n {
		from := i
		for ; i < len(b) && isDigit(b[i]) && i-from < 7; i++ {
			n[k] = n[k]*10 + int64(b[i]-'0')
		}
		if i == from || k < 2 && (i == len(b) || b[i] != ':' && b[i] != '.') {
			return 0, false
		}
		if k < 2 {
			i++
		}
	}
	if i < len(b) && (b[i] == '.' || b[i] == ',') {
		f, _, used := fraction(b[i+1:])
		ns = f
		i += 1 + used
	}
	return ns + n[0]*hour + n[1]*minute + n[2]*second, i == len(b)
}
