package attrib

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A vote is an evidence that is about a flow.
type vote struct {
	evidence int32
	strength strength
	clock    *clock
	on       int64 // its time on the capture's clock
	cost     int64 // ns from where it would be if all were perfect
	slack    int64 // how far off the clock may be there
	near     bool  // near enough to prove something
	shared   bool  // another flow of the capture fits it as well
}

// A grade is how much the votes of one process prove about one flow.
type grade uint8

const (
	gradeNone   grade = iota
	gradeFaint        // C: it fits, and so might others
	gradeLate         // B5
	gradePorts        // B1
	gradeWeak         // B2
	gradeProved       // A1, A2
)

// maxNear bounds what counts as near, however unsure the clock is.
const maxNear = 5 * time.Second

// answerLead is how long before its first packet a flow whose packets are all answers may have been opened.
const answerLead = 15 * time.Second

// vote gives every evidence to the flow of each capture that it fits best.
func (s *solver) vote() {
	var buf []share
	for id := range s.evidence {
		e := &s.evidence[id]
		buf = s.shares(e, buf[:0])
		slices.SortFunc(buf, func(a, b share) int {
			return cmp.Or(cmp.Compare(s.flows[a.flow].source, s.flows[b.flow].source), cmp.Compare(a.flow, b.flow))
		})
		for len(buf) > 0 {
			n := 1
			for n < len(buf) && s.flows[buf[n].flow].source == s.flows[buf[0].flow].source {
				n++
			}
			s.voteIn(int32(id), buf[:n])
			buf = buf[n:]
		}
	}
}

// voteIn gives evidence id to the best of the flows of one capture, or to all that can't be told apart.
func (s *solver) voteIn(id int32, shares []share) {
	e := &s.evidence[id]
	c := s.clocks[clockKey{s.flows[shares[0].flow].source, e.domain}]
	if !c.ok {
		for _, sh := range shares {
			if sh.strength == byTuple {
				s.cast(sh, vote{evidence: id, strength: sh.strength, clock: c, shared: len(shares) > 1})
			}
		}
		return
	}
	fits, votes := shares[:0:0], []vote(nil)
	best := int64(-1)
	for _, sh := range shares {
		v := vote{evidence: id, strength: sh.strength, clock: c}
		if s.place(&v, e, sh.flow) {
			fits, votes = append(fits, sh), append(votes, v)
			if best < 0 || v.cost < best {
				best = v.cost
			}
		}
	}
	rivals := 0
	for _, v := range votes {
		if v.cost <= best+v.slack {
			rivals++
		}
	}
	for i, v := range votes {
		if v.cost <= best+v.slack {
			v.shared = rivals > 1
			s.voted[id] = true
			s.cast(fits[i], v)
		}
	}
}

func (s *solver) cast(sh share, v vote) {
	if s.evidence[v.evidence].weak {
		s.guesses[sh.flow][sh.end] = append(s.guesses[sh.flow][sh.end], v)
		return
	}
	s.votes[sh.flow][sh.end] = append(s.votes[sh.flow][sh.end], v)
}

// place says where evidence e lies on the clock of a flow it could be about, how far that is from where it must be, and
// whether that is near enough at all.
func (s *solver) place(v *vote, e *evidence, flow int32) bool {
	f := &s.flows[flow]
	v.on, v.slack = v.clock.read(e.time, flow)
	tail := max(int64(minWindow), v.slack)
	lead := tail
	if answersOnly(f) {
		lead = max(lead, int64(answerLead))
	}
	if v.on < f.start-lead || v.on > f.end+tail {
		return false
	}
	if v.cost = max(0, f.start-v.on, v.on-f.end); e.role.opens() {
		v.cost = abs(v.on - f.start)
	}
	v.near = v.cost <= min(v.slack, int64(maxNear))
	return true
}

