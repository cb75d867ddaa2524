package simulate

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// A Packet is one frame on the wire.
type Packet struct {
	At    time.Duration // it passed this machine's network card, on the host's clock
	Conn  int32         // index into Case.Connections
	Dir   uint8         // 0: from the connection's source, 1: from its destination
	Flags uint8         // TCP
	Seq   uint32
	Ack   uint32
	Off   int64 // in the sender's stream
	Len   int32 // of the payload
	raw   []byte
}

// routerOutside is the router's address in the Internet.
var routerOutside = netip.AddrFrom4([4]byte{203, 0, 113, 7})

const (
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
)

// synOptions are those of a SYN: segment size, window scale, selective acknowledgements.
var synOptions = [12]byte{2, 4, mss >> 8, mss & 0xff, 1, 3, 3, 8, 1, 1, 4, 2}

// seen is an end as it stands in the capture.
func (c *Case) seen(a netip.AddrPort) netip.AddrPort {
	if c.NAT == NoNAT || a.Addr() != c.Addr {
		return a
	}
	port := a.Port()
	if c.NAT == NATTranslate {
		port = uint16(1024 + (uint32(port)*7919+31)%60000)
	}
	return netip.AddrPortFrom(routerOutside, port)
}

func (p *Packet) ends(k *Connection) (from, to netip.AddrPort) {
	if p.Dir == 1 {
		return k.Destination, k.Source
	}
	return k.Source, k.Destination
}

// ipLen is the length of the IP packet.
func (p *Packet) ipLen(k *Connection) int {
	n := 20
	if k.Source.Addr().Is6() {
		n = 40
	}
	switch k.Transport {
	case "tcp":
		n += 20
		if p.Flags&syn != 0 {
			n += len(synOptions)
		}
	case "udp":
		n += 8
	default:
		n += 4
	}
	return n + int(p.Len)
}

// appendFrame writes the packet as it stands in a capture of this machine's Ethernet card; number is its number, for the
// IP header. The checksums of what the machine sends are left to the card, so a capture has them unfinished: zero in the IP
// header, the pseudo header's sum in TCP's and UDP's. What comes in is as long as a frame on the wire must be.
func (c *Case) appendFrame(b []byte, p *Packet, number int) []byte {
	begin := len(b)
	b = c.appendIP(b, p, number)
	if short := 60 - (len(b) - begin); short > 0 && !c.sends(p) {
		b = append(b, make([]byte, short)...)
	}
	return b
}

// sends says whether this machine sent the packet.
func (c *Case) sends(p *Packet) bool {
	from, _ := p.ends(&c.Connections[p.Conn])
	return from.Addr() == c.Addr
}

func (c *Case) appendIP(b []byte, p *Packet, number int) []byte {
	k := &c.Connections[p.Conn]
	offloaded := c.sends(p) && c.NAT == NoNAT
	from, to := p.ends(k)
	from, to = c.seen(from), c.seen(to)
	b = append(b, c.mac(to.Addr())...)
	b = append(b, c.mac(from.Addr())...)
	var proto byte
	switch k.Transport {
	case "tcp":
		proto = protoTCP
	case "udp":
		proto = protoUDP
	default:
		proto = protoICMP
	}
	n := p.ipLen(k)
	if from.Addr().Is6() {
		b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(n-40))
		b = append(b, proto, 1)
		b = append(b, from.Addr().AsSlice()...)
		b = append(b, to.Addr().AsSlice()...)
		return c.appendTransport(b, p, k, proto, offloaded)
	}
	b = append(b, 8, 0)
	head := len(b)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	b = binary.BigEndian.AppendUint16(b, uint16(number))
	b = append(b, 0x40, 0, 64, proto, 0, 0)
	b = append(b, from.Addr().AsSlice()...)
	b = append(b, to.Addr().AsSlice()...)
	if !offloaded {
		binary.BigEndian.PutUint16(b[head+10:], ^fold(sum(b[head:head+20])))
	}
	return c.appendTransport(b, p, k, proto, offloaded)
}

func (c *Case) appendTransport(b []byte, p *Packet, k *Connection, proto byte, offloaded bool) []byte {
	from, to := p.ends(k)
	from, to = c.seen(from), c.seen(to)
	head, check := len(b), 0
	switch proto {
	case protoTCP:
		b = binary.BigEndian.AppendUint16(b, from.Port())
		b = binary.BigEndian.AppendUint16(b, to.Port())
		b = binary.BigEndian.AppendUint32(b, p.Seq)
		b = binary.BigEndian.AppendUint32(b, p.Ack)
		words := byte(5)
		if p.Flags&syn != 0 {
			words += byte(len(synOptions) / 4)
		}
		b = append(b, words<<4, p.Flags, 0xfa, 0xf0, 0, 0, 0, 0)
		if p.Flags&syn != 0 {
			b = append(b, synOptions[:]...)
		}
		check = head + 16
	case protoUDP:
		b = binary.BigEndian.AppendUint16(b, from.Port())
		b = binary.BigEndian.AppendUint16(b, to.Port())
		b = binary.BigEndian.AppendUint16(b, uint16(8+p.Len))
		b = append(b, 0, 0)
		check = head + 6
	default:
		b = append(b, 8-8*p.Dir, 0, 0, 0)
		check = head + 2
	}
	at := len(b)
	if p.raw != nil {
		b = append(b, p.raw...)
	} else if p.Len > 0 {
		b = append(b, make([]byte, p.Len)...)
		k.stream[p.Dir].read(b[at:], p.Off, c.noise)
	}
	pseudo := uint32(0)
	if proto != protoICMP {
		pseudo = sum(from.Addr().AsSlice()) + sum(to.Addr().AsSlice()) + uint32(proto) + uint32(len(b)-head)
	}
	if offloaded && proto != protoICMP {
		binary.BigEndian.PutUint16(b[check:], fold(pseudo))
		return b
	}
	v := ^fold(pseudo + sum(b[head:]))
	if v == 0 && proto == protoUDP {
		v = 0xffff
	}
	binary.BigEndian.PutUint16(b[check:], v)
	return b
}

// sum and fold are the Internet checksum (RFC 1071).
func sum(b []byte) uint32 {
	var s uint32
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// mac is the hardware address that a frame to or from a has: the router's for the outside world.
func (c *Case) mac(a netip.Addr) []byte {
	switch {
	case a == c.Addr:
		return []byte{0x3c, 0x58, 0xc2, 0x10, 0x20, byte(0x30 + c.Machine)}
	case a.Is4() && a.IsMulticast():
		b := a.As4()
		return []byte{1, 0, 0x5e, b[1] & 0x7f, b[2], b[3]}
	case a.IsMulticast():
		b := a.As16()
		return []byte{0x33, 0x33, b[12], b[13], b[14], b[15]}
	case a.Is6() || a == netip.AddrFrom4([4]byte{192, 168, 1, 31}):
		return []byte{0x8e, 0x11, 0x22, 0x33, 0x44, 0x55}
	}
	return []byte{0xa4, 0x2b, 0xb0, 0xc1, 0xd2, 0xe3}
}
