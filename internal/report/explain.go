package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"culprit/internal/attrib"
)

// Explain writes a card a flow: what the list meant, what the far end is called, which process it was and on what records
// that rests.
func (a *Answers) Explain(w io.Writer, s Style) error {
	for i := range a.Matches {
		f := &a.Result.Flows[a.Matches[i].Flow]
		c := a.card(&a.Matches[i], f, s)
		c.title = fmt.Sprintf("%d/%d  %s", i+1, len(a.Matches), c.title)
		if i > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if err := c.write(w, s); err != nil {
			return err
		}
	}
	return nil
}

// cards are all cards as a part of a Markdown or HTML answer.
func (a *Answers) cards(s Style) (string, error) {
	var b strings.Builder
	s.Color = false
	if err := a.Explain(&b, s); err != nil {
		return "", err
	}
	if s.Form == HTML {
		return "<pre>" + htmlLines(b.String()) + "</pre>\n", nil
	}
	return "\n" + indentCode(b.String()), nil
}

// A card is the explanation of one flow: lines of a label, a text and a place.
type card struct {
	title string
	lines [][3]string
	level attrib.Level
}

func (c *card) add(label, text, where string) {
	c.lines = append(c.lines, [3]string{label, text, where})
}

func (a *Answers) card(m *Match, f *attrib.Flow, s Style) *card {
	c := &card{title: cardTitle(m, f, s)}
	if m.Entry != nil {
		where := m.Entry.Source
		if m.Entry.Line > 0 {
			where = fmt.Sprintf("%s:%d", m.Entry.Source, m.Entry.Line)
		}
		c.add("matched", m.Entry.Text, where)
	}
	c.names(f)
	k := culprit(f, m.End)
	c.level = k.Level
	c.process(k)
	if torn(k) {
		c.candidates(f, k)
	} else {
		c.because(f, k, m.End)
	}
	c.add(k.Level.String(), ruleText(k), "")
	return c
}

func cardTitle(m *Match, f *attrib.Flow, s Style) string {
	t := fmt.Sprintf("%s -> %s %s", endpoint(f.Source, f.SourceName), endpoint(f.Destination, f.DestName), f.Transport)
	from, to := timeCell(s.Times, f.Start, f.LocalTime).Text, timeCell(s.Times, f.End, f.LocalTime).Text
	t = strings.TrimSpace(t) + "   " + from + " - " + to
	if sized(f) {
		t += fmt.Sprintf("   %s out, %s in", Size(f.Bytes[m.End]), Size(f.Bytes[1-m.End]))
	}
	return t
}

// namedBy says in words where a name came from.
var namedBy = map[string]string{
	"sni": "TLS SNI", "http": "HTTP Host", "dns": "DNS answer", "ptr": "reverse DNS", "mdns": "multicast DNS", "nrb": "capture's name table",
	"procmon": "Procmon Path", "sysmon": "Sysmon DNS query", "hosts": "Procmon's host table",
}

func (c *card) names(f *attrib.Flow) {
	type named struct{ value, from string }
	var all []named
	for i := range f.Names {
		n := &f.Names[i]
		by := n.From
		if t := namedBy[by]; t != "" {
			by = t
		}
		if n.Cite.Source == f.Cite.Source && f.First > 0 {
			by += ", packet " + Count(n.Cite.Record)
		} else {
			by += ", " + citeText(n.Cite)
		}
		j := slices.IndexFunc(all, func(o named) bool { return strings.EqualFold(o.value, n.Value) })
		if j < 0 {
			all = append(all, named{n.Value, by})
			continue
		}
		all[j].from += "; " + by
	}
	label := "named"
	for _, n := range all {
		c.add(label, n.value, n.from)
		label = ""
	}
}

func (c *card) process(k *attrib.Culprit) {
	p := k.Process
	if p == nil || k.Level == attrib.Unknown || torn(k) {
		return
	}
	text := processName(p)
	if p.PID != 0 {
		text += fmt.Sprintf("  pid %d", p.PID)
	}
	where := p.Executable
	if where == "" {
		where = "image path: no record gives it"
		if p.Host == "" { // a Procmon CSV, nearly always
			where += " (in Procmon add the Image Path column, or save as PML)"
		}
	}
	c.add("process", text, where)
	if p.Command != "" {
		c.add("", p.Command, "")
	}
	var by []string
	if p.Host != "" {
		by = append(by, "on "+p.Host)
	}
	if p.User != "" {
		by = append(by, "as "+p.User)
	}
	if p.Parent != "" {
		by = append(by, "child of "+processText(&attrib.Process{Name: p.Parent, PID: p.ParentPID}))
	}
	if len(by) > 0 {
		c.add("", strings.Join(by, ", "), "")
	}
}

