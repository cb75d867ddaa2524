// Package report turns what attribution found into answers, and writes them for people and for programs.
//
// Everything written is escaped for where it goes: text from a log can be anything an attacker likes.
package report

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"culprit/internal/attrib"
	"culprit/internal/format/list"
)

// A Match is a flow that the list means, seen from the end whose process is asked for.
type Match struct {
	Flow  int         // index in Result.Flows
	End   int         // 0: the list means the far end of an opened connection; 1: of an accepted one
	Entry *list.Entry // what matched; nil when there was no list
	Name  *attrib.Name
}

// An Answer is a process and the flows it is the culprit of.
type Answer struct {
	Process        *attrib.Process
	Matches        []Match
	Levels         [attrib.Certain + 1]int // flows by level
	Sent, Received int64
	Sized          bool // some flow told its bytes
	First, Last    int64
	Local          bool // First and Last are in a local time whose zone is not known
}

// Level is the lowest of the flows' levels.
func (a *Answer) Level() attrib.Level {
	for l := attrib.Possible; l < attrib.Certain; l++ {
		if a.Levels[l] > 0 {
			return l
		}
	}
	return attrib.Certain
}

// Confidence is the level in words, with the flows' numbers where they differ: certain (4), likely (1).
func (a *Answer) Confidence() string {
	var parts []string
	for l := attrib.Certain; l >= attrib.Possible; l-- {
		if n := a.Levels[l]; n == len(a.Matches) {
			return l.String()
		} else if n > 0 {
			parts = append(parts, l.String()+" ("+Count(n)+")")
		}
	}
	return strings.Join(parts, ", ")
}

// Unattributed is flows for which nobody can be named, all for the same reason.
type Unattributed struct {
	Rule, Reason string
	Matches      []Match
}

// Answers is who made the connections that a list means.
type Answers struct {
	Result       *attrib.Result
	List         *list.List
	Matches      []Match // in the order of time
	Answers      []Answer
	Unattributed []Unattributed

	Connections int // looked at, repeats left out
	NamedOnly   int // those of which only a name is known, so that a list of addresses couldn't match; 0 when there is a capture
	Seen        []netip.Addr
	SeenNames   int
}

// Who finds the flows whose far end l means and groups them by the process that made them. A flow that another capture holds
// too counts once.
func Who(res *attrib.Result, l *list.List) *Answers {
	a := &Answers{Result: res, List: l}
	seen := map[netip.Addr]struct{}{}
	names := map[string]struct{}{}
	captured := false
	for i := range res.Flows {
		f := &res.Flows[i]
		if f.SameAs >= 0 {
			continue
		}
		a.Connections++
		captured = captured || !f.Recorded
		for _, addr := range []netip.Addr{f.Source.Addr(), f.Destination.Addr()} {
			if addr.IsValid() {
				seen[addr] = struct{}{}
			}
		}
		for n := range namesOf(f) {
			names[n] = struct{}{}
		}
		if m, ok := match(f, l); ok {
			m.Flow = i
			a.Matches = append(a.Matches, m)
		} else if !f.Destination.Addr().IsValid() && f.DestName != "" {
			a.NamedOnly++
		}
	}
	if c := l.Count(); c.Ranges+c.Singles == 0 || captured {
		a.NamedOnly = 0
	}
	for addr := range seen {
		a.Seen = append(a.Seen, addr)
	}
	slices.SortFunc(a.Seen, netip.Addr.Compare)
	a.SeenNames = len(names)
	slices.SortStableFunc(a.Matches, func(x, y Match) int { return cmp.Compare(res.Flows[x.Flow].Start, res.Flows[y.Flow].Start) })
	a.group()
	return a
}

// namesOf gives the names known for a flow's ends; the attrib.Name is nil for those that a record gave instead of an address.
func namesOf(f *attrib.Flow) map[string]*attrib.Name {
	all := make(map[string]*attrib.Name, len(f.Names)+2)
	for i := range f.Names {
		if n := &f.Names[i]; all[n.Value] == nil {
			all[n.Value] = n
		}
	}
	for _, n := range []string{f.SourceName, f.DestName} {
		if _, ok := all[n]; n != "" && !ok {
			all[n] = nil
		}
	}
	return all
}

