package report

import (
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
	var out []string
	switch named := a.named(); {
	case len(a.Answers) == 1 && named == total:
		out = append(out, a.single(total, to))
	case named > 0 && a.apart():
		out = append(out, a.severally(named, to))
	case named > 0:
		out = append(out, fmt.Sprintf("%s %s: %s.", Several(named, "connection"), to, a.either()))
	}
	for _, u := range a.Unattributed {
		out = append(out, fmt.Sprintf("%s not attributed: %s.", Several(len(u.Matches), "connection"), strings.TrimSuffix(Plain(u.Reason), ".")))
	}
	return out
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

// named counts the flows somebody is named for.
func (a *Answers) named() int {
	n := len(a.Matches)
	for _, u := range a.Unattributed {
		n -= len(u.Matches)
	}
	return n
}

// apart says whether every flow has one process only.
func (a *Answers) apart() bool {
	n := 0
	for i := range a.Answers {
		n += len(a.Answers[i].Matches)
	}
	return n == a.named()
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

func (a *Answers) severally(named int, to string) string {
	var parts []string
	for i := range a.Answers {
		p := &a.Answers[i]
		if i == maxNamed && len(a.Answers) > maxNamed+1 {
			rest := 0
			for _, q := range a.Answers[i:] {
				rest += len(q.Matches)
			}
			parts = append(parts, fmt.Sprintf("%s by %s others", Count(rest), Count(len(a.Answers)-i)))
			break
		}
		part := fmt.Sprintf("%s by %s", Count(len(p.Matches)), Plain(processText(p.Process)))
		if l := p.Level(); l < attrib.Certain {
			part += " (" + l.String() + ")"
		}
		parts = append(parts, part)
	}
	if len(parts) == 1 {
		return fmt.Sprintf("%s %s: %s %s.", Several(named, "connection"), to, a.verb(), strings.TrimPrefix(parts[0], Count(named)+" "))
	}
	return fmt.Sprintf("%s %s: %s.", Several(named, "connection"), to, strings.Join(parts, ", "))
}

// either is for flows that more than one process could have made.
func (a *Answers) either() string {
	var names []string
	for i := range a.Answers {
		if n := Plain(processText(a.Answers[i].Process)); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) > maxNamed {
		names = append(names[:maxNamed], fmt.Sprintf("%s others", Count(len(names)-maxNamed)))
	}
	return "the evidence fits more than one process (" + strings.Join(names, ", ") + "); see why with --explain"
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
