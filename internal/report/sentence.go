package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"culprit/internal/attrib"
	"culprit/internal/format/list"
)

// ListText says what a list holds: 11 ranges, 704 addresses.
func ListText(l *list.List) string {
	c := l.Count()
	var parts []string
	if c.Ranges > 0 {
		s := Several(c.Ranges, "range")
		if c.Ranges6 > 0 {
			s += fmt.Sprintf(" (%s of IPv6)", Count(c.Ranges6))
		}
		parts = append(parts, s)
	}
	switch {
	case c.Ranges > c.Ranges6 && c.Singles > 0:
		parts = append(parts, Several(c.Singles, "single address"), Several(c.Addresses, "address")+" in all")
	case c.Ranges > c.Ranges6:
		parts = append(parts, Several(c.Addresses, "address"))
	case c.Singles > 0:
		parts = append(parts, Several(c.Singles, "address"))
	}
	if c.Names > 0 {
		parts = append(parts, Several(c.Names, "name"))
	}
	return strings.Join(parts, ", ")
}

// target is what the list is called in a sentence: these 11 ranges, 10.0.5.13.
func target(l *list.List, counted bool) string {
	if len(l.Entries) == 1 {
		return Plain(l.Entries[0].Text)
	}
	c := l.Count()
	n, noun := len(l.Entries), "entry"
	switch n {
	case c.Ranges:
		noun = "range"
	case c.Singles:
		noun = "address"
	case c.Names:
		noun = "name"
	}
	many := Several(n, noun)
	if !counted {
		_, many, _ = strings.Cut(many, " ")
	}
	return "these " + many
}

// Conclusion says in one or a few sentences who it was.
func (a *Answers) Conclusion() []string {
	if len(a.Matches) == 0 {
		return nil
	}
	total, to := len(a.Matches), a.connectionsTo()
	alone, torn := a.split()
	var out []string
	switch {
	case len(alone) == 1 && alone[0].flows == total:
		out = append(out, a.single(total, to))
	case len(alone) > 0:
		out = append(out, a.severally(alone, to))
	}
	if torn.flows == 1 {
		out = append(out, fmt.Sprintf("1 connection %s fits %s: see why with --explain.", to, strings.Join(torn.names, " or ")))
	} else if torn.flows > 1 {
		out = append(out, fmt.Sprintf("%s %s fit more than one process each (%s): see why with --explain.", Several(torn.flows, "connection"), to, few(torn.names)))
	}
	for _, u := range a.Unattributed {
		out = append(out, fmt.Sprintf("%s not attributed: %s.", Several(len(u.Matches), "connection"), strings.TrimSuffix(Plain(u.Reason), ".")))
	}
	return out
}

// share is the flows that a sentence gives to processes.
type share struct {
	names []string
	flows int
	level attrib.Level // the lowest
}

// split gives what each process made alone, in the order of the answers, and what more than one could have made.
func (a *Answers) split() (alone []share, torn share) {
	shared := map[int]bool{}
	for i := range a.Answers {
		p := &a.Answers[i]
		s := share{names: []string{Plain(processText(p.Process))}, level: attrib.Certain}
		for _, m := range p.Matches {
			c := culprit(&a.Result.Flows[m.Flow], m.End)
			if len(suspects(c)) > 1 {
				shared[m.Flow] = true
				if !slices.Contains(torn.names, s.names[0]) {
					torn.names = append(torn.names, s.names[0])
				}
				continue
			}
			s.flows++
			s.level = min(s.level, c.Level)
		}
		if s.flows > 0 {
			alone = append(alone, s)
		}
	}
	torn.flows = len(shared)
	return alone, torn
}

// connectionsTo is how the connections lie to the list: to it, from it, or both.
func (a *Answers) connectionsTo() string {
	in := 0
	for _, m := range a.Matches {
		in += m.End
	}
	switch in {
	case 0:
		return "to " + target(a.List, false)
	case len(a.Matches):
		return "from " + target(a.List, false)
	}
	return "with " + target(a.List, false)
}