// match says which end of f is meant by l: the destination, of its address or names, before the source.
func match(f *attrib.Flow, l *list.List) (Match, bool) {
	if e, ok := l.MatchAddr(f.Destination.Addr()); ok {
		return Match{Entry: e}, true
	}
	for i := range f.Names {
		if e, ok := l.MatchName(f.Names[i].Value); ok {
			return Match{Entry: e, Name: &f.Names[i]}, true
		}
	}
	if e, ok := l.MatchName(f.DestName); ok {
		return Match{Entry: e, Name: &attrib.Name{Value: f.DestName, From: "record", Cite: f.Cite}}, true
	}
	if e, ok := l.MatchAddr(f.Source.Addr()); ok {
		return Match{Entry: e, End: 1}, true
	}
	if e, ok := l.MatchName(f.SourceName); ok {
		return Match{Entry: e, End: 1, Name: &attrib.Name{Value: f.SourceName, From: "record", Cite: f.Cite}}, true
	}
	return Match{}, false
}

// culprit is the process at the end of f that is asked for.
func culprit(f *attrib.Flow, end int) *attrib.Culprit {
	if end == 1 {
		return &f.Peer
	}
	return &f.Culprit
}

// torn says whether more than one process remains.
func torn(c *attrib.Culprit) bool { return c.Level == attrib.Possible && len(c.Candidates) > 1 }

// suspects are the processes a culprit stands for: the one, or all that could not be told apart.
func suspects(c *attrib.Culprit) []*attrib.Process {
	if torn(c) {
		var all []*attrib.Process
		for _, k := range c.Candidates {
			if k.Process != nil && !slices.Contains(all, k.Process) {
				all = append(all, k.Process)
			}
		}
		return all
	}
	if c.Process == nil {
		return nil
	}
	return []*attrib.Process{c.Process}
}

func (a *Answers) group() {
	byProcess := map[*attrib.Process]int{}
	byReason := map[[2]string]int{}
	for _, m := range a.Matches {
		f := &a.Result.Flows[m.Flow]
		c := culprit(f, m.End)
		procs := suspects(c)
		if c.Level == attrib.Unknown || len(procs) == 0 {
			key := [2]string{c.Rule, c.Reason}
			i, ok := byReason[key]
			if !ok {
				i = len(a.Unattributed)
				byReason[key] = i
				a.Unattributed = append(a.Unattributed, Unattributed{Rule: c.Rule, Reason: c.Reason})
			}
			a.Unattributed[i].Matches = append(a.Unattributed[i].Matches, m)
			continue
		}
		for _, p := range procs {
			i, ok := byProcess[p]
			if !ok {
				i = len(a.Answers)
				byProcess[p] = i
				a.Answers = append(a.Answers, Answer{Process: p})
			}
			a.Answers[i].add(f, m, c.Level)
		}
	}
	slices.SortStableFunc(a.Answers, func(x, y Answer) int {
		return cmp.Or(cmp.Compare(y.Level(), x.Level()), cmp.Compare(len(y.Matches), len(x.Matches)), cmp.Compare(x.First, y.First), cmp.Compare(x.Process.Name, y.Process.Name), cmp.Compare(x.Process.PID, y.Process.PID))
	})
	slices.SortStableFunc(a.Unattributed, func(x, y Unattributed) int {
		return cmp.Or(cmp.Compare(len(y.Matches), len(x.Matches)), cmp.Compare(x.Rule, y.Rule), cmp.Compare(x.Reason, y.Reason))
	})
}

func (a *Answer) add(f *attrib.Flow, m Match, l attrib.Level) {
	a.Matches = append(a.Matches, m)
	a.Levels[l]++
	a.Sent += f.Bytes[m.End]
	a.Received += f.Bytes[1-m.End]
	a.Sized = a.Sized || sized(f)
	if a.First == 0 || f.Start < a.First {
		a.First = f.Start
	}
	a.Last = max(a.Last, f.End)
	a.Local = a.Local || f.LocalTime
}

// sized says whether a flow's bytes are known: a host's record need not tell them.
func sized(f *attrib.Flow) bool { return !f.Recorded || f.Bytes != [2]int64{} }

// Points are the times of the flows that matched.
func (a *Answers) Points() []int64 {
	var all []int64
	for _, m := range a.Matches {
		all = append(all, a.Result.Flows[m.Flow].Start, a.Result.Flows[m.Flow].End)
	}
	return all
}

// hosts says whether the answers lie on more than one machine.
func (a *Answers) hosts() bool {
	for i := range a.Answers {
		if a.Answers[i].Process.Host != a.Answers[0].Process.Host {
			return true
		}
	}
	return false
}
