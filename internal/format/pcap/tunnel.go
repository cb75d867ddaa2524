package pcap

import (
	"encoding/binary"
	"strings"
)

// Tunnels. A packet that holds another counts to the flow of the packet inside; what carries it is a flow of its own only
// if it is UDP, as Zeek has it. IP in IP (RFC 2003, 4213), GRE (RFC 2784, 2890, and 2637 with PPP inside), Teredo (RFC
// 4380), AYIYA (draft-massar-v6ops-ayiya), VXLAN (RFC 7348), Geneve (RFC 8926), GTP-U (3GPP TS 29.281).
//
// A port alone makes no tunnel: what is inside must be IP whose length fits.

// maxTunnels is how many tunnels may stand in each other.
const maxTunnels = 4

const (
	tunnelNone = iota
	tunnelIP
	tunnelGRE
	tunnelTeredo
	tunnelAYIYA
	tunnelVXLAN
	tunnelGeneve
	tunnelGTP
	numTunnels
)

var tunnelNames = [numTunnels]string{
	tunnelIP: "ip", tunnelGRE: "gre", tunnelTeredo: "teredo", tunnelAYIYA: "ayiya", tunnelVXLAN: "vxlan", tunnelGeneve: "geneve", tunnelGTP: "gtp",
}

const (
	protoIPIP = 4
	proto6in4 = 41
	protoGRE  = 47
	protoNone = 59
)

const (
	portTeredo = 3544
	portAYIYA  = 5072
	portVXLAN  = 4789
	portGeneve = 6081
	portGTP    = 2152
)

const etherBridged = 0x6558 // an Ethernet frame, in GRE and Geneve

// An inside is what a tunnel's packet holds: an Ethernet type and what follows it, 0 for IP of either version.
type inside struct {
	kind uint8
	typ  uint16
	data []byte
}

// carried says what an IP packet holds that is a tunnel without ports.
func (p *packet) carried() (in inside, ok bool) {
	switch p.proto {
	case protoIPIP, proto6in4:
		return inside{tunnelIP, 0, p.l4}, true
	case protoGRE:
		typ, d, ok := parseGRE(p.l4)
		return inside{tunnelGRE, typ, d}, ok
	}
	return in, false
}

// parseGRE gives the type of what a GRE packet holds, and it.
func parseGRE(d []byte) (typ uint16, rest []byte, ok bool) {
	if len(d) < 4 {
		return 0, nil, false
	}
	flags, typ := binary.BigEndian.Uint16(d), binary.BigEndian.Uint16(d[2:])
	size := 4
	for _, bit := range []uint16{0x8000, 0x2000, 0x1000} { // checksum, key, sequence
		if flags&bit != 0 {
			size += 4
		}
	}
	switch version := flags & 7; {
	case version == 1 && typ == 0x880b: // PPTP: PPP
		if flags&0x80 != 0 {
			size += 4
		}
		if len(d) < size {
			return 0, nil, false
		}
		rest, why := decodePPP(d[size:])
		return 0, rest, why == decoded
	case version != 0 || flags&0x4000 != 0: // source routes were never used
		return 0, nil, false
	case typ == 0x88be && flags&0x1000 != 0: // ERSPAN II; without a sequence number I, which has no header
		typ, size = etherBridged, size+8
	case typ == 0x88be:
		typ = etherBridged
	case typ == 0x22eb && len(d) >= size+12: // ERSPAN III
		if size += 12; d[size-1]&1 != 0 {
			size += 8
		}
		typ = etherBridged
	}
	if len(d) < size {
		return 0, nil, false
	}
	return typ, d[size:], true
}

// wrapped says what a UDP packet on a tunnel's port holds.
func (p *packet) wrapped() (in inside, ok bool) {
	on := func(port uint16) bool { return p.sport == port || p.dport == port }
	d := p.payload
	if len(d) < 8 {
		return in, false
	}
	switch {
	case on(portTeredo):
		d, ok = parseTeredo(d)
		return inside{tunnelTeredo, 0, d}, ok
	case on(portAYIYA):
		d, ok = parseAYIYA(d)
		return inside{tunnelAYIYA, 0, d}, ok
	case p.dport == portVXLAN && d[0] == 8:
		return inside{tunnelVXLAN, etherBridged, d[8:]}, true
	case p.dport == portGeneve && d[0]>>6 == 0:
		if size := 8 + int(d[0]&0x3f)*4; size <= len(d) {
			return inside{tunnelGeneve, binary.BigEndian.Uint16(d[2:]), d[size:]}, true
		}
	case on(portGTP) && d[0]&0xf0 == 0x30 && d[1] == 255:
		d, ok = parseGTP(d)
		return inside{tunnelGTP, 0, d}, ok
	case len(d) >= 40 && d[0]>>4 == 6 && int(binary.BigEndian.Uint16(d[4:]))+40 == p.payLen && (isTeredo(d[8:]) || isTeredo(d[24:])):
		return inside{tunnelTeredo, 0, d}, true // peers use ports of their own
	}
	return in, false
}

