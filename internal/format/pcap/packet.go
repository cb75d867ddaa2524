package pcap

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// IP protocols with ports, or with what stands for ports.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

// TCP flags.
const (
	tcpFIN = 1
	tcpSYN = 2
	tcpRST = 4
	tcpACK = 16
)

// Why a packet is or isn't counted to a flow.
const (
	decoded     = ""
	notIP       = "not IP"
	unknownLink = "its link type is not read"
	cutInIP     = "cut off inside its IP header"
	cutInPorts  = "cut off before its ports"
	noIPHeader  = "IP expected, but it has no IP header"
)

// What a packet is of a fragmented one.
const (
	notFragment = iota
	firstFragment
	laterFragment
)

// A packet is what a frame says of its flow.
type packet struct {
	src, dst     [16]byte
	sport, dport uint16 // ICMP: type and the type of its answer, or type and code if it has none
	proto        uint8
	v6, oneWay   bool // oneWay: an ICMP message that isn't answered
	frag         uint8
	fragID       uint32
	vlan         uint16 // outermost; 0 none
	hasMAC       bool
	macs         [2][6]byte // from, to

	ipLen   int    // IP header and up, on the wire
	l4      []byte // captured, without padding
	l4Len   int    // on the wire
	payLen  int    // payload on the wire
	payload []byte // captured

	flags    uint8 // of TCP
	seq, ack uint32
	whole    int // payload of the whole datagram: more than payLen in a first fragment

	tunnel uint16 // what it was found in: four bits each, the innermost lowest
}

// decode fills p from f and says why if it can't.
func (p *packet) decode(f *frame) string {
	d, why := p.decodeLink(f.link, f.data)
	if why != decoded {
		return why
	}
	p.tunnel = 0
	return p.decodeIP(d, f.orig-(len(f.data)-len(d)))
}

// decodeIP decodes an IP packet that has wire bytes on the wire.
func (p *packet) decodeIP(d []byte, wire int) (why string) {
	if len(d) == 0 {
		return cutInIP
	}
	p.frag, p.sport, p.dport, p.flags, p.oneWay = notFragment, 0, 0, 0, false
	p.payload, p.whole = nil, 0
	switch d[0] >> 4 {
	case 4:
		why = p.decodeIPv4(d, wire)
	case 6:
		why = p.decodeIPv6(d, wire)
	default:
		return noIPHeader
	}
	if why != decoded {
		return why
	}
	if p.frag == laterFragment {
		p.payLen = p.l4Len
		return decoded
	}
	return p.decodePorts()
}

func (p *packet) decodeIPv4(d []byte, wire int) string {
	if len(d) < 20 {
		return cutInIP
	}
	ihl, total := int(d[0]&15)*4, int(binary.BigEndian.Uint16(d[2:]))
	if ihl < 20 {
		return noIPHeader
	}
	if len(d) < ihl {
		return cutInIP
	}
	if total == 0 { // not divided yet by the network card
		total = wire
	}
	if total < ihl {
		return noIPHeader
	}
	p.v6, p.proto, p.ipLen = false, d[9], total
	p.src = [16]byte{10: 0xff, 11: 0xff, 12: d[12], 13: d[13], 14: d[14], 15: d[15]}
	p.dst = [16]byte{10: 0xff, 11: 0xff, 12: d[16], 13: d[17], 14: d[18], 15: d[19]}
	if fo := binary.BigEndian.Uint16(d[6:]); fo&0x3fff != 0 {
		p.setFragment(uint32(binary.BigEndian.Uint16(d[4:])), fo&0x1fff != 0)
	}
	p.l4, p.l4Len = d[ihl:min(len(d), total)], total-ihl
	return decoded
}

func (p *packet) setFragment(id uint32, later bool) {
	p.frag, p.fragID = firstFragment, id
	if later {
		p.frag = laterFragment
	}
}

func (p *packet) decodeIPv6(d []byte, wire int) string {
	if len(d) < 40 {
		return cutInIP
	}
	total := int(binary.BigEndian.Uint16(d[4:])) + 40
	if total == 40 && d[6] != 59 { // not divided yet, or a jumbogram
		total = max(wire, 40)
	}
	p.v6, p.ipLen = true, total
	p.src, p.dst = [16]byte(d[8:]), [16]byte(d[24:])
	next, rest := d[6], d[40:min(len(d), total)]
	left := total - 40
	for range 16 {
		var size int
		switch next {
		case 0, 43, 60, 135, 139, 140: // hop-by-hop, routing, destination, mobility, HIP, shim6
			if len(rest) < 8 {
				return cutInIP
			}
			size = int(rest[1])*8 + 8
		case 44: // fragment
			if len(rest) < 8 {
				return cutInIP
			}
			if fo := binary.BigEndian.Uint16(rest[2:]); fo&0xfff9 != 0 { // else it is a fragment by name only
				p.setFragment(binary.BigEndian.Uint32(rest[4:]), fo>>3 != 0)
			}
			size = 8
		case 51: // authentication
			if len(rest) < 8 {
				return cutInIP
			}
			size = int(rest[1])*4 + 8
		default:
			p.proto, p.l4, p.l4Len = next, rest, left
			return decoded
		}
		if size > len(rest) {
			return cutInIP
		}
		next, rest, left = rest[0], rest[size:], left-size
		if p.frag == laterFragment {
			p.proto, p.l4, p.l4Len = next, rest, left
			return decoded
		}
	}
	return noIPHeader
}

