package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"culprit/internal/attrib"
	"culprit/internal/event"
)

// A Session is what every answer in JSON tells of itself: what it rests on.
type Session struct {
	Inputs   []Input
	Warnings []string
}

// object writes a JSON object member by member. encoding/json would let through what turns a terminal's text around.
type object struct{ b []byte }

func (o *object) key(k string) {
	switch {
	case len(o.b) == 0:
		o.b = append(o.b, '{')
	case o.b[len(o.b)-1] != '{':
		o.b = append(o.b, ',')
	}
	o.b = append(event.AppendQuoted(o.b, k), ':')
}

func (o *object) raw(k string, v []byte)   { o.key(k); o.b = append(o.b, v...) }
func (o *object) must(k, v string)         { o.key(k); o.b = event.AppendQuoted(o.b, v) }
func (o *object) number(k string, v int64) { o.key(k); o.b = strconv.AppendInt(o.b, v, 10) }

// text and time put a member unless there is nothing to say.
func (o *object) text(k, v string) {
	if v != "" {
		o.must(k, v)
	}
}

func (o *object) end() []byte {
	if len(o.b) == 0 {
		return []byte("{}")
	}
	return append(o.b, '}')
}

// array writes the elements that f gives.
func array(n int, f func(int) []byte) []byte {
	out := []byte{'['}
	for i := range n {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, f(i)...)
	}
	return append(out, ']')
}

func texts(all []string) []byte {
	return array(len(all), func(i int) []byte { return event.AppendQuoted(nil, all[i]) })
}

func (in *Input) json() []byte {
	var o object
	o.must("path", in.Path)
	o.text("format", in.Format)
	o.number("events", in.Events)
	if in.Packets > 0 {
		o.number("packets", in.Packets)
	}
	if in.First != 0 || in.Last != 0 {
		o.must("first", in.time(in.First))
		o.must("last", in.time(in.Last))
	}
	o.text("time_basis", in.Basis)
	o.number("bad", in.Bad)
	if len(in.Notes) > 0 {
		o.raw("notes", texts(in.Notes))
	}
	o.text("error", in.Err)
	return o.end()
}

func (s *Session) inputs() []byte {
	return array(len(s.Inputs), func(i int) []byte { return s.Inputs[i].json() })
}

func clocksJSON(all []attrib.Clock) []byte {
	return array(len(all), func(i int) []byte {
		c := &all[i]
		var o object
		o.text("capture", c.Capture)
		o.text("host", c.Host)
		o.text("source", c.Source)
		o.text("provider", c.Provider)
		o.text("time_basis", c.Basis)
		o.text("zone", c.Zone)
		o.number("offset_ns", int64(c.Offset))
		o.raw("drift", strconv.AppendFloat(nil, c.Drift, 'g', 6, 64))
		o.number("support", int64(c.Support))
		o.number("pairs", int64(c.Pairs))
		o.number("residual_ns", int64(c.Residual))
		o.raw("weak", strconv.AppendBool(nil, c.Weak))
		o.raw("given", strconv.AppendBool(nil, c.Given))
		o.must("text", ClockText(c, "the capture"))
		return o.end()
	})
}

func processJSON(p *attrib.Process) []byte {
	var o object
	o.must("name", p.Name)
	if p.PID != 0 {
		o.number("pid", p.PID)
	}
	o.text("executable", p.Executable)
	o.text("command_line", p.Command)
	o.text("entity_id", p.EntityID)
	o.text("user", p.User)
	if p.Parent != "" || p.ParentPID != 0 {
		var parent object
		parent.text("name", p.Parent)
		if p.ParentPID != 0 {
			parent.number("pid", p.ParentPID)
		}
		o.raw("parent", parent.end())
	}
	return o.end()
}

// json gives an answer; with its flows' documents if they are asked for.
func (a *Answer) json(res *attrib.Result, explain bool) []byte {
	var o object
	o.raw("process", processJSON(a.Process))
	o.text("host", a.Process.Host)
	o.must("level", a.Level().String())
	var levels object
	for l := attrib.Certain; l >= attrib.Possible; l-- {
		if a.Levels[l] > 0 {
			levels.number(l.String(), int64(a.Levels[l]))
		}
	}
	o.raw("levels", levels.end())
	rules := a.rules(res)
	o.must("rule", rules[len(rules)-1])
	o.raw("rules", texts(rules))
	o.number("flows", int64(len(a.Matches)))
	if a.Sized {
		var b object
		b.number("sent", a.Sent)
		b.number("received", a.Received)
		o.raw("bytes", b.end())
	}
	o.text("first", timeValue(a.First, a.Local))
	o.text("last", timeValue(a.Last, a.Local))
	if explain {
		o.raw("connections", connections(res, a.Matches))
	}
	return o.end()
}

