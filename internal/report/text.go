package report

import (
	"fmt"
	"html"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"culprit/internal/event"
)

// Plain makes text from a log fit for one line of a terminal: whatever would do something rather than be shown is written as
// an escape, \u001b for ESC.
func Plain(s string) string {
	if ascii(s) || utf8.ValidString(s) && strings.IndexFunc(s, event.Unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case event.Unprintable(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// ascii says whether s is printable ASCII alone, as nearly every text is.
func ascii(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// Width is how many columns of a terminal plain text takes: combining marks none, East Asian wide characters two.
func Width(s string) int {
	if ascii(s) {
		return len(s)
	}
	n := 0
	for _, r := range s {
		switch {
		case r < 0x300:
			n++
		case unicode.In(r, unicode.Mn, unicode.Me):
		case wide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

func wide(r rune) bool {
	return r >= 0x1100 && r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff ||
		r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd
}

// csvField writes v as a field of CSV. A text that a spreadsheet would take for a formula gets an apostrophe in front.
func csvField(v string, number bool) string {
	v = defuse(Plain(v), number)
	if strings.ContainsAny(v, "\",") || strings.TrimSpace(v) != v {
		return `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
	}
	return v
}

// tsvField writes v as a field of TSV; Plain has taken its tabs and line ends.
func tsvField(v string, number bool) string { return defuse(Plain(v), number) }

func defuse(v string, number bool) string {
	if !number && v != "" && strings.IndexByte("=+-@", v[0]) >= 0 {
		return "'" + v
	}
	return v
}

var markdown = strings.NewReplacer(`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `<`, `&lt;`, `>`, `&gt;`, `&`, `&amp;`, `|`, `\|`, `~`, `\~`)

func mdField(v string) string { return markdown.Replace(Plain(v)) }

func htmlField(v string) string { return html.EscapeString(Plain(v)) }

// Count writes a number with thousands separators.
func Count[T int | int64 | uint64](n T) string {
	s := fmt.Sprint(n)
	from := 0
	if s[0] == '-' {
		from = 1
	}
	for i := len(s) - 3; i > from; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Several writes a number and its noun: 1 flow, 2 flows.
func Several[T int | int64 | uint64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if s, ok := strings.CutSuffix(noun, "s"); ok {
		return Count(n) + " " + s + "ses"
	}
	if s, ok := strings.CutSuffix(noun, "ry"); ok {
		return Count(n) + " " + s + "ries"
	}
	return Count(n) + " " + noun + "s"
}

// Size writes bytes for people: 62.1 KB, in units of 1,024.
func Size(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, unit := float64(n), 0
	for v >= 999.5 && unit < 5 {
		v /= 1024
		unit++
	}
	s := strconv.FormatFloat(v, 'f', 1, 64)
	if v >= 99.95 || strings.HasSuffix(s, ".0") {
		s = strconv.FormatFloat(v, 'f', 0, 64)
	}
	return s + " " + [...]string{"B", "KB", "MB", "GB", "TB", "PB"}[unit]
}

// Span writes a duration for people, two or three digits of it: 12 ms, 1.4 s, 11 min 3 s, 2 d 4 h.
func Span(d time.Duration) string {
	d = d.Abs()
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return strconv.FormatFloat(float64(d.Milliseconds()/100)/10, 'f', -1, 64) + " s"
	case d < time.Hour:
		return two(int(d.Minutes()), "min", int(d.Seconds())%60, "s")
	case d < 48*time.Hour:
		return two(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	}
	return two(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
}

func two(a int, unitA string, b int, unitB string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, unitA)
	}
	return fmt.Sprintf("%d %s %d %s", a, unitA, b, unitB)
}

// Times says how points in time are shown to people.
type Times struct {
	Zone *time.Location // nil: UTC
	Date bool           // the data spans more than a day
}

// dateless says whether a time is one of day: before a date is known it is written as if on 1970-01-01, or some midnights later.
func dateless(ns int64) bool { return ns < int64(8*24*time.Hour) }

// TimesFor shows dates only when the points given lie more than a day apart, or not all on one day of the zone.
func TimesFor(zone *time.Location, points ...int64) Times {
	t := Times{Zone: zone}
	first, last := int64(0), int64(0)
	for _, p := range points {
		switch {
		case dateless(p):
		case first == 0:
			first, last = p, p
		default:
			first, last = min(first, p), max(last, p)
		}
	}
	t.Date = last-first > int64(24*time.Hour)
	return t
}

func (t Times) in(ns int64, local bool) time.Time {
	at := time.Unix(0, ns).UTC()
	if t.Zone != nil && !local {
		at = at.In(t.Zone)
	}
	return at
}

// Milli writes a time to the millisecond; "" for none. A local one, whose zone is not known, is written as it is.
func (t Times) Milli(ns int64, local bool) string { return t.write(ns, local, "15:04:05.000") }

// Micro writes a time to the microsecond.
func (t Times) Micro(ns int64, local bool) string { return t.write(ns, local, "15:04:05.000000") }

// Second writes a time to the second.
func (t Times) Second(ns int64, local bool) string { return t.write(ns, local, "15:04:05") }

func (t Times) write(ns int64, local bool, layout string) string {
	if ns == 0 {
		return ""
	}
	if t.Date && !dateless(ns) {
		layout = "2006-01-02 " + layout
	}
	return t.in(ns, local).Format(layout)
}

// Name is what the times are in: UTC, -04:00, Europe/Berlin.
func (t Times) Name() string {
	if t.Zone == nil {
		return "UTC"
	}
	return t.Zone.String()
}

// stamp is a time for programs.
func stamp(ns int64) string {
	if ns == 0 {
		return ""
	}
	return string(event.AppendTime(nil, ns))
}
