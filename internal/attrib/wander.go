package attrib

import (
	"cmp"
	"slices"
	"sort"
	"time"
)

// Clocks that wander.
//
// The clock of a busy virtual machine need not be straight: one of the recordings this was built against gains a minute in
// two, at twice the speed of time, and loses it again. No line fits that. But time goes forward on both clocks, so pairs of
// endpoints that each side saw only once must come in the same order on both. Those that do are the clock's anchors, and
// between two anchors it is read by interpolation.

const (
	minAnchors   = 8
	anchorShare  = 0.7 // of the pairs seen once must keep order: chance keeps order of far fewer
	straightEnds = 0.9 // share of the pairs that a straight clock must explain to be left alone
	maxSpeed     = 5.0 // how much faster one clock may run than the other between anchors
	edgeDrift    = 0.1 // seconds per second that a wandering clock is trusted less beyond its anchors
)

// wander replaces a straight clock by anchors where those explain much more.
func (c *clock) wander(pairs []pair) {
	once := seenOnce(pairs)
	if len(once) < minAnchors || !c.Weak && float64(c.Support) >= straightEnds*float64(len(once)) {
		return
	}
	a := inOrder(once)
	if len(a) < minAnchors || float64(len(a)) < anchorShare*float64(len(once)) || !c.Weak && len(a) <= c.Support {
		return
	}
	c.anchors, c.Weak, c.Wanders, c.Drift = a, false, true, 0
	c.Support = len(a)
	c.Base, c.offset = a[len(a)/2].time, a[len(a)/2].offset
	residuals := make([]int64, len(a))
	for i, p := range a {
		residuals[i] = abs(p.time + p.offset - c.on(p.time, p.flow))
	}
	slices.Sort(residuals)
	c.Residual = time.Duration(residuals[len(residuals)*99/100])
}

// seenOnce keeps the pairs whose evidence and whose flow stand in no other pair, in order of the evidence's time.
func seenOnce(pairs []pair) []pair {
	flows, times := map[int32]int{}, map[int64]int{}
	for _, p := range pairs {
		flows[p.flow]++
		times[p.time]++
	}
	var once []pair
	for _, p := range pairs {
		if flows[p.flow] == 1 && times[p.time] == 1 {
			once = append(once, p)
		}
	}
	slices.SortFunc(once, func(a, b pair) int { return cmp.Compare(a.time, b.time) })
	return once
}

// inOrder gives the longest run of pairs, sorted by the evidence's time, whose flows begin in the same order, without those
// between which one clock would have had to run far too fast.
func inOrder(once []pair) []pair {
	var tails []int // tails[n]: index of the smallest last flow start of a run of n+1 pairs
	before := make([]int, len(once))
	start := func(i int) int64 { return once[i].time + once[i].offset }
	for i := range once {
		n := sort.Search(len(tails), func(n int) bool { return start(tails[n]) > start(i) })
		before[i] = -1
		if n > 0 {
			before[i] = tails[n-1]
		}
		if n == len(tails) {
			tails = append(tails, i)
		} else {
			tails[n] = i
		}
	}
	var run []pair
	for i := tails[len(tails)-1]; i >= 0; i = before[i] {
		run = append(run, once[i])
	}
	slices.Reverse(run)
	return slices.DeleteFunc(run, func(p pair) bool { return !fits(p, run) })
}

// fits says whether the clock could have run through p from its neighbours in the run: at least from one of them.
func fits(p pair, run []pair) bool {
	i, _ := slices.BinarySearchFunc(run, p, func(a, b pair) int { return cmp.Compare(a.time, b.time) })
	reach := func(a, b pair) bool {
		host, capture := b.time-a.time, b.time+b.offset-a.time-a.offset
		return float64(capture) <= maxSpeed*float64(host)+float64(time.Second) && float64(host) <= maxSpeed*float64(capture)+float64(time.Second)
	}
	return i > 0 && reach(run[i-1], p) || i+1 < len(run) && reach(p, run[i+1])
}

// between reads a wandering clock at t: on the straight line between the anchors on both sides, but for the given flow's
// own. It may be off by as much as those two differ.
func (c *clock) between(t int64, flow int32) (on, slack int64) {
	hi := sort.Search(len(c.anchors), func(i int) bool { return c.anchors[i].time >= t })
	lo := hi - 1
	for hi < len(c.anchors) && c.anchors[hi].flow == flow {
		hi++
	}
	for lo >= 0 && c.anchors[lo].flow == flow {
		lo--
	}
	switch {
	case lo < 0:
		a := c.anchors[min(hi, len(c.anchors)-1)]
		return t + a.offset, int64(nearWindow) + int64(edgeDrift*float64(abs(a.time-t)))
	case hi >= len(c.anchors):
		a := c.anchors[lo]
		return t + a.offset, int64(nearWindow) + int64(edgeDrift*float64(abs(t-a.time)))
	}
	a, b := c.anchors[lo], c.anchors[hi]
	part := 0.0
	if b.time > a.time {
		part = float64(t-a.time) / float64(b.time-a.time)
	}
	return t + a.offset + int64(part*float64(b.offset-a.offset)), max(int64(nearWindow), abs(b.offset-a.offset))
}