func (p *packet) decodePorts() string {
	d := p.l4
	header := 0
	switch p.proto {
	case protoTCP, protoUDP, protoSCTP:
		if len(d) < 4 {
			return cutInPorts
		}
		p.sport, p.dport = binary.BigEndian.Uint16(d), binary.BigEndian.Uint16(d[2:])
		switch p.proto {
		case protoTCP:
			header = p.decodeTCP()
		case protoUDP:
			header = 8
		default:
			header = 12
		}
	case protoICMP, protoICMPv6:
		if len(d) < 2 {
			return cutInPorts
		}
		p.sport, p.dport = uint16(d[0]), uint16(d[1])
		if back, ok := answers(p.proto, d[0]); ok {
			p.dport = uint16(back)
		} else {
			p.oneWay = true
		}
		header = 8
	}
	p.payLen = max(p.l4Len-header, 0)
	p.payload = d[min(len(d), header):]
	p.whole = p.payLen
	if p.frag == firstFragment && p.proto == protoUDP && len(d) >= 6 {
		p.whole = max(int(binary.BigEndian.Uint16(d[4:]))-8, p.payLen)
	}
	return decoded
}

// decodeTCP reads what was captured of the header and gives the header's length.
func (p *packet) decodeTCP() int {
	d := p.l4
	if len(d) < 14 {
		return 20
	}
	p.seq, p.ack = binary.BigEndian.Uint32(d[4:]), binary.BigEndian.Uint32(d[8:])
	p.flags = d[13]
	header := int(d[12]>>4) * 4
	if header < 20 { // nonsense: it has no payload that could be told
		return p.l4Len
	}
	return header
}

// payloadSeq is the sequence number of the payload's first byte.
func (p *packet) payloadSeq() uint32 {
	if p.flags&tcpSYN != 0 {
		return p.seq + 1
	}
	return p.seq
}

// answers gives the type of the ICMP message that answers typ or is answered by it, as community IDs have it.
func answers(proto, typ uint8) (uint8, bool) {
	if proto == protoICMP {
		switch typ {
		case 8, 0: // echo
			return 8 - typ, true
		case 13, 14, 15, 16, 17, 18: // timestamp, information, mask: the request is odd, its answer the next
			return (typ - 1) ^ 1 + 1, true
		case 9, 10: // router
			return 19 - typ, true
		}
		return 0, false
	}
	switch typ {
	case 128, 129, 130, 131, 144, 145: // echo, multicast listeners, home agent
		return typ ^ 1, true
	case 133, 134, 135, 136, 139, 140: // router, neighbour, node information
		return (typ - 1) ^ 1 + 1, true
	}
	return 0, false
}

// A key names a flow's two ends, the smaller first, so that both directions have the same.
type key struct {
	a, b   [16]byte
	ap, bp uint16
	proto  uint8
	kind   uint8 // keyV6, keyOneWay
}

const (
	keyV6     = 1
	keyOneWay = 2
)

// key gives the packet's flow, and 0 if it goes from a to b, else 1.
func (p *packet) key() (k key, dir int) {
	k = key{a: p.src, b: p.dst, ap: p.sport, bp: p.dport, proto: p.proto}
	if p.v6 {
		k.kind = keyV6
	}
	if p.oneWay {
		k.kind |= keyOneWay
		return k, 0
	}
	if c := bytes.Compare(p.src[:], p.dst[:]); c > 0 || c == 0 && p.sport > p.dport {
		k.a, k.b, k.ap, k.bp = k.b, k.a, k.bp, k.ap
		return k, 1
	}
	return k, 0
}

// end gives the address and port of an end: 0 is a, 1 is b.
func (k *key) end(i int) (netip.Addr, uint16) {
	a, port := k.a, k.ap
	if i == 1 {
		a, port = k.b, k.bp
	}
	return netip.AddrFrom16(a).Unmap(), port
}

const (
	// maxFragments is how many fragmented packets are remembered at once.
	maxFragments = 4096
	// fragmentLife is how long a first fragment waits for the others, in nanoseconds.
	fragmentLife = 60e9
)

// fragments knows the ports of packets whose first fragment was seen: the others don't carry them.
type fragments struct {
	ports map[fragment]ports
	order []fragment // ring of what is in ports, oldest at next
	next  int

	beyond int64 // forgotten while others could still come
}

type fragment struct {
	src, dst [16]byte
	id       uint32
	proto    uint8
}

type ports struct {
	sport, dport uint16
	oneWay       bool
	time         int64
}

func newFragments() fragments { return fragments{ports: map[fragment]ports{}} }

// place remembers a first fragment's ports and gives them to the later ones. One whose first is missing keeps none.
func (fs *fragments) place(p *packet, t int64) {
	f := fragment{p.src, p.dst, p.fragID, p.proto}
	had, ok := fs.ports[f]
	if p.frag == laterFragment {
		if ok && t-had.time <= fragmentLife {
			p.sport, p.dport, p.oneWay = had.sport, had.dport, had.oneWay
		}
		return
	}
	if !ok {
		if len(fs.order) < maxFragments {
			fs.order = append(fs.order, f)
		} else {
			if old := fs.order[fs.next]; t-fs.ports[old].time <= fragmentLife {
				fs.beyond++
			}
			delete(fs.ports, fs.order[fs.next])
			fs.order[fs.next] = f
			fs.next = (fs.next + 1) % maxFragments
		}
	}
	fs.ports[f] = ports{p.sport, p.dport, p.oneWay, t}
}
