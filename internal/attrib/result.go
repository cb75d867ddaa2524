package attrib

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"culprit/internal/event"
)

func (s *solver) result() Result {
	var r Result
	for i := range s.flows {
		r.Flows = append(r.Flows, s.flows[i].out)
	}
	for src := range s.sources {
		for d := range s.domains {
			if c := s.clocks[clockKey{int32(src), int32(d)}]; c != nil && !c.same && len(s.domains[d].evidence) > 0 && (c.ok || c.Pairs > 0) {
				r.Clocks = append(r.Clocks, c.Clock)
			}
		}
		q := &s.sources[src]
		r.Coverage = append(r.Coverage, Coverage{
			Source: q.path, Host: s.text[q.host], First: q.first, Last: q.last, Evidence: q.evidence, Processes: q.processes, Basis: q.basis,
		})
	}
	slices.SortStableFunc(r.Clocks, func(a, b Clock) int {
		return cmp.Or(cmp.Compare(a.Capture, b.Capture), cmp.Compare(a.Source, b.Source), cmp.Compare(b.Support, a.Support), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Host, b.Host))
	})
	r.Warnings = s.warnings()
	slices.SortStableFunc(r.Coverage, func(a, b Coverage) int { return cmp.Compare(a.Source, b.Source) })
	return r
}

// warnings says which recordings can't be brought together, and what to do about it.
func (s *solver) warnings() []string {
	var out []string
	for src := range s.sources {
		for d := range s.domains {
			c, dom := s.clocks[clockKey{int32(src), int32(d)}], &s.domains[d]
			if c == nil || c.ok || len(dom.evidence) == 0 || dom.basis == event.BasisUTC || dom.basis == "" {
				continue
			}
			cap, rec := &s.sources[src], s.sources[dom.source]
			if s.zones[rec.path] != nil {
				out = append(out, fmt.Sprintf("the zone given for %s does not fit %s: no connection in both agrees within %v. Leave it out and the zone is solved", rec.path, cap.path, zoneTolerance))
				continue
			}
			if s.overlapsInSomeZone(cap, &rec, dom.basis) {
				out = append(out, fmt.Sprintf("nothing ties the clock of %s, which has no zone, to %s: no connection is in both. Same session? Say the zone with --tz %s=-04:00", rec.path, cap.path, rec.path))
				continue
			}
			out = append(out, fmt.Sprintf("%s (%s - %s UTC) and %s (%s - %s, no zone) never overlap in any zone of the world. Same session?",
				cap.path, clockTime(cap.first)[:8], clockTime(cap.last)[:8], rec.path, clockTime(rec.first)[:8], clockTime(rec.last)[:8]))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// overlapsInSomeZone tries every quarter hour that is a zone somewhere.
func (s *solver) overlapsInSomeZone(cap, rec *source, basis string) bool {
	const quarter = 15 * time.Minute
	for zone := -12 * time.Hour; zone <= 14*time.Hour; zone += quarter {
		first, last := rec.first-int64(zone), rec.last-int64(zone)
		if basis == event.BasisTimeOfDay {
			day := int64(24 * time.Hour)
			days := (cap.first - first) / day
			for n := days - 1; n <= days+1; n++ {
				if first+n*day <= cap.last && last+n*day >= cap.first {
					return true
				}
			}
			continue
		}
		if first <= cap.last && last >= cap.first {
			return true
		}
	}
	return false
}

// hostTime gives a domain's time as UTC where a clock of some capture, or the user, tells its zone; else it says that it is
// local.
func (s *solver) hostTime(d int32, t int64) (int64, bool) {
	dom := &s.domains[d]
	if dom.basis == event.BasisUTC {
		return t, false
	}
	for src := range s.sources {
		if c := s.clocks[clockKey{int32(src), d}]; c != nil && c.ok && !c.Weak {
			return c.on(t, noFlow), false
		}
	}
	if zone := s.zones[s.sources[dom.source].path]; zone != nil && dom.basis == event.BasisLocal {
		return t - zoneOffset(zone, t), false
	}
	return t, true
}

// dateProcesses puts the starts and ends of processes that only a local clock tells on UTC, and leaves them out where that
// clock's zone is not known.
func (s *solver) dateProcesses() {
	byDomain := map[int32]int32{}
	for d := range s.domains {
		byDomain[s.domains[d].source] = int32(d)
	}
	for i := range s.Index.procs {
		raw := &s.Index.procs[i]
		if b := s.sources[raw.source].basis; b == event.BasisUTC || b == "" {
			continue
		}
		p := &s.procs[s.procOf[i]]
		for _, t := range []struct {
			to   *int64
			from int64
		}{{&p.Start, raw.start}, {&p.End, raw.end}} {
			if *t.to != t.from || t.from == 0 {
				continue
			}
			*t.to = 0
			if d, ok := byDomain[raw.source]; ok {
				if utc, local := s.hostTime(d, t.from); !local {
					*t.to = utc
				}
			}
		}
	}
}
