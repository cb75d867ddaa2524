package attrib

import (
	"cmp"
	"net/netip"
	"slices"
)

// A solver holds what Solve works out from an index.
type solver struct {
	*Index
	procOf []int32 // raw process -> process
	procs  []Process
	one    unity // processes of several recordings that are one

	byTuple map[tuple][]int32    // flows by both ends
	byPorts map[ports][]int32    // flows by protocol and both ports
	locals  []map[netip.Addr]int // by domain: the host's own addresses, and how often they were seen
	clocks  map[clockKey]*clock

	votes   [][2][]vote // by flow and end (0 source, 1 destination)
	guesses [][2][]vote // the same of what captures guess: heard when nothing else is known
	voted   []bool      // by evidence: some flow took it
}

// A tuple is both ends of a flow in an order of its own, so that both directions give the same.
type tuple struct {
	proto int32
	a, b  netip.AddrPort
}

type ports struct {
	proto int32
	a, b  int32
}

func tupleOf(proto int32, a, b netip.AddrPort) tuple {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return tuple{proto, a, b}
}

func portsOf(proto, a, b int32) ports { return ports{proto, min(a, b), max(a, b)} }

func newSolver(x *Index) *solver {
	s := &solver{
		Index: x, byTuple: map[tuple][]int32{}, byPorts: map[ports][]int32{}, clocks: map[clockKey]*clock{},
		votes: make([][2][]vote, len(x.flows)), guesses: make([][2][]vote, len(x.flows)), voted: make([]bool, len(x.evidence)),
	}
	s.procOf, s.procs = x.resolve()
	s.one = newUnity(s.procs)
	for i := range x.flows {
		f := &x.flows[i]
		t := tupleOf(f.proto, f.out.Source, f.out.Destination)
		s.byTuple[t] = append(s.byTuple[t], int32(i))
		p := portsOf(f.proto, f.src.port, f.dst.port)
		s.byPorts[p] = append(s.byPorts[p], int32(i))
	}
	s.locals = make([]map[netip.Addr]int, len(x.domains))
	for d := range x.domains {
		s.locals[d] = map[netip.Addr]int{}
		slices.SortStableFunc(x.domains[d].evidence, func(a, b int32) int {
			return cmp.Or(cmp.Compare(x.evidence[a].time, x.evidence[b].time), cmp.Compare(x.evidence[a].record, x.evidence[b].record))
		})
		for _, e := range x.domains[d].evidence {
			if ip := x.evidence[e].local.ip; ip.IsValid() && !ip.IsMulticast() {
				s.locals[d][ip]++
			}
		}
	}
	return s
}

// A strength says what a record and a flow have in common, the strongest first.
type strength uint8

const (
	byTuple    strength = iota // both addresses and ports
	byPeerName                 // both ports, and a name proved to stand for the flow's address
	byPortPair                 // both ports; an address or name that is not proved
)

// A share is a flow that an evidence could be about, and which end of it the evidence's process is at.
type share struct {
	flow     int32
	end      int8 // 0 source, 1 destination
	strength strength
}

// shares gives the flows that e could be about by its endpoints, of whatever time.
func (s *solver) shares(e *evidence, dst []share) []share {
	if e.role == roleBind || e.local.port < 0 || e.remote.port < 0 {
		return dst
	}
	if e.local.ip.IsValid() && e.remote.ip.IsValid() {
		l, r := addrPort(e.local), addrPort(e.remote)
		for _, f := range s.byTuple[tupleOf(e.proto, l, r)] {
			end := int8(0)
			if s.flows[f].out.Source != l {
				end = 1
			}
			dst = append(dst, share{f, end, byTuple})
		}
		return dst
	}
	for _, f := range s.byPorts[portsOf(e.proto, e.local.port, e.remote.port)] {
		fl := &s.flows[f]
		for side, local := range [2]*endpoint{&fl.src, &fl.dst} {
			remote := &fl.dst
			if side == 1 {
				remote = &fl.src
			}
			if local.port != e.local.port || remote.port != e.remote.port {
				continue
			}
			if st, ok := s.agrees(e, local.ip, remote.ip); ok {
				dst = append(dst, share{f, int8(side), st})
			}
		}
	}
	return dst
}

// agrees says whether e, which lacks an address, can be about these ends, and how well its names prove it.
func (s *solver) agrees(e *evidence, local, remote netip.Addr) (strength, bool) {
	if e.local.ip.IsValid() && e.local.ip != local || e.remote.ip.IsValid() && e.remote.ip != remote {
		return 0, false
	}
	if own := s.locals[e.domain]; !e.local.ip.IsValid() && len(own) > 0 && own[local] == 0 {
		return 0, false // the host's addresses are known, and this is none of them
	}
	if e.remote.ip.IsValid() {
		return byPeerName, true
	}
	switch s.stands(e.remote.name, remote) {
	case contradicted:
		return 0, false
	case proved:
		return byPeerName, true
	}
	return byPortPair, true
}
