package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"culprit/internal/attrib"
	"culprit/internal/doctor"
)

// A Diagnosis is a doctor's report with what else is told of its files.
type Diagnosis struct {
	*doctor.Report
	Session Session // its Inputs are the report's files, in their order
}

// What a card shows of each, at most.
const (
	maxHolds = 10
	maxHosts = 4
)

// Write writes the diagnosis: cards for a table, else a finding a row.
func (d *Diagnosis) Write(w io.Writer, s Style) error {
	switch s.Form {
	case Table:
		return d.cards(w, s)
	case JSON:
		return d.writeJSON(w)
	}
	return d.rows(w, s)
}

// each goes through the findings: those of every file, then those of all together, whose file is "".
func (d *Diagnosis) each(f func(file string, x *doctor.Finding) error) error {
	for i := range d.Files {
		for j := range d.Files[i].Findings {
			if err := f(d.Files[i].Path, &d.Files[i].Findings[j]); err != nil {
				return err
			}
		}
	}
	for j := range d.Findings {
		if err := f("", &d.Findings[j]); err != nil {
			return err
		}
	}
	return nil
}

func (d *Diagnosis) rows(w io.Writer, s Style) error {
	rows := NewRows(w, s.Form, []Column{
		{"file", "FILE", false}, {"severity", "SEVERITY", false}, {"code", "CODE", false}, {"finding", "FINDING", false}, {"remedy", "REMEDY", false},
	})
	rows.Title, rows.Color = "What the recordings lack", s.Color
	err := d.each(func(file string, x *doctor.Finding) error {
		cell := Cell{Text: file}
		if file == "" && s.Form.ForPeople() {
			cell.Text = "together"
		}
		return rows.Add(cell, Cell{Text: x.Severity.String(), Level: painted(x.Severity), Paint: true}, Cell{Text: x.Code}, Cell{Text: x.Text}, Cell{Text: x.Remedy})
	})
	if err != nil {
		return err
	}
	return rows.Close()
}

// painted gives a severity the colour of a level: what is missing that of unknown.
func painted(s doctor.Severity) attrib.Level {
	return [...]attrib.Level{doctor.Info: attrib.Certain, doctor.Warning: attrib.Possible, doctor.Missing: attrib.Unknown}[s]
}

// cards writes a block for each file and one for all together, as a person reads it.
func (d *Diagnosis) cards(w io.Writer, s Style) error {
	out := bufio.NewWriter(w)
	line := func(format string, args ...any) { fmt.Fprintln(out, Plain(fmt.Sprintf(format, args...))) }
	for i := range d.Files {
		if i > 0 {
			line("")
		}
		f, in := &d.Files[i], &d.Session.Inputs[i]
		head := []string{f.Path, f.Format, in.amount(), in.span(s.Times)}
		if f.Format == "" {
			head = head[:1]
		}
		line("%s", strings.Join(nonEmpty(head), "  "))
		if f.Events > 0 {
			line("  holds    %s", holdsText(f))
		}
		if len(f.Hosts) > 0 {
			line("  host     %s", hostsText(f.Hosts))
		}
		findings(line, f.Findings)
	}
	if len(d.Files) > 0 {
		line("")
	}
	line("together")
	for _, l := range clockLines(d.Result.Clocks) {
		line("  %-8s %s", l[0], strings.Join(l[1:], "  "))
	}
	line("  flows    %s", d.FlowsText())
	findings(line, d.Findings)
	return out.Flush()
}

func findings(line func(string, ...any), all []doctor.Finding) {
	for i := range all {
		f := &all[i]
		line("  %-8s %s", f.Severity, f.Text)
		if f.Remedy != "" {
			line("           -> %s", f.Remedy)
		}
	}
}

func nonEmpty(all []string) []string {
	var out []string
	for _, s := range all {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func holdsText(f *doctor.File) string {
	var parts []string
	for i, c := range f.Holds {
		if i == maxHolds && len(f.Holds) > maxHolds+1 {
			parts = append(parts, fmt.Sprintf("and %d kinds more", len(f.Holds)-i))
			break
		}
		parts = append(parts, c.What+" ("+Count(c.N)+")")
	}
	return strings.Join(parts, ", ")
}

func hostsText(hosts []string) string {
	if len(hosts) > maxHosts+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(hosts[:maxHosts], ", "), len(hosts)-maxHosts)
	}
	return strings.Join(hosts, ", ")
}

// FlowsText counts the flows by level.
func (d *Diagnosis) FlowsText() string {
	if d.Flows == 0 {
		return "no connection"
	}
	var parts []string
	for l := attrib.Certain; ; l-- {
		if n := d.Levels[l]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", Count(n), l))
		}
		if l == attrib.Unknown {
			break
		}
	}
	return Several(d.Flows, "connection") + ": " + strings.Join(parts, ", ")
}

// Verdict says in a sentence how things stand.
func (d *Diagnosis) Verdict() string {
	missing, warnings := d.Count(doctor.Missing), d.Count(doctor.Warning)
	switch {
	case missing+warnings == 0:
		return "Nothing is missing."
	case missing == 0:
		return "Nothing is missing; " + Several(warnings, "warning") + "."
	case warnings == 0:
		return Several(missing, "thing") + " missing."
	}
	return fmt.Sprintf("%s missing, %s.", Several(missing, "thing"), Several(warnings, "warning"))
}

func (d *Diagnosis) writeJSON(w io.Writer) error {
	var o object
	o.must("schema", "culprit.doctor/1")
	o.raw("inputs", array(len(d.Files), func(i int) []byte {
		f := &d.Files[i]
		return []byte(strings.TrimSuffix(string(d.Session.Inputs[i].json()), "}") + "," + strings.TrimPrefix(string(fileJSON(f)), "{"))
	}))
	var t object
	t.raw("clocks", clocksJSON(d.Result.Clocks))
	t.number("flows", int64(d.Flows))
	var levels object
	for l := attrib.Certain; ; l-- {
		levels.number(l.String(), int64(d.Levels[l]))
		if l == attrib.Unknown {
			break
		}
	}
	t.raw("levels", levels.end())
	t.raw("reasons", array(len(d.Reasons), func(i int) []byte {
		r := &d.Reasons[i]
		var o object
		o.must("rule", r.Rule)
		o.must("level", r.Level.String())
		o.number("flows", int64(r.N))
		o.text("reason", r.Text)
		return o.end()
	}))
	t.raw("findings", findingsJSON(d.Findings))
	o.raw("together", t.end())
	o.raw("warnings", texts(d.Session.Warnings))
	return indented(w, o.end())
}

func fileJSON(f *doctor.File) []byte {
	var o object
	o.raw("hosts", texts(f.Hosts))
	o.raw("holds", array(len(f.Holds), func(i int) []byte {
		var c object
		c.must("what", f.Holds[i].What)
		c.number("events", f.Holds[i].N)
		return c.end()
	}))
	o.raw("findings", findingsJSON(f.Findings))
	return o.end()
}

func findingsJSON(all []doctor.Finding) []byte {
	return array(len(all), func(i int) []byte {
		var o object
		o.must("severity", all[i].Severity.String())
		o.must("code", all[i].Code)
		o.must("text", all[i].Text)
		o.text("remedy", all[i].Remedy)
		return o.end()
	})
}