// rules are the rules that decided on an answer's flows, those of the highest level first.
func (a *Answer) rules(res *attrib.Result) []string {
	level := map[string]attrib.Level{}
	for _, m := range a.Matches {
		c := culprit(&res.Flows[m.Flow], m.End)
		level[c.Rule] = c.Level
	}
	return slices.SortedFunc(maps.Keys(level), func(x, y string) int {
		return cmp.Or(cmp.Compare(level[y], level[x]), cmp.Compare(x, y))
	})
}

func connections(res *attrib.Result, all []Match) []byte {
	var d documents
	return array(len(all), func(i int) []byte { return d.append(nil, &res.Flows[all[i].Flow], all[i].End) })
}

func (u *Unattributed) json(res *attrib.Result, explain bool) []byte {
	var o object
	o.must("rule", u.Rule)
	o.must("reason", u.Reason)
	o.number("flows", int64(len(u.Matches)))
	if explain {
		o.raw("connections", connections(res, u.Matches))
	}
	return o.end()
}

// WriteJSON writes the answers as one object (JSON) or an answer a line (NDJSON). With explain every answer holds its flows
// as ECS documents, with the records that decided.
func (a *Answers) WriteJSON(w io.Writer, form Form, s *Session, explain bool) error {
	if form == NDJSON {
		for i := range a.Answers {
			if _, err := w.Write(append(a.Answers[i].json(a.Result, explain), '\n')); err != nil {
				return err
			}
		}
		return nil
	}
	var o object
	o.must("schema", "culprit.who/1")
	o.raw("inputs", s.inputs())
	o.raw("list", a.listJSON())
	o.raw("clocks", clocksJSON(a.Result.Clocks))
	o.raw("answers", array(len(a.Answers), func(i int) []byte { return a.Answers[i].json(a.Result, explain) }))
	o.raw("unattributed", array(len(a.Unattributed), func(i int) []byte { return a.Unattributed[i].json(a.Result, explain) }))
	o.raw("warnings", texts(s.Warnings))
	return indented(w, o.end())
}

func (a *Answers) listJSON() []byte {
	c := a.List.Count()
	var o object
	o.raw("sources", texts(a.List.Sources))
	o.number("ranges", int64(c.Ranges))
	o.number("single_addresses", int64(c.Singles))
	o.number("names", int64(c.Names))
	o.number("ipv4_addresses", int64(c.Addresses))
	o.number("bad", int64(len(a.List.Bad)))
	return o.end()
}

// WriteFlowsJSON writes the flows with these indices as ECS documents: in one object (JSON) or one a line (NDJSON).
func WriteFlowsJSON(w io.Writer, form Form, res *attrib.Result, which []int, s *Session) error {
	if form == NDJSON {
		return Documents(w, res, which)
	}
	var d documents
	var o object
	o.must("schema", "culprit.flows/1")
	o.raw("inputs", s.inputs())
	o.raw("clocks", clocksJSON(res.Clocks))
	o.raw("flows", array(len(which), func(i int) []byte { f := &res.Flows[which[i]]; return d.append(nil, f, Told(f)) }))
	o.raw("warnings", texts(s.Warnings))
	return indented(w, o.end())
}

// WriteInputsJSON writes what each input holds, as one object or a line each.
func WriteInputsJSON(w io.Writer, form Form, s *Session) error {
	if form == NDJSON {
		for i := range s.Inputs {
			if _, err := w.Write(append(s.Inputs[i].json(), '\n')); err != nil {
				return err
			}
		}
		return nil
	}
	var o object
	o.must("schema", "culprit.inputs/1")
	o.raw("inputs", s.inputs())
	o.raw("warnings", texts(s.Warnings))
	return indented(w, o.end())
}

func indented(w io.Writer, doc []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, doc, "", "  "); err != nil {
		return fmt.Errorf("report: wrote JSON that is none: %w", err)
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}
