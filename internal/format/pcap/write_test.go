package pcap

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// begin is when all written captures begin.
var begin = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).UnixNano()

// A written packet: bytes of a link layer at a time after begin; wire is its length on the wire if that is more.
type written struct {
	at   time.Duration
	data []byte
	wire int
}

// writePCAP writes a pcap with a magic number.
func writePCAP(order binary.AppendByteOrder, magic, link uint32, ps ...written) []byte {
	d := order.AppendUint32(nil, magic)
	d = order.AppendUint16(d, 2)
	d = order.AppendUint16(d, 4)
	for _, v := range []uint32{0, 0, 262144, link} {
		d = order.AppendUint32(d, v)
	}
	for _, p := range ps {
		t := begin + int64(p.at)
		frac := t % 1e9
		if magic != magicNano {
			frac /= 1000
		}
		for _, v := range []uint32{uint32(t / 1e9), uint32(frac), uint32(len(p.data)), uint32(max(p.wire, len(p.data)))} {
			d = order.AppendUint32(d, v)
		}
		if magic == magicModified {
			d = append(d, 1, 0, 0, 0, 8, 0, 4, 0)
		}
		d = append(d, p.data...)
	}
	return d
}

func block(order binary.AppendByteOrder, kind uint32, body []byte) []byte {
	body = append(body, make([]byte, -len(body)&3)...)
	d := order.AppendUint32(nil, kind)
	d = order.AppendUint32(d, uint32(len(body)+12))
	d = append(d, body...)
	return order.AppendUint32(d, uint32(len(body)+12))
}

func option(order binary.AppendByteOrder, code uint16, v ...byte) []byte {
	d := order.AppendUint16(nil, code)
	d = order.AppendUint16(d, uint16(len(v)))
	d = append(d, v...)
	return append(d, make([]byte, -len(v)&3)...)
}

func section(order binary.AppendByteOrder) []byte {
	d := order.AppendUint32(nil, 0x1a2b3c4d)
	d = order.AppendUint16(d, 1)
	d = order.AppendUint16(d, 0)
	return block(order, blockSection, order.AppendUint64(d, 1<<64-1))
}

func iface(order binary.AppendByteOrder, link uint16, options ...[]byte) []byte {
	d := order.AppendUint16(nil, link)
	d = order.AppendUint16(d, 0)
	d = order.AppendUint32(d, 262144)
	return block(order, blockInterface, append(d, bytes.Join(append(options, make([]byte, 4)), nil)...))
}

func enhanced(order binary.AppendByteOrder, id uint32, units uint64, data []byte, options ...[]byte) []byte {
	d := order.AppendUint32(nil, id)
	for _, v := range []uint32{uint32(units >> 32), uint32(units), uint32(len(data)), uint32(len(data))} {
		d = order.AppendUint32(d, v)
	}
	d = append(d, data...)
	d = append(d, make([]byte, -len(data)&3)...)
	return block(order, blockEnhanced, append(d, bytes.Join(options, nil)...))
}

var (
	clientMAC = []byte{0x02, 0, 0, 0, 0, 0x0a}
	serverMAC = []byte{0x02, 0, 0, 0, 0, 0x0b}
)

