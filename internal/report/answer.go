package report

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"time"

	"culprit/internal/attrib"
)

// A Style says how answers look.
type Style struct {
	Form  Form
	Times Times
	Color bool
}

// Write writes the answers as rows: a process a row, with what it has to do with. With explain, Markdown and HTML hold the
// cards of Explain too.
func (a *Answers) Write(w io.Writer, s Style, explain bool) error {
	if len(a.Answers) == 0 && s.Form == Table {
		return nil
	}
	hosts := a.hosts() || !s.Form.ForPeople()
	cols := []Column{
		{"process.name", "PROCESS", false},
		{"process.pid", "PID", true},
		{"host.name", "HOST", false},
		{"connections", "CONNECTIONS", true},
		{"bytes.sent", "SENT", true},
		{"bytes.received", "RECEIVED", true},
		{"first", "FIRST", false},
		{"last", "LAST", false},
		{"culprit.level", "CONFIDENCE", false},
	}
	if !s.Form.ForPeople() {
		cols = append(cols, Column{"process.executable", "", false}, Column{"process.entity_id", "", false}, Column{"user.name", "", false})
	}
	if !hosts {
		cols = append(cols[:2], cols[3:]...)
	}
	rows := NewRows(w, s.Form, cols)
	rows.Title, rows.Color = "Who made these connections", s.Color
	if explain {
		var err error
		if rows.Tail, err = a.cards(s); err != nil {
			return err
		}
	}
	for i := range a.Answers {
		cells := a.Answers[i].cells(s)
		if !hosts {
			cells = append(cells[:2], cells[3:]...)
		}
		if err := rows.Add(cells[:len(cols)]...); err != nil {
			return err
		}
	}
	return rows.Close()
}

func (a *Answer) cells(s Style) []Cell {
	p := a.Process
	return []Cell{
		{Text: processName(p)},
		{Text: pid(p.PID)},
		{Text: p.Host},
		{Text: Count(len(a.Matches)), Value: strconv.Itoa(len(a.Matches))},
		sizeCell(a.Sent, a.Sized), sizeCell(a.Received, a.Sized),
		timeCell(s.Times, a.First, a.Local), timeCell(s.Times, a.Last, a.Local),
		{Text: a.Confidence(), Value: a.Level().String(), Level: a.Level(), Paint: true},
		{Text: p.Executable},
		{Text: p.EntityID},
		{Text: p.User},
	}
}

func processName(p *attrib.Process) string {
	if p.Name == "" {
		return "(no name)"
	}
	return p.Name
}

