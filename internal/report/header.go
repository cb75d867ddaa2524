package report

import (
	"fmt"
	"io"
	"math"
	"path"
	"path/filepath"
	"slices"
	"time"

	"culprit/internal/attrib"
	"culprit/internal/event"
	"culprit/internal/format/list"
)

// An Input is what became of one file.
type Input struct {
	Path        string
	Format      string // "" when no format claims it
	Events      int64
	Packets     int64 // of a capture, whose events are flows and names
	First, Last int64
	Basis       string
	Bad         int64 // records that could not be used
	Notes       []string
	Err         string
	Took        time.Duration
}

func (in *Input) amount() string {
	if in.Packets > 0 {
		return Several(in.Packets, "packet")
	}
	return Several(in.Events, "event")
}

// span writes when an input's events were, and in what time if that is known.
func (in *Input) span(t Times) string {
	if in.First == 0 && in.Last == 0 {
		return ""
	}
	zone := ""
	if in.Basis == event.BasisUTC {
		zone = " " + t.Name()
	}
	local := zone == ""
	t.Date = t.Date && !in.TimeOfDay()
	from, to := t.in(in.First, local), t.in(in.Last, local)
	layout := "15:04:05"
	if t.Date {
		layout = "2006-01-02 15:04:05"
	}
	last := to.Format(layout)
	if t.Date && from.Format(time.DateOnly) == to.Format(time.DateOnly) {
		last = to.Format("15:04:05")
	}
	return from.Format(layout) + " - " + last + zone
}

// TimeOfDay says whether the input's times have no date. A reader that met nothing to attribute doesn't say: then a time
// within the first days of 1970 has none.
func (in *Input) TimeOfDay() bool {
	return in.Basis == event.BasisTimeOfDay || in.Basis == "" && dateless(in.Last)
}

// time writes a time of the input for programs: a time of day has no date, a local time no zone.
func (in *Input) time(ns int64) string {
	if ns == 0 && in.TimeOfDay() {
		return "00:00:00.000000000"
	}
	return timeValue(ns, in.Basis != event.BasisUTC)
}

// What the heading tells of one by one, at most, and how wide the names before the list and the clocks are.
const (
	maxInputs = 20
	maxClocks = 5
	maxLabel  = 30
)

// Heading writes, before an answer, what it rests on: the inputs, the lists, the clocks.
func Heading(w io.Writer, inputs []Input, l *list.List, clocks []attrib.Clock, t Times) error {
	var lines [][]string
	var events int64
	label, left := len("clock"), 0
	for i := range inputs {
		in := &inputs[i]
		switch {
		case in.Format == "": // its error is told by itself
		case len(lines) >= maxInputs:
			left++
			events += in.Events
		default:
			lines = append(lines, []string{in.Path, in.Format, in.amount(), in.span(t), seconds(in.Took)})
			label = max(label, Width(Plain(in.Path)))
		}
	}
	if err := Aligned(w, lines, 2, 4); err != nil {
		return err
	}
	lines = nil
	if left > 0 {
		lines = append(lines, []string{fmt.Sprintf("and %s more", Several(left, "file")), Several(events, "event")})
	}
	if l != nil {
		lines = append(lines, []string{listName(l), ListText(l)})
	}
	lines = append(lines, clockLines(clocks)...)
	if len(lines) == 0 {
		return nil
	}
	lines[0][0] = fmt.Sprintf("%-*s", min(label, maxLabel), Plain(lines[0][0]))
	return Aligned(w, lines)
}

func clockLines(clocks []attrib.Clock) [][]string {
	several := slices.ContainsFunc(clocks, func(c attrib.Clock) bool { return c.Capture != clocks[0].Capture })
	var lines [][]string
	for i := range clocks {
		if i == maxClocks && len(clocks) > maxClocks+1 {
			return append(lines, []string{"", fmt.Sprintf("and %d clocks more: -o json lists them", len(clocks)-i)})
		}
		capture := "the capture"
		if several {
			capture = path.Base(filepath.ToSlash(clocks[i].Capture))
		}
		lines = append(lines, []string{"clock", ClockText(&clocks[i], capture)})
	}
	return lines
}

func listName(l *list.List) string {
	if len(l.Sources) == 1 {
		return l.Sources[0]
	}
	return Several(len(l.Sources), "list")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// ClockText says how a source's clock was matched to a capture's; capture is what that is called.
func ClockText(c *attrib.Clock, capture string) string {
	who := c.Provider
	if c.Host != "" && who != "" {
		who = c.Host + " (" + who + ")"
	} else if who == "" {
		who = c.Source
	}
	if c.Support == 0 && !c.Given {
		return fmt.Sprintf("%s could not be matched to %s: %s share endpoints, none agree in time", who, capture, Several(c.Pairs, "pair"))
	}
	s := who + " "
	switch c.Basis {
	case event.BasisTimeOfDay:
		s += "has no date or zone: matched to " + capture + " as " + zoneText(c)
	case event.BasisLocal:
		s += "has no zone: matched to " + capture + " as " + zoneText(c)
	default:
		s += offsetText(c.Offset, capture)
	}
	if perHour := time.Duration(c.Drift * float64(time.Hour)); perHour.Abs() >= time.Millisecond {
		s += fmt.Sprintf(", drifting %s an hour", signed(perHour))
	}
	switch {
	case c.Given && c.Support == 0:
		return s + " (given)"
	case c.Weak:
		return s + fmt.Sprintf(" (only %s of %s agree: no answer that rests on it is certain)", Count(c.Support), Several(c.Pairs, "flow"))
	}
	return s + fmt.Sprintf(" (%s of %s agree)", Count(c.Support), Several(c.Pairs, "flow"))
}

func zoneText(c *attrib.Clock) string {
	if c.Zone == "" {
		return "local time " + signed(c.Offset)
	}
	return c.Zone + ", " + signed(c.Offset)
}

func offsetText(d time.Duration, capture string) string {
	switch {
	case d.Abs() < time.Millisecond:
		return "agrees with " + capture + "'s clock"
	case d > 0:
		return Span(d) + " behind " + capture + "'s clock"
	}
	return Span(d) + " ahead of " + capture + "'s clock"
}

func signed(d time.Duration) string {
	sign := "+"
	if d < 0 {
		sign = "-"
	}
	if d.Abs() < 10*time.Second && d.Abs() >= time.Millisecond {
		return fmt.Sprintf("%s%s ms", sign, Count(int64(math.Round(float64(d.Abs())/1e6))))
	}
	return sign + Span(d)
}
