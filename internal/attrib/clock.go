package attrib

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"culprit/internal/event"
)

// Clocks.
//
// A host's clock and a capture's differ by milliseconds to days, and a Procmon CSV has neither date nor zone. The offset is
// solved from the data: every pair of an evidence and a flow with the same endpoints votes for "flow start minus evidence
// time". Right pairs agree to some ten milliseconds, wrong ones (a port used again) scatter, so the fullest second wins.

const (
	pairWindow    = time.Second     // right pairs lie within this of each other
	refineWindow  = 2 * time.Second // and this far from a first estimate once drift is allowed for
	minSupport    = 3               // flows that must agree
	overNoise     = 5               // times the mean of the other seconds
	maxPerKey     = 8               // evidence × flows of one key beyond which it says nothing about time
	maxPairs      = 1 << 17
	driftSpan     = 10 * time.Minute // below this drift can't be told from jitter
	driftSupport  = 10
	nearUTC       = 2 * time.Second        // two UTC clocks this close are believed with less support
	minWindow     = time.Second            // slack around a flow's life, at least
	nearWindow    = 250 * time.Millisecond // how far a record may lie from where it must be to prove anything, at least
	sameWindow    = time.Millisecond       // how far apart the interfaces of one capture may be
	zoneTolerance = 3 * time.Minute        // an offset this close to a quarter hour is a zone
)

type clockKey struct{ capture, domain int32 }

type clock struct {
	Clock
	ok      bool   // solved or given; else nothing is known
	offset  int64  // ns at base
	anchors []pair // of a clock that wanders, in order of time; nil for a straight one
	same    bool   // it is the capture's own clock
}

// noFlow stands for no flow where a clock is read for none in particular.
const noFlow = int32(-1)

// on gives the time on the capture's clock. Of a clock that wanders the flow's own pair is left out: it would prove itself.
func (c *clock) on(t int64, flow int32) int64 {
	on, _ := c.read(t, flow)
	return on
}

// read is on, and how far off it may be.
func (c *clock) read(t int64, flow int32) (on, slack int64) {
	if c.same {
		return t, int64(sameWindow)
	}
	if c.anchors != nil {
		return c.between(t, flow)
	}
	return t + c.offset + int64(c.Drift*float64(t-c.Base)), int64(max(nearWindow, 3*c.Residual))
}

// A pair is an evidence and a flow that share endpoints.
type pair struct {
	offset int64 // flow start - evidence time
	time   int64 // evidence time
	flow   int32
}

// pairsBy holds pairs by how much they say, the strongest class first: the strengths, and then flows that begin with the
// answer, whose start is a little late.
type pairsBy [byLateStart + 1][]pair

const byLateStart = byPortPair + 1

func (s *solver) solveClocks() {
	for d := range s.domains {
		byCapture := s.pairs(int32(d))
		for src := range s.sources {
			if !s.sources[src].capture {
				continue
			}
			k := clockKey{int32(src), int32(d)}
			if dom := &s.domains[d]; dom.packets && dom.source == int32(src) {
				s.clocks[k] = sameClock()
				continue
			}
			c := s.solveClock(int32(d), byCapture[int32(src)])
			c.Capture = s.sources[src].path
			s.clocks[k] = c
			s.learnLocals(int32(d), c, byCapture[int32(src)])
		}
	}
}

// sameClock is the clock of what a capture says of its own packets: nothing need be solved.
func sameClock() *clock { return &clock{ok: true, same: true} }

// pairs gives the pairs of a domain's evidence with the flows of each capture, by how strong their key is.
func (s *solver) pairs(d int32) map[int32]*pairsBy {
	type keyed struct {
		tuple
		local, remote endpoint
	}
	openers := map[keyed][]int32{}
	last := map[keyed]int64{}
	for _, id := range s.domains[d].evidence {
		e := &s.evidence[id]
		k := keyed{tuple{proto: e.proto}, e.local, e.remote}
		before, seen := last[k]
		last[k] = e.time
		// Sends and receives stand for the opening only if nothing of the kind was there the minute before.
		if e.role == roleBind || !e.role.opens() && seen && e.time-before < int64(time.Minute) {
			continue
		}
		openers[k] = append(openers[k], id)
	}
	out := map[int32]*pairsBy{}
	var buf []share
	for _, ids := range openers {
		buf = s.shares(&s.evidence[ids[0]], buf[:0])
		if len(ids) > maxPerKey || len(buf) > maxPerKey {
			continue
		}
		for _, id := range ids {
			for _, sh := range buf {
				f := &s.flows[sh.flow]
				p := out[f.source]
				if p == nil {
					p = new(pairsBy)
					out[f.source] = p
				}
				class := sh.strength
				if answersOnly(f) {
					class = byLateStart
				}
				if len(p[class]) < maxPairs {
					p[class] = append(p[class], pair{f.start - s.evidence[id].time, s.evidence[id].time, sh.flow})
				}
			}
		}
	}
	return out
}

