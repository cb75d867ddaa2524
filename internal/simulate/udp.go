package simulate

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"
)

// DNS types and codes.
const (
	typeA     = 1
	typeCNAME = 5
	typePTR   = 12
	nxdomain  = 3
)

// datagram puts one on the wire. What the process noticed of it is recorded by the caller.
func (b *builder) datagram(at time.Duration, conn, dir int, data []byte) {
	b.Packets = append(b.Packets, Packet{At: at, Conn: int32(conn), Dir: uint8(dir), Len: int32(len(data)), raw: data})
	k := &b.Connections[conn]
	k.Payload[dir] += int64(len(data))
	k.End = max(k.End, at)
}

// resolve asks for the server's name before the planned connection, if Windows doesn't know it yet.
func (b *builder) resolve(s *Server, pl *plan) {
	l := Lookup{Process: pl.proc, Name: s.Name, Type: typeA, Alias: s.Alias, Addr: s.Addr.Addr(), Conn: -1}
	l.At = pl.at - b.between(11*time.Millisecond, 60*time.Millisecond)
	if !b.cached[s.Name+s.Addr.String()] {
		b.cached[s.Name+s.Addr.String()] = true
		b.ask(&l)
	}
	b.Lookups = append(b.Lookups, l)
}

// reverse has Procmon ask for the name of the server's address, as it does when it shows names.
func (b *builder) reverse(s *Server, pl *plan) {
	a := s.Addr.Addr()
	if b.cached[a.String()] || b.rng.Float64() >= b.PTRShare {
		return
	}
	b.cached[a.String()] = true
	v4 := a.As4()
	name := netip.AddrFrom4([4]byte{v4[3], v4[2], v4[1], v4[0]}).String() + ".in-addr.arpa"
	l := Lookup{Process: pProcmon, Name: name, Type: typePTR, Answer: s.PTR, Failed: s.PTR == ""}
	l.At = pl.at + b.between(30*time.Millisecond, 400*time.Millisecond)
	b.ask(&l)
	b.Lookups = append(b.Lookups, l)
}

// ask sends the question and the answer; it is the DNS client service that does, for whoever wants to know.
func (b *builder) ask(l *Lookup) {
	l.Took = b.between(2*time.Millisecond, 9*time.Millisecond)
	port := uint16(firstPort + b.rng.IntN(lastPort-firstPort))
	for b.asked[port] { // two exchanges with equal ends would look like one
		port++
	}
	b.asked[port] = true
	n := b.connect(Connection{
		Transport: "udp", Source: netip.AddrPortFrom(b.Addr, port), Destination: b.gateway, Process: pDnscache, Peer: -1,
		Name: "router.lan", Protocol: "dns", Start: l.At,
	})
	l.Conn = n
	id := uint16(b.rng.Uint32())
	q := appendQuestion(dnsHeader(id, 0x0100, 0), l)
	r := appendAnswers(l, id)
	b.datagram(l.At, n, 0, q)
	b.datagram(l.At+l.Took, n, 1, r)
	b.record(Record{At: l.At + b.between(20*time.Microsecond, 200*time.Microsecond), Proc: pDnscache, Op: UDPSend, Conn: int32(n), Arg: int32(len(q))})
	b.record(Record{At: l.At + l.Took + b.between(20*time.Microsecond, 400*time.Microsecond), Proc: pDnscache, Op: UDPReceive, Conn: int32(n), Arg: int32(len(r))})
}

func dnsHeader(id, flags, answers uint16) []byte {
	h := binary.BigEndian.AppendUint16(nil, id)
	h = binary.BigEndian.AppendUint16(h, flags)
	h = append(h, 0, 1)
	h = binary.BigEndian.AppendUint16(h, answers)
	return append(h, 0, 0, 0, 0)
}

func appendName(b []byte, name string) []byte {
	for label := range strings.SplitSeq(name, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0)
}

func appendQuestion(b []byte, l *Lookup) []byte {
	return append(appendName(b, l.Name), 0, byte(l.Type), 0, 1)
}

