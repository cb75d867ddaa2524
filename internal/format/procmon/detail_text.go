package procmon

import (
	"strconv"

	"culprit/internal/event"
)

// A detailWriter writes the Detail of one event, `Key: value, Key: value`, and puts each value as its own field beside it. It
// lives in the reader and is used for one event after the other: nothing is allocated.
type detailWriter struct {
	b    *event.Batch
	want *event.Set
	text []byte
}

// key begins a key and gives where its value begins.
func (t *detailWriter) key(name string) int {
	if len(t.text) > 0 {
		t.text = append(t.text, ", "...)
	}
	t.text = append(t.text, name...)
	t.text = append(t.text, ": "...)
	return len(t.text)
}

// keep puts what was written since from as a field; nothing if it is empty.
func (t *detailWriter) keep(f event.Field, from int) {
	if from < len(t.text) && t.want.Has(f) {
		t.b.PutStr(f, t.text[from:])
	}
}

func (t *detailWriter) str(name string, f event.Field, v string) {
	t.key(name)
	t.text = append(t.text, v...)
	if v != "" && t.want.Has(f) {
		t.b.PutText(f, v)
	}
}

func (t *detailWriter) bool(name string, f event.Field, v bool) {
	if v {
		t.str(name, f, "True")
	} else {
		t.str(name, f, "False")
	}
}

// count writes a number with commas between thousands.
func (t *detailWriter) count(name string, f event.Field, v int64) {
	t.key(name)
	t.text = appendGrouped(t.text, v)
	t.long(f, v)
}

// plain writes a number without commas.
func (t *detailWriter) plain(name string, f event.Field, v int64) {
	t.key(name)
	t.text = strconv.AppendInt(t.text, v, 10)
	t.long(f, v)
}

func (t *detailWriter) long(f event.Field, v int64) {
	if t.want.Has(f) {
		t.b.PutInt(f, v)
	}
}

func (t *detailWriter) hex(name string, f event.Field, v uint64) {
	at := t.key(name)
	t.text = strconv.AppendUint(append(t.text, "0x"...), v, 16)
	t.keep(f, at)
}

// time writes a FILETIME in UTC. Windows' beginning of time, 1601, and what can't be a time have text but no field.
func (t *detailWriter) time(name string, f event.Field, filetime uint64) {
	t.key(name)
	t.text = appendFileTime(t.text, filetime)
	if t.want.Has(f) {
		if ns, ok := pmlTime(filetime); ok {
			t.b.PutTime(f, ns)
		}
	}
}

// seconds writes a time in 100 ns as seconds.
func (t *detailWriter) seconds(name string, f event.Field, ticks uint64, unit string) {
	at := t.key(name)
	t.text = appendSeconds(t.text, ticks)
	t.keep(f, at)
	t.text = append(t.text, unit...)
}

func (t *detailWriter) flags(name string, f event.Field, v uint32, names []flagName) {
	at := t.key(name)
	t.text = appendFlags(t.text, v, names, ", ")
	t.keep(f, at)
}

// wide writes UTF-16.
func (t *detailWriter) wide(name string, f event.Field, v []byte) {
	at := t.key(name)
	t.text = appendUTF16(t.text, v)
	t.keep(f, at)
}

func (t *detailWriter) driver(name string, f event.Field, v pmlText) {
	at := t.key(name)
	t.text = v.append(t.text)
	t.keep(f, at)
}

// A flagName is a set of bits with its name. In a table the first that fits wins, and takes its bits away from the rest.
type flagName struct {
	bits uint32
	name string
}

// appendFlags appends the names of the bits of v, and what has no name as a number.
func appendFlags(dst []byte, v uint32, names []flagName, sep string) []byte {
	dst, rest := appendKnownFlags(dst, v, names, sep)
	if rest == 0 {
		return dst
	}
	if rest != v {
		dst = append(dst, sep...)
	}
	return strconv.AppendUint(append(dst, "0x"...), uint64(rest), 16)
}

// appendKnownFlags appends the names of the bits of v and gives the bits that have none.
func appendKnownFlags(dst []byte, v uint32, names []flagName, sep string) (text []byte, rest uint32) {
	first := true
	for i := range names {
		if n := &names[i]; v&n.bits == n.bits {
			if !first {
				dst = append(dst, sep...)
			}
			first = false
			dst = append(dst, n.name...)
			if v &^= n.bits; v == 0 {
				break
			}
		}
	}
	return dst, v
}

// appendSeconds appends a time in 100 ns as seconds.
func appendSeconds(dst []byte, t uint64) []byte {
	dst = strconv.AppendUint(dst, t/1e7, 10)
	return appendFraction(append(dst, '.'), t%1e7)
}

// appendFraction appends seven digits.
func appendFraction(dst []byte, v uint64) []byte {
	var d [7]byte
	for i := len(d) - 1; i >= 0; i-- {
		d[i] = '0' + byte(v%10)
		v /= 10
	}
	return append(dst, d[:]...)
}

// appendGrouped appends a number with commas between thousands, as Process Monitor does on an English system.
func appendGrouped(dst []byte, v int64) []byte {
	u := uint64(v)
	if v < 0 {
		dst, u = append(dst, '-'), -u
	}
	if u < 1000 {
		return strconv.AppendUint(dst, u, 10)
	}
	var d [26]byte
	i := len(d)
	for n := 0; u > 0; n++ {
		if n > 0 && n%3 == 0 {
			i--
			d[i] = ','
		}
		i--
		d[i] = '0' + byte(u%10)
		u /= 10
	}
	return append(dst, d[i:]...)
}

// appendFileTime appends a FILETIME as English Windows writes date and time: 7/13/2009 8:31:09 PM. Windows refuses times
// with the sign bit; they are written as a number here.
func appendFileTime(dst []byte, filetime uint64) []byte {
	if filetime > 1<<63-1 {
		return strconv.AppendUint(append(dst, "0x"...), filetime, 16)
	}
	seconds := filetime / 1e7
	days, second := seconds/86400, seconds%86400
	y, m, d := civil(days)
	dst = strconv.AppendUint(dst, m, 10)
	dst = strconv.AppendUint(append(dst, '/'), d, 10)
	dst = strconv.AppendUint(append(dst, '/'), y, 10)
	hour := second / 3600
	half := byte('A')
	if hour >= 12 {
		half = 'P'
	}
	dst = strconv.AppendUint(append(dst, ' '), (hour+11)%12+1, 10)
	dst = appendTwo(append(dst, ':'), second/60%60)
	dst = appendTwo(append(dst, ':'), second%60)
	return append(dst, ' ', half, 'M')
}

func appendTwo(dst []byte, v uint64) []byte { return append(dst, '0'+byte(v/10), '0'+byte(v%10)) }

// civil gives the date of a day counted from 1601-01-01, which begins a cycle of 400 years. Counted from March a year's
// months follow one formula, and February with its leap day comes last.
func civil(days uint64) (year, month, day uint64) {
	days += 306 // from 1600-03-01
	era, days := days/146097, days%146097
	y := (days - days/1460 + days/36524 - days/146096) / 365
	days -= 365*y + y/4 - y/100
	m := (5*days + 2) / 153
	day = days - (153*m+2)/5 + 1
	year = 1600 + 400*era + y
	if m < 10 {
		return year, m + 3, day
	}
	return year + 1, m - 9, day
}