// answersOnly says whether a capture (often a one-sided Zeek log) holds only what the opened side sent.
func answersOnly(f *flow) bool { return f.out.Packets[0] == 0 && f.out.Packets[1] > 0 }

// solveClock tries the strongest pairs first and takes weaker ones in while that is too few.
func (s *solver) solveClock(d int32, pairs *pairsBy) *clock {
	dom := &s.domains[d]
	c := &clock{Clock: Clock{Host: s.hostName(dom), Source: s.sources[dom.source].path, Provider: s.text[dom.provider], Basis: dom.basis}}
	zone := s.zones[c.Source]
	if zone != nil && dom.basis == event.BasisUTC {
		zone = nil
	}
	var all []pair
	if pairs != nil {
		for _, more := range pairs {
			if len(more) == 0 {
				continue
			}
			all = append(all, more...)
			try := *c
			try.anchors = nil
			if try.fit(all, zone); !c.ok || c.Weak || !try.Weak && try.Support > c.Support {
				*c = try
			}
			if c.settled(all) {
				break
			}
		}
	}
	if zone != nil {
		c.Given = true
		if !c.ok {
			c.given(zone, dom.first)
		}
	}
	c.describe()
	return c
}

// given takes the user's word for the zone; the clock stays weak, as nothing confirms it.
func (c *clock) given(zone *time.Location, t int64) {
	if c.Basis == event.BasisTimeOfDay {
		return // the zone alone gives no date
	}
	c.ok, c.Weak, c.offset = true, true, -zoneOffset(zone, t)
}

func zoneOffset(zone *time.Location, t int64) int64 {
	_, sec := time.Unix(0, t).In(zone).Zone()
	return int64(sec) * int64(time.Second)
}

// fit solves the offset and drift that most pairs agree on.
func (c *clock) fit(pairs []pair, zone *time.Location) {
	pairs = slices.Clone(pairs)
	if zone != nil {
		pairs = slices.DeleteFunc(pairs, func(p pair) bool { return !withinZone(p, zone, c.Basis) })
	}
	c.Pairs = distinctFlows(pairs)
	if len(pairs) == 0 {
		return
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.flow, b.flow), cmp.Compare(a.time, b.time))
	})
	from, to := fullest(pairs)
	c.ok = true
	c.offset = pairs[(from+to)/2].offset
	c.Base, c.Drift = pairs[(from+to)/2].time, 0
	c.refine(pairs)
	c.Weak = !c.convinces(pairs)
	c.wander(pairs)
}

// convinces says whether enough flows agree on the clock, and not nearly as many on another.
func (c *clock) convinces(pairs []pair) bool {
	rest := slices.DeleteFunc(slices.Clone(pairs), func(p pair) bool { return abs(p.time+p.offset-c.on(p.time, noFlow)) <= int64(refineWindow) })
	second, noise := 0, 0.0
	if len(rest) > 0 {
		from, to := fullest(rest)
		second = distinctFlows(rest[from:to])
		noise = float64(len(rest)) / max(1, float64(rest[len(rest)-1].offset-rest[0].offset)/float64(time.Second))
	}
	if c.Support < minSupport || c.Support <= second {
		return false
	}
	return c.Support >= 2*second && float64(c.Support) >= overNoise*noise || c.Basis == event.BasisUTC && abs(c.offset) <= int64(nearUTC)
}

// settled says whether weaker pairs are not worth a look: most pairs that were seen once agree.
func (c *clock) settled(pairs []pair) bool {
	return c.ok && !c.Weak && float64(c.Support) >= anchorShare*float64(len(seenOnce(pairs)))
}

// withinZone keeps pairs that fit a zone the user gave, but for a clock that is off by less than a few minutes.
func withinZone(p pair, zone *time.Location, basis string) bool {
	o := p.offset + zoneOffset(zone, p.time+p.offset)
	if basis == event.BasisTimeOfDay {
		day := int64(24 * time.Hour)
		o = ((o+day/2)%day+day)%day - day/2
	}
	return abs(o) < int64(zoneTolerance)
}

// fullest finds the window of pairWindow that holds the most flows, each counted once, among the sorted pairs.
func fullest(pairs []pair) (from, to int) {
	count := map[int32]int{}
	lo, most := 0, 0
	for hi, p := range pairs {
		count[p.flow]++
		for ; pairs[lo].offset < p.offset-int64(pairWindow); lo++ {
			if count[pairs[lo].flow]--; count[pairs[lo].flow] == 0 {
				delete(count, pairs[lo].flow)
			}
		}
		if len(count) > most {
			from, to, most = lo, hi+1, len(count)
		}
	}
	return from, to
}

