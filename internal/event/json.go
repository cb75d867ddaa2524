package event

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A placed field is a field with the way to it through the objects of a document, the steps as JSON keys: `"process":`.
type placed struct {
	f    Field
	path []string
}

// nesting lists the fields so that those of one object stand together, as JSON wants them. Built once, never written again.
var nesting = func() []placed {
	var order []placed
	for f := Field(1); f < NumFields; f++ {
		order = append(order, placed{f, strings.Split(f.String(), ".")})
	}
	slices.SortFunc(order, func(a, b placed) int { return slices.Compare(a.path, b.path) })
	for _, p := range order {
		for i, step := range p.path {
			p.path[i] = string(AppendQuoted(nil, step)) + ":"
		}
	}
	return order
}()

// AppendJSON appends event i as one ECS document: objects nested, null fields left out, log.file.path included. Fields
// outside the vocabulary follow under their own, undivided names.
func (b *Batch) AppendJSON(dst []byte, i int) []byte {
	dst = append(dst, '{')
	var open []string // names of the objects begun
	for _, n := range b.nested() {
		if n.f != LogFilePath && !b.cols[n.f].Valid(i) {
			continue
		}
		parents := n.path[:len(n.path)-1]
		same := 0
		for same < len(open) && same < len(parents) && open[same] == parents[same] {
			same++
		}
		for range len(open) - same {
			dst = append(dst, '}')
		}
		for _, p := range parents[same:] {
			dst = append(comma(dst), p...)
			dst = append(dst, '{')
		}
		open = parents
		dst = append(comma(dst), n.path[len(n.path)-1]...)
		dst = b.AppendValue(dst, n.f, i)
	}
	for range open {
		dst = append(dst, '}')
	}
	for name, v := range b.Extras(i) {
		dst = AppendQuoted(comma(dst), name)
		dst = AppendQuoted(append(dst, ':'), string(v))
	}
	return append(dst, '}')
}

// nested gives the fields that some event of the batch has, in the order of nesting.
func (b *Batch) nested() []*placed {
	if len(b.order) > 0 && b.ordered == len(b.used) {
		return b.order
	}
	b.order, b.ordered = b.order[:0], len(b.used)
	for i := range nesting {
		if f := nesting[i].f; f == LogFilePath && b.Source != "" || b.cols[f] != nil && b.cols[f].used {
			b.order = append(b.order, &nesting[i])
		}
	}
	return b.order
}

func comma(dst []byte) []byte {
	if c := dst[len(dst)-1]; c != '{' && c != '[' && c != ':' {
		dst = append(dst, ',')
	}
	return dst
}

// AppendValue appends the value of f of event i as JSON, null when it has none.
func (b *Batch) AppendValue(dst []byte, f Field, i int) []byte {
	c := b.cols[f]
	if f == LogFilePath {
		return AppendQuoted(dst, b.Source)
	}
	if !c.Valid(i) {
		return append(dst, "null"...)
	}
	switch f.Type() {
	case Keyword:
		return AppendQuoted(dst, c.Str(i))
	case Long:
		return strconv.AppendInt(dst, c.Int(i), 10)
	case Date:
		return append(AppendTime(append(dst, '"'), c.Int(i)), '"')
	case IP:
		return append(c.Addr(i).AppendTo(append(dst, '"')), '"')
	}
	dst = append(dst, '[')
	switch f.Type() {
	case Keywords:
		for v := range c.Strs(i) {
			dst = AppendQuoted(comma(dst), v)
		}
	case Longs:
		for v := range c.Ints(i) {
			dst = strconv.AppendInt(comma(dst), v, 10)
		}
	case IPs:
		for v := range c.Addrs(i) {
			dst = append(v.AppendTo(append(comma(dst), '"')), '"')
		}
	}
	return append(dst, ']')
}

// AppendTime appends a time given in nanoseconds since 1970 UTC as ECS wants it: RFC 3339, nine decimals.
func AppendTime(dst []byte, ns int64) []byte {
	t := time.Unix(0, ns).UTC()
	y, m, d := t.Date()
	if y < 0 || y > 9999 {
		return t.AppendFormat(dst, "2006-01-02T15:04:05.000000000Z")
	}
	dst = append(appendPadded(dst, y, 4), '-')
	dst = append(appendPadded(dst, int(m), 2), '-')
	dst = append(appendPadded(dst, d, 2), 'T')
	dst = append(appendPadded(dst, t.Hour(), 2), ':')
	dst = append(appendPadded(dst, t.Minute(), 2), ':')
	dst = append(appendPadded(dst, t.Second(), 2), '.')
	return append(appendPadded(dst, t.Nanosecond(), 9), 'Z')
}

// appendPadded appends a number with leading zeros.
func appendPadded(dst []byte, v, width int) []byte {
	from := len(dst)
	dst = append(dst, "000000000"[:width]...)
	for i := from + width - 1; i >= from; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}

// AppendQuoted appends s as a JSON string. Bytes that are no UTF-8 become U+FFFD; control characters, also the C1 ones and
// those that turn the direction of text, are escaped, so that the result can be shown on a terminal.
func AppendQuoted[T []byte | string](dst []byte, v T) []byte {
	const hex = "0123456789abcdef"
	s := string(v)
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		plain := i
		for i < len(s) && s[i] >= ' ' && s[i] < 0x7f && s[i] != '"' && s[i] != '\\' {
			i++
		}
		if dst = append(dst, s[plain:i]...); i == len(s) {
			break
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case Unprintable(r):
			dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// Unprintable says whether a rune does something to a terminal or a line of text rather than being shown: C0, DEL, C1, line
// separators, direction marks and zero-width characters. All of them are in the Basic Multilingual Plane.
func Unprintable(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0, r == 0xad, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e,
		r >= 0x2060 && r <= 0x206f, r == 0xfeff, r == 0x061c:
		return true
	}
	return false
}