func (c *card) because(f *attrib.Flow, k *attrib.Culprit, end int) {
	if len(k.Why) == 0 {
		return
	}
	local := [2]uint16{f.Source.Port(), f.Destination.Port()}[end]
	first := fmt.Sprintf("%s of this process with local port %d", Several(k.Count, "record"), local)
	if n := f.Packets[0] + f.Packets[1]; n > 0 {
		first += fmt.Sprintf(", %s", Several(n, "packet"))
	}
	c.add("because", first, packets(f))
	c.evidence(k.Why)
	if more := k.Count - len(k.Why); more > 0 {
		c.add("", fmt.Sprintf("and %s more", Several(more, "record")), "")
	}
}

// packets points at a flow's packets, or at the record it is known from.
func packets(f *attrib.Flow) string {
	switch {
	case f.First > 0 && f.Last > f.First:
		return fmt.Sprintf("%s, packets %s to %s", f.Cite.Source, Count(f.First), Count(f.Last))
	case f.First > 0:
		return fmt.Sprintf("%s, packet %s", f.Cite.Source, Count(f.First))
	}
	return citeText(f.Cite)
}

func (c *card) evidence(why []attrib.Evidence) {
	for i := range why {
		e := &why[i]
		text := e.Action
		if e.Length >= 0 {
			text += ", " + Several(e.Length, "byte")
		}
		if e.On != 0 {
			text += ", " + delta(e.Delta)
		}
		c.add("", text, citeText(e.Cite))
	}
}

func (c *card) candidates(f *attrib.Flow, k *attrib.Culprit) {
	for i := range k.Candidates {
		cand := &k.Candidates[i]
		if cand.Process == nil {
			continue
		}
		label := "or"
		if i == 0 {
			label = "either"
		}
		c.add(label, candidateText(cand), cand.Process.Executable)
		c.evidence(cand.Why)
	}
}

// ruleText says in words what a rule proves.
func ruleText(k *attrib.Culprit) string {
	parts := []string{rules[k.Rule], k.Reason}
	if k.Reason != "" && (k.Level == attrib.Unknown || k.Rule == attrib.RuleSeveral) {
		parts = parts[1:] // the reason says it better
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.TrimSuffix("rule "+k.Rule+": "+strings.Join(parts, "; "), ": ")
}

var rules = map[string]string{
	attrib.RuleTuple:      "both addresses and ports + time + sole owner",
	attrib.RulePeerName:   "ports + time + peer's name + sole owner",
	attrib.RuleLengths:    "ports + time + sole owner + the same bytes both ways",
	attrib.RuleHost:       "the host's own record of the connection",
	attrib.RulePorts:      "ports + time + sole owner",
	attrib.RuleWeakClock:  "both addresses and ports, on a clock with little support",
	attrib.RuleBind:       "it bound the local port just before, and nobody else did",
	attrib.RuleEndpoint:   "the only process seen on this local address and port around that time",
	attrib.RuleLate:       "both addresses and ports, within the connection's life, but not when it opened",
	attrib.RuleRunnerUp:   "it fits, but another's record lies too near to be ruled out",
	attrib.RuleGoesOn:     "the connection went on after a silence: same endpoints, no new SYN",
	attrib.RuleSeveral:    "several processes fit",
	attrib.RuleNoClock:    "both addresses and ports, but the clocks can't be compared",
	attrib.RuleFaint:      "ports alone",
	attrib.RuleGuess:      "the capture's own guess, and nothing else",
	attrib.RuleNoHost:     "no host recording",
	attrib.RuleOutside:    "outside the host's recording",
	attrib.RuleUnrecorded: "the host's recording has nothing on it",
	attrib.RuleForeign:    "no recorded host",
	attrib.RuleUnsolved:   "the clocks can't be compared",
}

// write writes a card, its places under each other.
func (c *card) write(w io.Writer, s Style) error {
	var b strings.Builder
	b.WriteString(Plain(c.title) + "\n")
	width := 0
	for _, l := range c.lines {
		if n := Width(Plain(l[1])); l[2] != "" && n <= 76 {
			width = max(width, n)
		}
	}
	for i, l := range c.lines {
		label := fmt.Sprintf("%-9s", l[0])
		if s.Color && i == len(c.lines)-1 {
			label = paint(c.level, label)
		}
		text := Plain(l[1])
		if l[2] != "" {
			text += strings.Repeat(" ", max(0, width-Width(text))) + "  " + Plain(l[2])
		}
		b.WriteString(strings.TrimRight("     "+label+"  "+text, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