// refine fits offset and drift to the pairs near the first estimate, and counts who agrees.
func (c *clock) refine(pairs []pair) {
	var in []pair
	for range 4 {
		in = in[:0]
		best := map[int32]int{} // one pair a flow: the nearest
		for _, p := range pairs {
			if abs(p.time+p.offset-c.on(p.time, noFlow)) > int64(refineWindow) {
				continue
			}
			if i, ok := best[p.flow]; ok {
				if q := in[i]; abs(p.time+p.offset-c.on(p.time, noFlow)) < abs(q.time+q.offset-c.on(q.time, noFlow)) {
					in[i] = p
				}
				continue
			}
			best[p.flow] = len(in)
			in = append(in, p)
		}
		if len(in) == 0 {
			return
		}
		c.fitLine(in)
	}
	residuals := make([]int64, 0, len(in))
	for _, p := range in {
		residuals = append(residuals, abs(p.time+p.offset-c.on(p.time, noFlow)))
	}
	slices.Sort(residuals)
	c.Support = len(in)
	c.Residual = time.Duration(residuals[min(len(residuals)-1, len(residuals)*99/100)])
}

// fitLine takes the median offset and, over long enough a time, the median slope (Theil-Sen: outliers do not pull it).
func (c *clock) fitLine(in []pair) {
	slices.SortFunc(in, func(a, b pair) int { return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.flow, b.flow)) })
	c.Base, c.Drift = in[len(in)/2].time, 0
	if span := in[len(in)-1].time - in[0].time; len(in) >= driftSupport && span >= int64(driftSpan) {
		var slopes []float64
		half := len(in) / 2
		for i := range len(in) - half {
			a, b := in[i], in[i+half]
			if dt := b.time - a.time; dt > span/4 {
				slopes = append(slopes, float64(b.offset-a.offset)/float64(dt))
			}
		}
		if len(slopes) > 0 {
			slices.Sort(slopes)
			c.Drift = slopes[len(slopes)/2]
		}
	}
	flat := make([]int64, 0, len(in))
	for _, p := range in {
		flat = append(flat, p.offset-int64(c.Drift*float64(p.time-c.Base)))
	}
	slices.Sort(flat)
	c.offset = flat[len(flat)/2]
}

// describe fills what people see of the clock: the zone that a local clock's offset amounts to, and what is left.
func (c *clock) describe() {
	c.Offset = time.Duration(c.offset)
	if !c.ok || c.Basis == event.BasisUTC {
		return
	}
	ahead := -c.Offset // local time minus UTC
	if c.Basis == event.BasisTimeOfDay {
		day := 24 * time.Hour
		ahead = ((ahead % day) + day) % day
		if ahead > 14*time.Hour+zoneTolerance {
			ahead -= day
		}
	}
	zone := time.Duration(math.Round(float64(ahead)/float64(15*time.Minute))) * 15 * time.Minute
	if (ahead-zone).Abs() > zoneTolerance || zone.Abs() > 14*time.Hour {
		return
	}
	sign := '+'
	if zone < 0 {
		sign = '-'
	}
	m := int(zone.Abs().Minutes())
	c.Zone = fmt.Sprintf("UTC%c%02d:%02d", sign, m/60, m%60)
	c.Offset = zone - ahead
}

// learnLocals takes the host's own addresses from the flows that agree with a solved clock, where its records name none.
func (s *solver) learnLocals(d int32, c *clock, pairs *pairsBy) {
	if !c.ok || c.Weak || pairs == nil || len(s.locals[d]) > 0 {
		return
	}
	var buf []share
	for _, id := range s.domains[d].evidence {
		e := &s.evidence[id]
		if !e.role.opens() {
			continue
		}
		buf = s.shares(e, buf[:0])
		for _, sh := range buf {
			f := &s.flows[sh.flow]
			if on, slack := c.read(e.time, sh.flow); len(buf) == 1 && abs(f.start-on) <= slack {
				s.locals[d][[2]endpoint{f.src, f.dst}[sh.end].ip]++
			}
		}
	}
	// Chance agreement of a foreign flow is rare; the host's own address is in nearly all.
	most := 0
	for _, n := range s.locals[d] {
		most = max(most, n)
	}
	for ip, n := range s.locals[d] {
		if n < minSupport || n*20 < most {
			delete(s.locals[d], ip)
		}
	}
}

func (s *solver) hostName(d *domain) string {
	for i := range s.procs {
		if p := &s.procs[i]; d.host != 0 && string(hostKey([]byte(p.Host))) == s.text[d.host] {
			return p.Host
		}
	}
	return s.text[d.host]
}

func distinctFlows(pairs []pair) int {
	seen := map[int32]struct{}{}
	for _, p := range pairs {
		seen[p.flow] = struct{}{}
	}
	return len(seen)
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}
