package list

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
)

// Nearest gives the address among seen that comes nearest to the list's addresses, counted in addresses; for the person who
// wonders why nothing matched. False when none is of the same kind as an entry.
func (l *List) Nearest(seen []netip.Addr) (netip.Addr, bool) {
	var best netip.Addr
	least := distance{^uint64(0), ^uint64(0)}
	for _, a := range seen {
		a = a.Unmap().WithZone("")
		all := l.spans().v6
		if a.Is4() {
			all = l.spans().v4
		}
		if d, ok := toSpans(all, a); ok && (!best.IsValid() || d.less(least)) {
			best, least = a, d
		}
	}
	return best, best.IsValid()
}

type distance struct{ hi, lo uint64 }

func (d distance) less(e distance) bool { return d.hi < e.hi || d.hi == e.hi && d.lo < e.lo }

// toSpans is how far a is from the nearest of all, which are in order.
func toSpans(all []addrSpan, a netip.Addr) (distance, bool) {
	i, _ := slices.BinarySearchFunc(all, a, func(s addrSpan, a netip.Addr) int { return s.from.Compare(a) })
	var least distance
	found := false
	for _, j := range []int{i - 1, i} {
		if j < 0 || j >= len(all) {
			continue
		}
		d := apart(all[j], a)
		if !found || d.less(least) {
			least, found = d, true
		}
	}
	return least, found
}

func apart(s addrSpan, a netip.Addr) distance {
	switch {
	case a.Less(s.from):
		return minus(s.from, a)
	case s.to.Less(a):
		return minus(a, s.to)
	}
	return distance{}
}

func minus(a, b netip.Addr) distance {
	x, y := a.As16(), b.As16()
	lo, borrow := bits.Sub64(binary.BigEndian.Uint64(x[8:]), binary.BigEndian.Uint64(y[8:]), 0)
	hi, _ := bits.Sub64(binary.BigEndian.Uint64(x[:8]), binary.BigEndian.Uint64(y[:8]), borrow)
	return distance{hi, lo}
}
