package attrib

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// addRecorded makes flows of what hosts recorded and no capture holds. The host's own record of its own connection needs no
// matching: that process made it.
func (s *solver) addRecorded() {
	captured := len(s.flows)
	perTuple := map[recordedKey]int32{} // the domain whose records of a connection are used
	for _, d := range s.domainsByWeight() {
		groups := map[recordedKey][]int32{}
		var order []recordedKey
		begun := len(s.flows)
		for _, id := range s.domains[d].evidence {
			e := &s.evidence[id]
			if s.voted[id] || e.role == roleBind || s.isCaptured(e) {
				continue
			}
			k := s.recordedKey(e)
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
		s.joinEnds(begun)
	}
	added := s.flows[captured:]
	slices.SortStableFunc(added, func(a, b flow) int {
		return cmp.Or(cmp.Compare(a.out.Cite.Source, b.out.Cite.Source), cmp.Compare(a.start, b.start), cmp.Compare(a.out.Cite.Record, b.out.Cite.Record))
	})
}

// A recordedKey is a process and its endpoints, alike in every log of a host.
type recordedKey struct {
	host          string
	pid           int64
	name          string
	proto         int32
	local, remote endpoint
}

func (s *solver) recordedKey(e *evidence) recordedKey {
	p := &s.procs[s.procOf[e.proc]]
	k := recordedKey{string(hostKey([]byte(p.Host))), p.PID, strings.ToLower(p.Name), e.proto, e.local.plain(), e.remote.plain()}
	if k.host == "" {
		k.host = s.sources[s.domains[e.domain].source].path
	}
	return k
}

// joinEnds makes one flow of the two that a host's records of a connection to itself gave, one for each end, among the
// flows from index begun on.
func (s *solver) joinEnds(begun int) {
	type ends struct {
		proto    int32
		src, dst endpoint
	}
	at := map[ends]int{}
	flows := s.flows[:begun]
	for _, f := range s.flows[begun:] {
		a, b := f.src.plain(), f.dst.plain()
		i, ok := at[ends{f.proto, a, b}]
		mirrored := false
		if !ok {
			i, mirrored = at[ends{f.proto, b, a}]
		}
		if (ok || mirrored) && abs(flows[i].start-f.start) <= int64(repeatSlack) && flows[i].join(&f, mirrored) {
			continue
		}
		at[ends{f.proto, a, b}] = len(flows)
		flows = append(flows, f)
	}
	s.flows = flows
}

// join takes the other end's process from g, which has the same ends (or, mirrored, the opposite ones). It reports whether g
// told of the other end.
func (f *flow) join(g *flow, mirrored bool) bool {
	source, peer := &g.out.Culprit, &g.out.Peer
	if mirrored {
		source, peer = peer, source
	}
	switch {
	case f.out.Peer.Process == nil && peer.Process != nil && source.Process == nil:
		f.out.Peer = *peer
	case f.out.Culprit.Process == nil && source.Process != nil && peer.Process == nil:
		f.out.Culprit = *source
	default:
		return false
	}
	if mirrored && g.opened && !f.opened { // g knows who opened it
		f.src, f.dst = f.dst, f.src
		f.out.Source, f.out.Destination = f.out.Destination, f.out.Source
		f.out.SourceName, f.out.DestName = f.out.DestName, f.out.SourceName
		f.out.Culprit, f.out.Peer = f.out.Peer, f.out.Culprit
		f.out.Bytes[0], f.out.Bytes[1] = f.out.Bytes[1], f.out.Bytes[0]
	}
	f.end, f.out.End = max(f.end, g.end), max(f.out.End, g.out.End)
	return true
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
	f := flow{source: dom.source, proto: first.proto, src: src, dst: dst, start: start, end: stop, opened: first.role.opens()}
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
