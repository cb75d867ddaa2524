package attrib

import (
	"cmp"
	"fmt"
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
		g := gradeOf(v)
		if g == gradeWeak && s.evidence[v.evidence].local.ip.IsMulticast() {
			g = gradeFaint // every machine of the network hears the group: the endpoints don't say which
		}
		best = max(best, g)
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
