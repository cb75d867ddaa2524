package attrib

import (
	"cmp"
	"slices"
	"time"

	"culprit/internal/event"
)

// addRecorded makes flows of what hosts recorded and no capture holds. The host's own record of its own connection needs no
// matching: that process made it.
func (s *solver) addRecorded() {
	type key struct {
		proc, proto   int32
		local, remote endpoint
	}
	captured := len(s.flows)
	perTuple := map[key]int32{} // the domain whose records of a connection are used
	for _, d := range s.domainsByWeight() {
		groups := map[key][]int32{}
		var order []key
		for _, id := range s.domains[d].evidence {
			e := &s.evidence[id]
			if s.voted[id] || e.role == roleBind || s.isCaptured(e) {
				continue
			}
			k := key{s.procOf[e.proc], e.proto, e.local.plain(), e.remote.plain()}
			if by, ok := perTuple[k]; ok && by != d {
				continue // another log of the same host tells of it already
			}
			perTuple[k] = d
			if groups[k] == nil {
				order = append(order, k)
			}
			groups[k] = append(groups[k], id)
		}
		for _, k := range order {
			for _, run := range s.connections(groups[k]) {
				s.addRecordedFlow(d, run)
			}
		}
	}
	added := s.flows[captured:]
	slices.SortStableFunc(added, func(a, b flow) int {
		return cmp.Or(cmp.Compare(a.out.Cite.Source, b.out.Cite.Source), cmp.Compare(a.start, b.start), cmp.Compare(a.out.Cite.Record, b.out.Cite.Record))
	})
}

// plain is the endpoint by its address alone if it has one: one log resolves it, another doesn't.
func (e endpoint) plain() endpoint {
	if e.ip.IsValid() {
		e.name = 0
	}
	return e
}

// domainsByWeight gives the domains, the one with the most evidence first.
func (s *solver) domainsByWeight() []int32 {
	ids := make([]int32, len(s.domains))
	for i := range ids {
		ids[i] = int32(i)
	}
	slices.SortStableFunc(ids, func(a, b int32) int {
		da, db := &s.domains[a], &s.domains[b]
		return cmp.Or(cmp.Compare(len(db.evidence), len(da.evidence)), cmp.Compare(s.sources[da.source].path, s.sources[db.source].path), cmp.Compare(s.text[da.provider], s.text[db.provider]))
	})
	return ids
}

func (s *solver) isCaptured(e *evidence) bool {
	return e.local.ip.IsValid() && e.remote.ip.IsValid() && len(s.byTuple[tupleOf(e.proto, addrPort(e.local), addrPort(e.remote))]) > 0
}

// udpIdle and tcpIdle end a connection whose records pause that long, as in a capture.
const (
	udpIdle = time.Minute
	tcpIdle = 5 * time.Minute
)

// connections cuts the records of one pair of endpoints, in order of time, where a connection was opened anew.
func (s *solver) connections(ids []int32) [][]int32 {
	idle := tcpIdle
	if s.text[s.evidence[ids[0]].proto] == "udp" {
		idle = udpIdle
	}
	var out [][]int32
	begun := 0
	for i := 1; i < len(ids); i++ {
		e, before := &s.evidence[ids[i]], &s.evidence[ids[i-1]]
		if e.time-before.time > int64(idle) || e.role.opens() && before.role == roleDisconnect {
			out = append(out, ids[begun:i])
			begun = i
		}
	}
	return append(out, ids[begun:])
}

func (s *solver) addRecordedFlow(d int32, ids []int32) {
	first, last := &s.evidence[ids[0]], &s.evidence[ids[len(ids)-1]]
	dom := &s.domains[d]
	proc := &s.procs[s.procOf[first.proc]]
	src, dst, end := first.local, first.remote, 0
	if first.ingress {
		src, dst, end = dst, src, 1
	}
	start, local := s.hostTime(d, first.time)
	stop, _ := s.hostTime(d, last.time)
	f := flow{source: dom.source, proto: first.proto, src: src, dst: dst, start: start, end: stop}
	var bytes, count [2]int64
	var why []Evidence
	for _, id := range ids {
		e := &s.evidence[id]
		if e.role == roleReceive {
			bytes[1] += max(e.length, 0)
			count[1]++
		} else {
			bytes[0] += max(e.length, 0)
			count[0]++
		}
		if len(why) < maxWhy {
			on, _ := s.hostTime(d, e.time)
			why = append(why, s.cite(id, on, start))
		}
	}
	if end == 1 {
		bytes[0], bytes[1] = bytes[1], bytes[0]
	}
	f.out = Flow{
		Cite: why[0].Cite, Recorded: true, Transport: s.text[f.proto], Source: addrPort(src), Destination: addrPort(dst),
		SourceName: s.text[src.name], DestName: s.text[dst.name], Initiator: "host", Start: start, End: stop, LocalTime: local,
		Bytes: bytes, ISN: -1, SameAs: -1,
	}
	f.out.Names = s.namesOf(&f)
	c := Culprit{Level: Certain, Rule: RuleHost, Process: proc, Why: why, Count: len(ids)}
	if proc.Name == "" && proc.PID == 0 {
		c = Culprit{Level: Unknown, Rule: RuleUnrecorded, Why: why, Count: len(ids), Reason: "the host recorded the connection, but not which process made it"}
	}
	*[2]*Culprit{&f.out.Culprit, &f.out.Peer}[end] = c
	far := [2]*Culprit{&f.out.Peer, &f.out.Culprit}[end]
	far.Rule, far.Reason = RuleForeign, "known only from the other end's record"
	s.flows = append(s.flows, f)
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

// repeatSlack is how far apart two records of one connection may begin when only their endpoints tell.
const repeatSlack = 2 * time.Second

// markRepeats finds flows that another source holds as well: a capture at each end, or a capture and Zeek's log of it. The
// one that names more stays.
func (s *solver) markRepeats() {
	for _, ids := range s.byTuple {
		for i, a := range ids {
			fa := &s.flows[a]
			for _, b := range ids[i+1:] {
				fb := &s.flows[b]
				if fa.out.SameAs < 0 && fb.out.SameAs < 0 && fa.source != fb.source && sameConnection(fa, fb) {
					keep, drop := a, b
					if fb.tells() > fa.tells() {
						keep, drop = b, a
					}
					s.flows[drop].out.SameAs = int(keep)
				}
			}
		}
	}
}

// tells is how much a flow's record has to say: who made it, and how many packets it saw.
func (f *flow) tells() int64 {
	return int64(max(f.out.Culprit.Level, f.out.Peer.Level))<<40 + f.out.Packets[0] + f.out.Packets[1]
}

func sameConnection(a, b *flow) bool {
	if a.out.ISN >= 0 && b.out.ISN >= 0 {
		return a.out.ISN == b.out.ISN && a.out.Source == b.out.Source
	}
	// A one-sided log has the connection begin with the answer, and in pieces.
	return a.start >= b.start-int64(repeatSlack) && a.start <= b.end+int64(repeatSlack) ||
		b.start >= a.start-int64(repeatSlack) && b.start <= a.end+int64(repeatSlack)
}

func (s *solver) result() Result {
	var r Result
	for i := range s.flows {
		r.Flows = append(r.Flows, s.flows[i].out)
	}
	for src := range s.sources {
		for d := range s.domains {
			if c := s.clocks[clockKey{int32(src), int32(d)}]; c != nil && len(s.domains[d].evidence) > 0 && (c.ok || c.Pairs > 0) {
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
	slices.SortStableFunc(r.Coverage, func(a, b Coverage) int { return cmp.Compare(a.Source, b.Source) })
	return r
}
