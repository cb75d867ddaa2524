package attrib

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"culprit/internal/event"
)

// names is what is known of names and addresses, from every source.
type names struct {
	byIP   map[netip.Addr][]named
	byName map[int32][]named
}

type named struct {
	name   int32
	ip     netip.Addr
	from   int32
	time   int64
	source int32
	record int64
	// The connection the name was seen in (SNI, Host): it names that one better than others to the same address.
	peer netip.AddrPort
}

// maxNamed bounds how many statements are kept of one name or address, against captures made to fill memory.
const maxNamed = 256

func newNames() names {
	return names{byIP: map[netip.Addr][]named{}, byName: map[int32][]named{}}
}

func (x *Index) addName(b *event.Batch, i int, src int32) {
	n := named{
		name: x.intern(foldName(b.Str(event.NameValue, i))), from: x.intern(b.Str(event.NameFrom, i)),
		time: b.Int(event.Timestamp, i), source: src, record: b.Int(event.Record, i),
	}
	if ip := b.Addr(event.SourceIP, i); ip.IsValid() {
		n.peer = netip.AddrPortFrom(ip, uint16(b.Int(event.SourcePort, i)))
	}
	for ip := range b.Addrs(event.NameIP, i) {
		n.ip = ip
		if at := x.names.byIP[ip]; len(at) < maxNamed {
			x.names.byIP[ip] = append(at, n)
		}
		if at := x.names.byName[n.name]; len(at) < maxNamed {
			x.names.byName[n.name] = append(at, n)
		}
	}
}

// A verdict on whether a name stands for an address.
type verdict uint8

const (
	unproved verdict = iota
	proved
	contradicted
)

// stands says whether name stands for ip, as far as anybody told. A name nobody mentions is unproved; one that is known,
// but only for other addresses, is contradicted.
func (x *Index) stands(name int32, ip netip.Addr) verdict {
	if spells(x.text[name], ip) {
		return proved
	}
	v := unproved
	for _, n := range x.names.byName[name] {
		if n.ip == ip {
			return proved
		}
		v = contradicted
	}
	return v
}

// spells says whether a name carries the IPv4 address in itself, as providers' reverse names do: ec2-52-32-63-168.….
// Only the address written whole, in order and with borders, counts.
func spells(name string, ip netip.Addr) bool {
	if !ip.Is4() || len(name) < len("1-1-1-1") {
		return false
	}
	dashed := strings.ReplaceAll(ip.String(), ".", "-")
	i := strings.Index(name, dashed)
	if i < 0 {
		return false
	}
	digit := func(i int) bool { return i >= 0 && i < len(name) && name[i] >= '0' && name[i] <= '9' }
	return !digit(i-1) && !digit(i+len(dashed))
}

// maxNames is how many names of its far end a flow shows.
const maxNames = 4

// of gives the names of a flow's destination, best first: those seen in the connection itself, then what was last resolved
// before it began.
func (x *Index) namesOf(f *flow) []Name {
	rank := func(n named) int {
		switch {
		case n.peer == f.out.Source && n.peer.IsValid() && n.time >= f.start && n.time <= f.end:
			return 0
		case n.peer.IsValid():
			return 3 // seen in another connection to the same address
		case n.time <= f.start:
			return 1
		}
		return 2
	}
	all := slices.Clone(x.names.byIP[f.dst.ip])
	slices.SortStableFunc(all, func(a, b named) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.time, a.time), cmp.Compare(x.text[a.name], x.text[b.name]))
	})
	var out []Name
	for _, n := range all {
		if len(out) == maxNames || len(out) > 0 && rank(n) == 3 {
			break
		}
		v := x.text[n.name]
		if !slices.ContainsFunc(out, func(o Name) bool { return o.Value == v }) {
			out = append(out, Name{v, x.text[n.from], Cite{x.sources[n.source].path, n.record}})
		}
	}
	return out
}