// appendAnswers gives the response: the aliases one after the other, then the address or the name.
func appendAnswers(l *Lookup, id uint16) []byte {
	if l.Failed {
		return appendQuestion(dnsHeader(id, 0x8180|nxdomain, 0), l)
	}
	b := appendQuestion(dnsHeader(id, 0x8180, uint16(len(l.Alias)+1)), l)
	owner := l.Name
	put := func(typ byte, data []byte) {
		if owner == l.Name {
			b = append(b, 0xc0, 12) // a pointer to the question
		} else {
			b = appendName(b, owner)
		}
		b = append(b, 0, typ, 0, 1, 0, 0, 0, 60, 0, byte(len(data)))
		b = append(b, data...)
	}
	for _, a := range l.Alias {
		put(typeCNAME, appendName(nil, a))
		owner = a
	}
	if l.Type == typePTR {
		put(typePTR, appendName(nil, l.Answer))
		return b
	}
	a := l.Addr.As4()
	put(typeA, a[:])
	return b
}

// quic is a connection of the browser over UDP; only its first bytes are QUIC's (RFC 9000, 17.2), the rest is noise.
func (b *builder) quic(pl *plan) {
	s := &b.servers[pl.server]
	n := b.connect(Connection{
		Transport: "udp", Source: netip.AddrPortFrom(b.Addr, pl.port), Destination: s.Addr, Process: pl.proc, Peer: -1,
		Name: s.Name, Protocol: "quic", Start: pl.at, Reused: pl.reused,
	})
	rtt := b.between(2*time.Millisecond, 9*time.Millisecond)
	cid := random(b.rng, 8)
	initial := append(append([]byte{0xc3, 0, 0, 0, 1, 8}, cid...), 0, 0, 0x44, 0xd0)
	pass := func(at time.Duration, dir, size int, head []byte) {
		data := append(append(make([]byte, 0, size), head...), random(b.rng, size-len(head))...)
		b.datagram(at, n, dir, data)
		op := UDPSend
		if dir == 1 {
			op = UDPReceive
		}
		b.record(Record{At: at + b.between(20*time.Microsecond, 400*time.Microsecond), Proc: int32(pl.proc), Op: op, Conn: int32(n), Arg: int32(size)})
	}
	at := pl.at
	pass(at, 0, 1250, initial)
	at += rtt
	pass(at, 1, 1250, append([]byte{0xc1, 0, 0, 0, 1, 0, 8}, cid...))
	turns := 3 + b.rng.IntN(4)
	for _, wait := range b.split(int(pl.life), turns) {
		at += time.Duration(wait)
		pass(at, 0, 60+b.rng.IntN(400), []byte{0x43})
		for range 1 + b.rng.IntN(5) {
			at += rtt
			pass(at, 1, 400+b.rng.IntN(850), []byte{0x47})
		}
		pass(at+200*time.Microsecond, 0, 31, []byte{0x52})
	}
}

// multicasts are what the neighbours shout into the network. Procmon shows the group they shout at on the left.
func (b *builder) multicasts() {
	shout := func(from string, port uint16, to string, proc int, data []byte) {
		at := b.between(b.at(0.05), b.at(0.9))
		n := b.connect(Connection{
			Transport: "udp", Source: netip.AddrPortFrom(netip.MustParseAddr(from), port), Destination: netip.MustParseAddrPort(to),
			Process: -1, Peer: proc, Start: at,
		})
		b.datagram(at, n, 0, data)
		b.record(Record{At: at + b.between(20*time.Microsecond, 300*time.Microsecond), Proc: int32(proc), Op: UDPReceive, Conn: int32(n), Arg: int32(len(data)), Far: true})
	}
	shout("192.168.1.1", 1900, "239.255.255.250:1900", pSSDP, []byte("NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nCACHE-CONTROL: max-age=120\r\nLOCATION: http://192.168.1.1:5000/rootDesc.xml\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\nUSN: uuid:3a1f7c52-0c4e-4f6e-9a55-0b9f2a6f9f10::upnp:rootdevice\r\n\r\n"))
	question := append(appendName(dnsHeader(0x5a11, 0, 0), "printer"), 0, 28, 0, 1)
	shout("fe80::8c11:22ff:fe33:4455", uint16(firstPort+b.rng.IntN(lastPort-firstPort)), "[ff02::1:3]:5355", pDnscache, question)
}

// ping is one echo of the router; Procmon knows nothing of ICMP.
func (b *builder) ping() {
	at := b.at(0.66)
	n := b.connect(Connection{
		Transport: "icmp", Source: netip.AddrPortFrom(b.Addr, 8), Destination: netip.AddrPortFrom(b.gateway.Addr(), 0),
		Process: -1, Peer: -1, Start: at,
	})
	data := []byte("\x00\x01\x00\x2aabcdefghijklmnopqrstuvwabcdefghi")
	b.datagram(at, n, 0, data)
	b.datagram(at+640*time.Microsecond, n, 1, data)
}