func (s *solver) decide() {
	owners := s.owners()
	last := map[sourceTuple]int32{}
	for i := range s.flows {
		f := &s.flows[i]
		k := sourceTuple{f.source, tupleOf(f.proto, f.out.Source, f.out.Destination)}
		var before *flow
		if id, ok := last[k]; ok {
			before = &s.flows[id]
		}
		last[k] = int32(i) // flows are in order of time
		f.out.Names = s.namesOf(f)
		for end := range 2 {
			c := s.judge(int32(i), end, owners)
			if c.Level == Unknown {
				s.endpointOwner(int32(i), end, owners, &c)
			}
			if c.Level == Unknown {
				s.goesOn(f, end, before, &c)
			}
			if c.Level == Unknown {
				s.guess(f, s.guesses[i][end], &c)
			}
			if c.Level == Unknown {
				s.explain(f, end, &c)
			}
			*[2]*Culprit{&f.out.Culprit, &f.out.Peer}[end] = c
		}
	}
}

// A sourceTuple is a pair of endpoints in one capture.
type sourceTuple struct {
	source int32
	tuple
}

const (
	silence = 2 * time.Hour   // how long a TCP connection may pause and go on
	stray   = 2 * time.Minute // how long after its end packets of it may come, and a refused one be tried again
)

// goesOn names whoever made the flow before of the same endpoints, if this one is its continuation: captures end a flow
// after minutes of silence, connections live on. A SYN would be another connection, unless it is the refused one again.
func (s *solver) goesOn(f *flow, end int, before *flow, c *Culprit) {
	if before == nil || s.text[f.proto] != "tcp" {
		return
	}
	since, over := time.Duration(f.start-before.end), finished(before.out.State)
	why := "the connection went silent and on again; its records are those of its first part"
	switch {
	case f.out.ISN >= 0 && f.out.ISN == before.out.ISN && over && since <= stray:
		why = "the same SYN again: the connection was refused before, and its records are those of the first try"
	case f.out.ISN >= 0 || since > silence:
		return
	case f.out.First == 0 && f.out.Initiator == "syn":
		return // Zeek saw a SYN but keeps no number of it: a new connection
	case over && since > stray:
		return
	case over:
		why = "packets that came in behind the end of a connection, whose records they have"
	}
	if f.out.Source != before.out.Source {
		end = 1 - end
	}
	from := *[2]*Culprit{&before.out.Culprit, &before.out.Peer}[end]
	if from.Level < Likely {
		return
	}
	*c = from
	c.Level, c.Rule, c.Candidates = Likely, RuleGoesOn, nil
	c.Reason = why
}

// finished says whether a TCP connection in this state was over.
func finished(state string) bool {
	switch state {
	case "SF", "REJ", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR":
		return true
	}
	return false
}

// A suspect is a process and its votes for one end of one flow.
type suspect struct {
	proc  int32
	votes []vote
	grade grade
}

// judge decides on the votes for one end of a flow.
func (s *solver) judge(flow int32, end int, owners map[socket][]int32) Culprit {
	suspects := s.suspects(s.votes[flow][end])
	if len(suspects) == 0 {
		return Culprit{}
	}
	f := &s.flows[flow]
	for i := range suspects {
		suspects[i].grade = s.grade(f, end, &suspects[i])
	}
	slices.SortStableFunc(suspects, func(a, b suspect) int {
		return cmp.Or(cmp.Compare(b.grade, a.grade), cmp.Compare(a.votes[0].cost, b.votes[0].cost), cmp.Compare(a.proc, b.proc))
	})
	best := &suspects[0]
	c := Culprit{Process: s.processOf(best), Count: len(best.votes), Why: s.why(f, best.votes)}
	if len(suspects) > 1 {
		return s.several(f, suspects, c)
	}
	if slices.ContainsFunc(best.votes, func(v vote) bool { return v.strength == byTuple && gradeOf(v) == gradeProved }) {
		c.Level, c.Rule = Certain, RuleTuple // both addresses decide: who else had the port doesn't matter
		return c
	}
	rivals := s.rivals(flow, end, best, owners)
	c.Level, c.Rule, c.Reason = level(best, rivals)
	if c.Level == Possible && len(rivals) > 0 {
		c.Candidates = append(s.candidates(f, suspects), rivals...)
	}
	return c
}