func be16(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }
func be32(v int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// ether puts Ethernet before an IP packet, with VLAN tags if given.
func ether(ip []byte, vlans ...int) []byte {
	d := cat(serverMAC, clientMAC)
	for _, v := range vlans {
		d = cat(d, be16(etherVLAN), be16(v))
	}
	typ := etherIPv4
	if len(ip) > 0 && ip[0]>>4 == 6 {
		typ = etherIPv6
	}
	return cat(d, be16(typ), ip)
}

// An end is an address with a port, as netip.ParseAddrPort reads it.
type end = string

func ip(proto byte, from, to end, l4 []byte) []byte {
	src, dst := netip.MustParseAddrPort(from).Addr(), netip.MustParseAddrPort(to).Addr()
	if src.Is6() {
		return cat([]byte{0x60, 0, 0, 0}, be16(len(l4)), []byte{proto, 64}, src.AsSlice(), dst.AsSlice(), l4)
	}
	return ip4(proto, src, dst, 0, 0, l4)
}

// ip4 writes an IPv4 header with the ID and flags of a fragment.
func ip4(proto byte, src, dst netip.Addr, id, flags int, l4 []byte) []byte {
	return cat([]byte{0x45, 0}, be16(20+len(l4)), be16(id), be16(flags), []byte{64, proto, 0, 0}, src.AsSlice(), dst.AsSlice(), l4)
}

func ends2(from, to end) []byte {
	return cat(be16(int(netip.MustParseAddrPort(from).Port())), be16(int(netip.MustParseAddrPort(to).Port())))
}

func tcp(from, to end, flags byte, seq, ack int, payload string) []byte {
	return ip(protoTCP, from, to, cat(ends2(from, to), be32(seq), be32(ack), []byte{0x50, flags, 0xff, 0xff, 0, 0, 0, 0}, []byte(payload)))
}

func udp(from, to end, payload []byte) []byte {
	return ip(protoUDP, from, to, cat(ends2(from, to), be16(8+len(payload)), []byte{0, 0}, payload))
}

func icmp(proto byte, from, to end, typ, code byte) []byte {
	return ip(proto, from, to, cat([]byte{typ, code, 0, 0, 0, 1, 0, 1}, []byte("abcdefgh")))
}

// conversation is a whole TCP connection with what each side says, in turns, a millisecond apart.
func conversation(from, to end, isn, isn2 int, says ...string) (ps [][]byte) {
	a, b := isn+1, isn2+1
	ps = append(ps, tcp(from, to, tcpSYN, isn, 0, ""), tcp(to, from, tcpSYN|tcpACK, isn2, a, ""), tcp(from, to, tcpACK, a, b, ""))
	for i, s := range says {
		if i%2 == 0 {
			ps = append(ps, tcp(from, to, tcpACK, a, b, s))
			a += len(s)
		} else {
			ps = append(ps, tcp(to, from, tcpACK, b, a, s))
			b += len(s)
		}
	}
	return append(ps, tcp(from, to, tcpACK|tcpFIN, a, b, ""), tcp(to, from, tcpACK|tcpFIN, b, a+1, ""), tcp(from, to, tcpACK, a+1, b+1, ""))
}

// timed spreads packets over time, a millisecond apart, from a time on.
func timed(from time.Duration, link func([]byte) []byte, ps ...[]byte) (ws []written) {
	for i, p := range ps {
		ws = append(ws, written{at: from + time.Duration(i)*time.Millisecond, data: link(p)})
	}
	return ws
}

func plain(ip []byte) []byte   { return ip }
func onEther(ip []byte) []byte { return ether(ip) }

// dnsName writes a name without compression.
func dnsLabels(name string) (d []byte) {
	for l := range bytes.SplitSeq([]byte(name), []byte{'.'}) {
		d = append(append(d, byte(len(l))), l...)
	}
	return append(d, 0)
}

func dnsHeader(id, flags int, counts ...int) []byte {
	d := cat(be16(id), be16(flags))
	for _, n := range counts {
		d = append(d, be16(n)...)
	}
	return d
}

func dnsQuery(id int, name string, kind int) []byte {
	return cat(dnsHeader(id, 0x0100, 1, 0, 0, 0), dnsLabels(name), be16(kind), be16(1))
}

// dnsRR writes a record whose owner is given as bytes: a name, or a pointer.
func dnsRR(owner []byte, kind int, data []byte) []byte {
	return cat(owner, be16(kind), be16(1), be32(300), be16(len(data)), data)
}

func dnsAnswer(id int, name string, kind int, rrs ...[]byte) []byte {
	return cat(dnsHeader(id, 0x8180, 1, len(rrs), 0, 0), dnsLabels(name), be16(kind), be16(1), cat(rrs...))
}

// question points at the name of a message's question.
var question = []byte{0xc0, 12}

// clientHello writes a TLS record with a ClientHello for a server name, with some padding before the name.
func clientHello(name string, padding int) string {
	sni := cat(be16(len(name)+3), []byte{0}, be16(len(name)), []byte(name))
	exts := cat(be16(21), be16(padding), make([]byte, padding), be16(0), be16(len(sni)), sni, be16(43), be16(3), []byte{2, 3, 4})
	body := cat([]byte{3, 3}, make([]byte, 32), []byte{0}, be16(2), []byte{0x13, 1}, []byte{1, 0}, be16(len(exts)), exts)
	return string(cat([]byte{22, 3, 1}, be16(len(body)+4), []byte{1, 0}, be16(len(body)), body))
}