func pid(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func sizeCell(n int64, known bool) Cell {
	if !known {
		return Cell{Text: "-", Value: nothing}
	}
	return Cell{Text: Size(n), Value: strconv.FormatInt(n, 10)}
}

func timeCell(t Times, ns int64, local bool) Cell {
	text := t.Milli(ns, local)
	if local && text != "" {
		text += " local"
	}
	return Cell{Text: text, Value: timeValue(ns, local)}
}

// timeValue is a time for programs; a local one has no Z, one of day no date.
func timeValue(ns int64, local bool) string {
	switch {
	case ns != 0 && local && dateless(ns):
		return time.Unix(0, ns).UTC().Format("15:04:05.000000000")
	case ns != 0 && local:
		return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000")
	}
	return stamp(ns)
}

// WriteFlows writes the flows with these indices, with their culprits, as rows.
func WriteFlows(w io.Writer, res *attrib.Result, which []int, s Style) error {
	hosts := !s.Form.ForPeople() || flowHosts(res, which)
	cols := []Column{
		{"event.start", "START", false},
		{"event.end", "END", false},
		{"network.transport", "PROTO", false},
		{"source", "SOURCE", false},
		{"destination", "DESTINATION", false},
		{"name", "NAME", false},
		{"source.bytes", "SENT", true},
		{"destination.bytes", "RECEIVED", true},
		{"host.name", "HOST", false},
		{"process.name", "PROCESS", false},
		{"process.pid", "PID", true},
		{"culprit.level", "CONFIDENCE", false},
		{"culprit.rule", "RULE", false},
	}
	const hostCol = 8
	if !s.Form.ForPeople() {
		cols = append(cols, Column{"culprit.end", "", false}, Column{"culprit.reason", "", false}, Column{"network.community_id", "", false}, Column{"log.file.path", "", false}, Column{"culprit.record", "", true})
	}
	if !hosts {
		cols = append(cols[:hostCol], cols[hostCol+1:]...)
	}
	rows := NewRows(w, s.Form, cols)
	rows.Title, rows.Color = "Connections and who made them", s.Color
	for _, i := range which {
		cells := flowCells(&res.Flows[i], s)
		if !hosts {
			cells = append(cells[:hostCol], cells[hostCol+1:]...)
		}
		if err := rows.Add(cells[:len(cols)]...); err != nil {
			return err
		}
	}
	return rows.Close()
}

func flowHosts(res *attrib.Result, which []int) bool {
	host := ""
	for _, i := range which {
		p := culprit(&res.Flows[i], Told(&res.Flows[i])).Process
		if p != nil && p.Host != "" && host != "" && p.Host != host {
			return true
		}
		if p != nil && p.Host != "" {
			host = p.Host
		}
	}
	return false
}

// Told is the end of a flow whose process is known better: 0 the source's, 1 the destination's; the source's when equal.
func Told(f *attrib.Flow) int {
	if f.Peer.Level > f.Culprit.Level {
		return 1
	}
	return 0
}

func flowCells(f *attrib.Flow, s Style) []Cell {
	end := Told(f)
	c := culprit(f, end)
	who, id, host := "", "", ""
	for i, p := range suspects(c) {
		if i > 0 {
			who, id = who+" or ", id+" or "
		}
		who, id, host = who+processName(p), id+pid(p.PID), p.Host
	}
	name := bestName(f)
	return []Cell{
		timeCell(s.Times, f.Start, f.LocalTime), timeCell(s.Times, f.End, f.LocalTime),
		{Text: f.Transport},
		{Text: endpoint(f.Source, f.SourceName)},
		{Text: endpoint(f.Destination, f.DestName)},
		{Text: name},
		sizeCell(f.Bytes[0], sized(f)), sizeCell(f.Bytes[1], sized(f)),
		{Text: host},
		{Text: who + accepted(c, end), Value: cmp.Or(who, nothing)},
		{Text: id},
		{Text: c.Level.String(), Level: c.Level, Paint: true},
		{Text: c.Rule},
		{Text: endName(end)},
		{Text: c.Reason},
		{Text: f.CommunityID},
		{Text: f.Cite.Source},
		{Text: strconv.FormatInt(f.Cite.Record, 10)},
	}
}

// accepted marks a process that did not open the flow.
func accepted(c *attrib.Culprit, end int) string {
	if end == 1 && c.Level > attrib.Unknown {
		return " (accepted)"
	}
	return ""
}

func endName(end int) string { return [...]string{"source", "destination"}[end] }

// bestName is the name that says most of a flow's far end: what the program asked for, before what an address is called.
func bestName(f *attrib.Flow) string {
	best, rank := f.DestName, 0
	for i := range f.Names {
		n := &f.Names[i]
		r := map[string]int{"sni": 5, "http": 4, "dns": 3, "sysmon": 3, "nrb": 2}[n.From] + 1
		if r > rank {
			best, rank = n.Value, r
		}
	}
	return best
}

// Documents writes the flows with these indices as ECS documents, each beginning on a line of its own.
func Documents(w io.Writer, res *attrib.Result, which []int) error {
	var d documents
	var out []byte
	for _, i := range which {
		out = append(d.append(out[:0], &res.Flows[i], Told(&res.Flows[i])), '\n')
		if _, err := w.Write(out); err != nil {
			return fmt.Errorf("flow %d: %w", i, err)
		}
	}
	return nil
}