// guess names whom the capture itself guesses, where nothing better is known.
func (s *solver) guess(f *flow, votes []vote, c *Culprit) {
	if len(votes) == 0 {
		return
	}
	suspects := s.suspects(votes)
	best := &suspects[0]
	*c = Culprit{Level: Possible, Rule: RuleGuess, Process: s.processOf(best), Count: len(best.votes), Why: s.why(f, best.votes)}
	c.Reason = "the capture names it for these packets, which is a guess: the writer noted who ran just then, or not at which end it was"
	if len(suspects) > 1 {
		c.Candidates = s.candidates(f, suspects)
	}
}

// several decides between processes that all have votes.
func (s *solver) several(f *flow, suspects []suspect, c Culprit) Culprit {
	c.Candidates = s.candidates(f, suspects)
	best, second := suspects[0], suspects[1]
	if best.grade >= gradeWeak && second.grade <= gradeFaint {
		c.Level, c.Rule = Likely, RuleRunnerUp
		c.Reason = fmt.Sprintf("%s has a record too near to be ruled out", describe(s.processOf(&second)))
		return c
	}
	c.Level, c.Rule = Possible, RuleSeveral
	c.Reason = fmt.Sprintf("%d processes fit", len(suspects))
	return c
}

func (s *solver) candidates(f *flow, suspects []suspect) []Candidate {
	var out []Candidate
	for i := range suspects {
		p := &suspects[i]
		out = append(out, Candidate{Process: s.processOf(p), Why: s.why(f, p.votes), Reason: gradeReason[p.grade]})
	}
	return out
}

var gradeReason = [...]string{
	gradeFaint:  "its record fits this flow, but not this flow alone",
	gradeLate:   "its record lies within the flow, but not where it opened",
	gradePorts:  "its record has both ports at that time; the peer is not proved",
	gradeWeak:   "its record has both addresses and ports; the clock is not sure",
	gradeProved: "its record has both ends at that time",
}

// suspects groups votes by process, the nearest vote first.
func (s *solver) suspects(votes []vote) []suspect {
	var out []suspect
	for _, v := range votes {
		p := s.procOf[s.evidence[v.evidence].proc]
		i := slices.IndexFunc(out, func(o suspect) bool { return s.sameProcess(o.proc, p) })
		if i < 0 {
			i = len(out)
			out = append(out, suspect{proc: p})
		}
		s.one.link(out[i].proc, p)
		if s.procs[out[i].proc].Name == "" {
			out[i].proc = p // another source knows its name
		}
		out[i].votes = append(out[i].votes, v)
	}
	for i := range out {
		slices.SortStableFunc(out[i].votes, func(a, b vote) int { return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(a.on, b.on)) })
	}
	return out
}

// sameProcess says whether two processes that both have to do with one flow are one: a source may know no more than the PID.
func (s *solver) sameProcess(a, b int32) bool {
	if a == b {
		return true
	}
	p, q := &s.procs[a], &s.procs[b]
	if p.PID == 0 || p.PID != q.PID {
		return false
	}
	// A capture that names processes doesn't name its host, a Procmon recording neither.
	return (p.Host == "" || q.Host == "" || string(hostKey([]byte(p.Host))) == string(hostKey([]byte(q.Host)))) &&
		(p.Name == "" || q.Name == "" || strings.EqualFold(p.Name, q.Name))
}

func (s *solver) processOf(p *suspect) *Process { return &s.procs[p.proc] }

// grade says how much a suspect's best vote proves.
func (s *solver) grade(f *flow, end int, p *suspect) grade {
	best := gradeNone
	for _, v := range p.votes {
		best = max(best, gradeOf(v))
	}
	if best == gradePorts && s.lengthsAgree(f, end, p.votes) {
		best = gradeProved
	}
	return best
}

