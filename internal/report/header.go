package report

import (
	"fmt"
	"io"
	"math"
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
	switch in.Basis {
	case event.BasisUTC, "":
		zone = " " + t.Name()
	case event.BasisTimeOfDay:
		t.Date = false
	}
	local := zone == ""
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

// time writes a time of the input for programs: a time of day has no date, a local time no zone.
func (in *Input) time(ns int64) string {
	switch in.Basis {
	case event.BasisTimeOfDay:
		return time.Unix(0, ns).UTC().Format("15:04:05.000000000")
	case event.BasisLocal:
		return timeValue(ns, true)
	}
	return stamp(ns)
}

// maxClocks is how many clocks the heading tells of.
const maxClocks = 5

// Heading writes, before an answer, what it rests on: the inputs, the lists, the clocks.
func Heading(w io.Writer, inputs []Input, l *list.List, clocks []attrib.Clock, t Times) error {
	var lines [][]string
	for i := range inputs {
		in := &inputs[i]
		if in.Format == "" {
			continue // its error is told by itself
		}
		lines = append(lines, []string{in.Path, in.Format, in.amount(), in.span(t), seconds(in.Took)})
	}
	if l != nil {
		for i, n := range l.Sources {
			if i == 0 {
				lines = append(lines, []string{listName(l, n), ListText(l)})
			}
		}
	}
	for i := range clocks {
		if i == maxClocks && len(clocks) > maxClocks+1 {
			lines = append(lines, []string{"", fmt.Sprintf("and %d clocks more: -o json lists them", len(clocks)-i)})
			break
		}
		lines = append(lines, []string{"clock", ClockText(&clocks[i])})
	}
	return Aligned(w, lines, 2, 4)
}

func listName(l *list.List, first string) string {
	if len(l.Sources) > 1 {
		return Several(len(l.Sources), "list")
	}
	return first
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// ClockText says how a source's clock was matched to a capture's.
func ClockText(c *attrib.Clock) string {
	who := c.Provider
	if c.Host != "" && who != "" {
		who = c.Host + " (" + who + ")"
	} else if who == "" {
		who = c.Source
	}
	if c.Support == 0 && !c.Given {
		return fmt.Sprintf("%s could not be matched to %s: %s share endpoints, none agree in time", who, c.Capture, Several(c.Pairs, "pair"))
	}
	s := who + " "
	switch c.Basis {
	case event.BasisTimeOfDay:
		s += "has no date or zone: matched to the capture as " + zoneText(c)
	case event.BasisLocal:
		s += "has no zone: matched to the capture as " + zoneText(c)
	default:
		s += offsetText(c.Offset)
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

func offsetText(d time.Duration) string {
	switch {
	case d.Abs() < time.Millisecond:
		return "agrees with the capture's clock"
	case d > 0:
		return Span(d) + " behind the capture's clock"
	}
	return Span(d) + " ahead of the capture's clock"
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