func (a *Answers) verb() string {
	in := 0
	for _, m := range a.Matches {
		in += m.End
	}
	switch in {
	case 0:
		return "made"
	case len(a.Matches):
		return "accepted"
	}
	return "made or accepted"
}

func (a *Answers) single(total int, to string) string {
	subject, be := fmt.Sprintf("All %s connections %s", Count(total), to), "were"
	switch total {
	case 1:
		subject, be = "The connection "+to, "was"
	case 2:
		subject = "Both connections " + to
	}
	who := Plain(processText(a.Answers[0].Process))
	switch a.Answers[0].Level() {
	case attrib.Certain:
		return fmt.Sprintf("%s %s %s by %s.", subject, be, a.verb(), who)
	case attrib.Likely:
		return fmt.Sprintf("%s %s most likely %s by %s.", subject, be, a.verb(), who)
	}
	return fmt.Sprintf("%s could have been %s by %s; see why with --explain.", subject, a.verb(), who)
}

// maxNamed is how many processes a sentence names.
const maxNamed = 3

func (a *Answers) severally(alone []share, to string) string {
	slices.SortStableFunc(alone, func(x, y share) int { return cmp.Compare(y.flows, x.flows) })
	named := 0
	for _, s := range alone {
		named += s.flows
	}
	var parts []string
	left := named
	for i, s := range alone {
		if i == maxNamed && len(alone) > maxNamed+1 {
			parts = append(parts, fmt.Sprintf("%s by %s others", Count(left), Count(len(alone)-i)))
			break
		}
		left -= s.flows
		part := fmt.Sprintf("%s by %s", Count(s.flows), s.names[0])
		if s.level < attrib.Certain {
			part += " (" + s.level.String() + ")"
		}
		parts = append(parts, part)
	}
	if len(parts) == 1 {
		return fmt.Sprintf("%s %s: %s %s.", Several(named, "connection"), to, a.verb(), strings.TrimPrefix(parts[0], Count(named)+" "))
	}
	return fmt.Sprintf("%s %s: %s.", Several(named, "connection"), to, strings.Join(parts, ", "))
}

// few joins names, not too many of them.
func few(names []string) string {
	if len(names) > maxNamed+1 {
		names = append(slices.Clone(names[:maxNamed]), fmt.Sprintf("%s others", Count(len(names)-maxNamed)))
	}
	return strings.Join(names, ", ")
}

// NoMatch says that no connection was meant by the list, and what there was instead.
func (a *Answers) NoMatch(captures []string) string {
	where := "in the input"
	switch {
	case len(captures) == 1:
		where = "in " + Plain(captures[0])
	case len(captures) > 1:
		where = "in " + Several(len(captures), "file")
	}
	seen := fmt.Sprintf("%s, %s", Several(a.Connections, "connection"), Several(len(a.Seen), "address"))
	if c := a.List.Count(); c.Names > 0 {
		seen += fmt.Sprintf(", %s", Several(a.SeenNames, "name"))
	}
	s := fmt.Sprintf("no connection %s goes to %s (%s seen", where, target(a.List, true), seen)
	if near, ok := a.List.Nearest(remote(a.Seen, a.Result)); ok {
		s += "; nearest address seen: " + near.String()
	}
	return s + ")"
}

// remote leaves out the addresses that connections were only ever opened from.
func remote(seen []netip.Addr, res *attrib.Result) []netip.Addr {
	dst := map[netip.Addr]bool{}
	for i := range res.Flows {
		dst[res.Flows[i].Destination.Addr()] = true
	}
	return slices.DeleteFunc(slices.Clone(seen), func(a netip.Addr) bool { return !dst[a] })
}

// Captures are the sources that hold flows.
func Captures(res *attrib.Result) []string {
	var all []string
	for i := range res.Flows {
		if s := res.Flows[i].Cite.Source; !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