func gradeOf(v vote) grade {
	switch {
	case !v.clock.ok || v.shared:
		return gradeFaint
	case v.clock.Weak && v.strength == byTuple && v.near:
		return gradeWeak
	case v.clock.Weak:
		return gradeFaint
	case v.near && v.strength != byPortPair:
		return gradeProved
	case v.near:
		return gradePorts
	case v.strength == byTuple:
		return gradeLate
	}
	return gradeFaint
}

// level turns the only suspect's grade into a level, rule and reason, where names or ports had to decide.
func level(p *suspect, rivals []Candidate) (Level, string, string) {
	if len(rivals) > 0 && p.grade != gradeWeak && p.grade != gradeLate {
		return Possible, RuleSeveral, "another process used this local port at that time, and the peer does not decide"
	}
	byName := slices.ContainsFunc(p.votes, func(v vote) bool { return v.strength == byPeerName && gradeOf(v) == gradeProved })
	switch p.grade {
	case gradeProved:
		if byName {
			return Certain, RulePeerName, ""
		}
		return Certain, RuleLengths, ""
	case gradePorts:
		return Likely, RulePorts, "no name or length proves the peer's address"
	case gradeWeak:
		return Likely, RuleWeakClock, fmt.Sprintf("the clock rests on %d of %d flows", p.votes[0].clock.Support, p.votes[0].clock.Pairs)
	case gradeLate:
		return Likely, RuleLate, fmt.Sprintf("its nearest record is %v from where the flow opened", time.Duration(p.votes[0].cost).Round(time.Millisecond))
	}
	if !p.votes[0].clock.ok {
		return Possible, RuleNoClock, "the clocks of the two recordings could not be compared"
	}
	return Possible, RuleFaint, gradeReason[gradeFaint]
}

// lengthsAgree says whether the payload lengths that the host recorded add up to the captured payload in both directions. A
// retransmission breaks it: then it just proves nothing.
func (s *solver) lengthsAgree(f *flow, end int, votes []vote) bool {
	var sum [2]int64 // sent, received by the host
	n := 0
	for _, v := range votes {
		e := &s.evidence[v.evidence]
		if v.shared || e.length < 0 {
			continue
		}
		switch e.role {
		case roleSend:
			sum[0] += e.length
			n++
		case roleReceive:
			sum[1] += e.length
			n++
		}
	}
	return n >= 2 && sum[0] > 0 && sum[1] > 0 && sum[0] == f.payload[end] && sum[1] == f.payload[1-end]
}

// maxWhy is how many records an answer cites.
const maxWhy = 8

// why cites the votes: the opening first, which says most, then as they lie.
func (s *solver) why(f *flow, votes []vote) []Evidence {
	votes = slices.Clone(votes)
	slices.SortStableFunc(votes, func(a, b vote) int {
		return cmp.Or(b2i(s.evidence[b.evidence].role.opens())-b2i(s.evidence[a.evidence].role.opens()), cmp.Compare(a.on, b.on))
	})
	var out []Evidence
	for _, v := range votes[:min(len(votes), maxWhy)] {
		out = append(out, s.cite(v.evidence, v.on, f.start))
	}
	return out
}

func (s *solver) cite(id int32, on, start int64) Evidence {
	e := &s.evidence[id]
	out := Evidence{
		Cite:   Cite{s.sources[s.domains[e.domain].source].path, e.record},
		Action: s.text[e.action], Time: e.time, On: on, Length: e.length,
	}
	if on != 0 {
		out.Delta = time.Duration(on - start)
	}
	return out
}

// A socket is a local port of a host.
type socket struct {
	host  int32 // interned host, or -1 - source for a source that doesn't name it
	proto int32
	port  int32
}

func (s *solver) socketOf(e *evidence) socket {
	d := &s.domains[e.domain]
	host := d.host
	if host == 0 {
		host = -1 - d.source
	}
	return socket{host, e.proto, e.local.port}
}

