package attrib

import "time"

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
