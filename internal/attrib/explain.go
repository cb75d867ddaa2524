package attrib

import (
	"cmp"
	"fmt"
	"time"
)

// explain says why nobody can be named for an end of a flow.
func (s *solver) explain(f *flow, end int, c *Culprit) {
	here := [2]*endpoint{&f.src, &f.dst}[end]
	c.Level = Unknown
	recorded := false
	var nearest *domain
	var clockOf *clock
	for d := range s.domains {
		dom := &s.domains[d]
		if len(dom.evidence) == 0 {
			continue
		}
		recorded = true
		if s.locals[d][here.ip] == 0 && len(s.locals[d]) > 0 {
			continue
		}
		ck := s.clocks[clockKey{f.source, int32(d)}]
		if nearest == nil || ck.ok && (!clockOf.ok || len(dom.evidence) > len(nearest.evidence)) {
			nearest, clockOf = dom, ck
		}
	}
	switch {
	case !recorded:
		c.Rule, c.Reason = RuleNoHost, "no recording of a host was given: add Procmon, Sysmon or Security events of the same time"
	case nearest == nil:
		c.Rule, c.Reason = RuleForeign, here.ip.String()+" is no address of a recorded host"
	case !clockOf.ok:
		c.Rule, c.Reason = RuleUnsolved, fmt.Sprintf("nothing ties the clock of %s to the capture's", clockOf.Source)
	default:
		first, last := clockOf.on(s.span(nearest, true), noFlow), clockOf.on(s.span(nearest, false), noFlow)
		name := cmp.Or(clockOf.Host, clockOf.Source)
		switch {
		case f.start > last+int64(minWindow):
			c.Rule, c.Reason = RuleOutside, fmt.Sprintf("no host event after %s (the recording of %s ends %v before)", clockTime(last), name, time.Duration(f.start-last).Round(time.Second))
		case f.end < first-int64(minWindow):
			c.Rule, c.Reason = RuleOutside, fmt.Sprintf("no host event before %s (the recording of %s begins %v later)", clockTime(first), name, time.Duration(first-f.end).Round(time.Second))
		default:
			c.Rule, c.Reason = RuleUnrecorded, fmt.Sprintf("the recording of %s has nothing on this connection", name)
		}
	}
}

// span gives the first or last time of a domain: of all the source's events where the source has one clock only.
func (s *solver) span(d *domain, first bool) int64 {
	src := &s.sources[d.source]
	for o := range s.domains {
		if q := &s.domains[o]; q != d && q.source == d.source && q.provider != d.provider {
			src = nil
			break
		}
	}
	if src == nil || !src.seen || s.text[d.provider] != "Procmon" {
		src = &source{first: d.first, last: d.last}
	}
	if first {
		return src.first
	}
	return src.last
}

func clockTime(ns int64) string { return time.Unix(0, ns).UTC().Format("15:04:05") + " UTC" }

func describe(p *Process) string {
	return fmt.Sprintf("%s (%d)", cmp.Or(p.Name, "a process without a name"), p.PID)
}
