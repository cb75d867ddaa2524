package pcap

import "slices"

// maxSpans is how many pieces with holes between them one gathering holds.
const maxSpans = 32

// A gathering puts together bytes that come in pieces, in any order. What came first stays where pieces overlap.
type gathering struct {
	buf   []byte
	spans []span // of buf that are there, in order, with holes between
}

type span struct{ from, to int }

// add puts d at off; what lies at limit and beyond is left out. It says whether anything is new.
func (g *gathering) add(off int, d []byte, limit int) bool {
	if off < 0 {
		d = d[min(len(d), -off):]
		off = 0
	}
	d = d[:max(0, min(len(d), limit-off))]
	if len(d) == 0 {
		return false
	}
	end := off + len(d)
	i, _ := slices.BinarySearchFunc(g.spans, off, func(s span, off int) int { return s.to - off })
	j, at, all, fresh := i, off, span{off, end}, false
	for j < len(g.spans) && g.spans[j].from <= end {
		j++
	}
	if i == j && len(g.spans) >= maxSpans {
		return false
	}
	if end > len(g.buf) {
		g.buf = append(g.buf, make([]byte, end-len(g.buf))...)
	}
	for _, s := range g.spans[i:j] {
		if at < s.from {
			copy(g.buf[at:s.from], d[at-off:])
			fresh = true
		}
		at = max(at, s.to)
		all.from, all.to = min(all.from, s.from), max(all.to, s.to)
	}
	if at < end {
		copy(g.buf[at:end], d[at-off:])
		fresh = true
	}
	g.spans = slices.Replace(g.spans, i, j, all)
	return fresh
}

// begin gives what is there without a hole from the first byte on.
func (g *gathering) begin() []byte {
	if len(g.spans) == 0 || g.spans[0].from > 0 {
		return nil
	}
	return g.buf[:g.spans[0].to]
}