// owners lists the evidence of every local port, in the order of the domains and of time within each.
func (s *solver) owners() map[socket][]int32 {
	m := map[socket][]int32{}
	for d := range s.domains {
		for _, id := range s.domains[d].evidence {
			if e := &s.evidence[id]; e.local.port >= 0 && !e.weak {
				k := s.socketOf(e)
				m[k] = append(m[k], id)
			}
		}
	}
	return m
}

// rivals gives other processes that used the suspect's local port during the flow.
func (s *solver) rivals(flow int32, end int, p *suspect, owners map[socket][]int32) []Candidate {
	f := &s.flows[flow]
	e := &s.evidence[p.votes[0].evidence]
	var out []Candidate
	seen := []int32{p.proc}
	for _, id := range owners[s.socketOf(e)] {
		o := &s.evidence[id]
		q := s.procOf[o.proc]
		c := s.clocks[clockKey{f.source, o.domain}]
		if slices.ContainsFunc(seen, func(k int32) bool { return s.sameProcess(k, q) }) || c == nil || !c.ok {
			continue
		}
		t, slack := c.read(o.time, flow)
		if t < f.start-slack || t > f.end+slack {
			continue
		}
		remote := [2]*endpoint{&f.dst, &f.src}[end]
		if o.remote.ip.IsValid() && o.remote.ip != remote.ip || o.remote.port >= 0 && o.remote.port != remote.port {
			continue // it was busy with another peer
		}
		seen = append(seen, q)
		out = append(out, Candidate{Process: &s.procs[q], Why: []Evidence{s.cite(id, t, f.start)}, Reason: "it used the same local port at that time"})
	}
	return out
}

const (
	bindLead     = 2 * time.Second // a port is bound at most this long before a client uses it
	endpointSpan = time.Minute     // how far around a flow an endpoint's owner is believed
)

// endpointOwner names the only process seen on the flow's local address and port around that time: it bound the port, or
// spoke from it with others. TCP clients' ports are too short-lived for the second.
func (s *solver) endpointOwner(flow int32, end int, owners map[socket][]int32, c *Culprit) {
	f := &s.flows[flow]
	here := [2]*endpoint{&f.src, &f.dst}[end]
	udp := s.text[f.proto] == "udp"
	var proc int32 = -1
	var why []Evidence
	rule := RuleEndpoint
	for host := range s.hostsAt(here.ip) {
		for _, id := range owners[socket{host, f.proto, here.port}] {
			e := &s.evidence[id]
			ck := s.clocks[clockKey{f.source, e.domain}]
			if !ck.ok || ck.Weak || e.local.ip.IsValid() && e.local.ip != here.ip {
				continue
			}
			t, slack := ck.read(e.time, flow)
			switch {
			case e.role == roleBind && end == 0:
				if t < f.start-int64(bindLead)-slack || t > f.start+slack {
					continue
				}
				rule = RuleBind
			case e.role == roleBind:
				if t > f.start+slack {
					continue
				}
			case !udp && end == 0 || t < f.start-int64(endpointSpan) || t > f.end+int64(endpointSpan):
				continue
			}
			p := s.procOf[e.proc]
			if proc >= 0 && !s.sameProcess(proc, p) {
				return // two owners: say nothing rather than guess
			}
			if proc < 0 || s.procs[proc].Name == "" {
				proc = p
			}
			if len(why) < maxWhy {
				why = append(why, s.cite(id, t, f.start))
			}
			c.Count++
		}
	}
	if proc < 0 || s.procs[proc].Name == "" && s.procs[proc].PID == 0 {
		c.Count = 0
		return
	}
	c.Level, c.Rule, c.Process, c.Why = Likely, rule, &s.procs[proc], why
	c.Reason = "no record of this very flow, but this process alone held the port"
}

// hostsAt gives the hosts, as in socket, that have an address.
func (s *solver) hostsAt(ip netip.Addr) map[int32]bool {
	hosts := map[int32]bool{}
	for d := range s.domains {
		if s.locals[d][ip] > 0 {
			h := s.domains[d].host
			if h == 0 {
				h = -1 - s.domains[d].source
			}
			hosts[h] = true
		}
	}
	return hosts
}

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
