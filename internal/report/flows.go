package report

import (
	"cmp"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"culprit/internal/attrib"
	"culprit/internal/format/list"
)

// Select gives the flows that l means and whose process has a name like the pattern, in the order of time; nil and "" leave
// all. Repeats, flows that another capture holds too, are left out and counted.
func Select(res *attrib.Result, l *list.List, process string) (which []int, repeats int) {
	process = strings.ToLower(process)
	for i := range res.Flows {
		f := &res.Flows[i]
		if l != nil {
			if _, ok := match(f, l); !ok {
				continue
			}
		}
		if process != "" && !by(&f.Culprit, process) && !by(&f.Peer, process) {
			continue
		}
		if f.SameAs >= 0 {
			repeats++
			continue
		}
		which = append(which, i)
	}
	slices.SortStableFunc(which, func(a, b int) int { return cmp.Compare(res.Flows[a].Start, res.Flows[b].Start) })
	return which, repeats
}

// by says whether a process the culprit stands for is called like the pattern, .exe or not.
func by(c *attrib.Culprit, pattern string) bool {
	if c.Level == attrib.Unknown {
		return false
	}
	return slices.ContainsFunc(suspects(c), func(p *attrib.Process) bool {
		name := strings.ToLower(p.Name)
		whole, err := path.Match(pattern, name)
		if err != nil {
			return false
		}
		bare, _ := path.Match(pattern, strings.TrimSuffix(name, ".exe"))
		return whole || bare
	})
}

// Points are the times of flows.
func Points(res *attrib.Result, which []int) []int64 {
	var all []int64
	for _, i := range which {
		all = append(all, res.Flows[i].Start, res.Flows[i].End)
	}
	return all
}

// WriteInputs writes what each input holds as rows.
func WriteInputs(w io.Writer, ins []Input, s Style) error {
	rows := NewRows(w, s.Form, []Column{
		{"path", "FILE", false},
		{"format", "FORMAT", false},
		{"events", "EVENTS", true},
		{"packets", "PACKETS", true},
		{"span", "TIME", false},
		{"bad", "BAD", true},
	})
	rows.Title = "What the files hold"
	for i := range ins {
		in := &ins[i]
		if in.Format == "" && s.Form == Table {
			continue // its error is told by itself
		}
		packets := Cell{}
		if in.Packets > 0 {
			packets = number(in.Packets)
		}
		span := Cell{Text: in.span(s.Times), Value: nothing}
		if span.Text != "" {
			span.Value = in.time(in.First) + "/" + in.time(in.Last)
		}
		if err := rows.Add(Cell{Text: in.Path}, Cell{Text: in.Format}, number(in.Events), packets, span, number(in.Bad)); err != nil {
			return err
		}
	}
	return rows.Close()
}

func number(n int64) Cell { return Cell{Text: Count(n), Value: strconv.FormatInt(n, 10)} }