// parseTeredo passes over Teredo's own two headers: authentication (0 1, two lengths, ID, value, nonce, confirmation) and
// origin (0 0, port, address). Neither can be the begin of IPv6.
func parseTeredo(d []byte) ([]byte, bool) {
	if len(d) >= 4 && d[0] == 0 && d[1] == 1 {
		size := 4 + int(d[2]) + int(d[3]) + 9
		if size > len(d) {
			return nil, false
		}
		d = d[size:]
	}
	if len(d) >= 8 && d[0] == 0 && d[1] == 0 {
		d = d[8:]
	}
	return d, len(d) >= 40 && d[0]>>4 == 6 && int(binary.BigEndian.Uint16(d[4:]))+40 <= len(d)
}

// isTeredo says whether an IPv6 address is one of Teredo's.
func isTeredo(a []byte) bool { return binary.BigEndian.Uint32(a) == 0x20010000 }

// parseAYIYA passes over lengths and kinds of identity and signature, what to do (1: forward), what follows, the time, and
// identity and signature themselves.
func parseAYIYA(d []byte) ([]byte, bool) {
	size := 8 + 1<<(d[0]>>4) + int(d[1]>>4)*4
	next := d[3]
	if d[2]&15 != 1 || next != protoIPIP && next != proto6in4 || size > len(d) {
		return nil, false
	}
	return d[size:], true
}

// parseGTP passes over the header of a packet of a user (flags, type, length, tunnel), its optional fields, and extensions,
// each of which has its length in words first and the next one's type last.
func parseGTP(d []byte) ([]byte, bool) {
	size := 8
	if d[0]&7 != 0 {
		size += 4
		for next := uint8(1); ; {
			if size > len(d) {
				return nil, false
			}
			if d[0]&4 == 0 {
				break
			}
			if next = d[size-1]; next == 0 {
				break
			}
			if size >= len(d) || d[size] == 0 {
				return nil, false
			}
			size += int(d[size]) * 4
		}
	}
	return d[size:], true
}

// enter makes p the packet inside it, and says whether it is one. What p was is lost either way.
func (p *packet) enter(in inside) bool {
	wire := p.l4Len - (len(p.l4) - len(in.data)) // carried and wrapped give the end of l4
	path := p.tunnel<<4 | uint16(in.kind)
	d, why := in.data, decoded
	switch in.typ {
	case 0, etherIPv4, etherIPv6:
	case etherBridged:
		if len(d) < 14 {
			return false
		}
		d, why = p.decodeEthernet(d)
	default:
		d, why = p.decodeType(in.typ, d)
	}
	if why != decoded || p.decodeIP(d, wire-(len(in.data)-len(d))) != decoded || p.proto == protoNone {
		return false
	}
	p.tunnel = path
	return true
}

// depth is how many tunnels the packet was found in.
func (p *packet) depth() int {
	n := 0
	for path := p.tunnel; path != 0; path >>= 4 {
		n++
	}
	return n
}

// appendTunnels appends the names of a path of tunnels, the outermost first.
func appendTunnels(dst []byte, path uint16) []byte {
	for shift := 12; shift >= 0; shift -= 4 {
		if k := path >> shift & 15; k != tunnelNone {
			if len(dst) > 0 {
				dst = append(dst, '+')
			}
			dst = append(dst, tunnelNames[k]...)
		}
	}
	return dst
}

// tunnelNote says how many packets were found in tunnels.
func tunnelNote(counts *[numTunnels]int64) string {
	var parts []string
	for k, n := range counts {
		if n > 0 {
			parts = append(parts, commas(n)+" in "+tunnelNames[k])
		}
	}
	if parts == nil {
		return ""
	}
	return "packets in tunnels count to the flows inside: " + strings.Join(parts, ", ")
}
