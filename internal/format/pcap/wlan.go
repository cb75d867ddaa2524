package pcap

import "encoding/binary"

// Link types of wireless captures: an 802.11 frame, alone or behind a header that the receiver wrote.
const (
	link80211    = 105
	linkPrism    = 119
	linkRadiotap = 127
	linkAVS      = 163
	linkPPI      = 192
)

// decodeWireless passes over what a receiver wrote before a frame. Each of these headers tells its own length.
func (p *packet) decodeWireless(link uint16, d []byte) (rest []byte, why string) {
	if len(d) < 8 {
		return nil, cutInLink
	}
	size := 0
	switch link {
	case linkRadiotap: // www.radiotap.org
		size = int(binary.LittleEndian.Uint16(d[2:]))
	case linkPPI:
		size = int(binary.LittleEndian.Uint16(d[2:]))
		if binary.LittleEndian.Uint32(d[4:]) != link80211 {
			return nil, notIP
		}
	case linkPrism:
		if size = 144; binary.BigEndian.Uint32(d) == 0x80211001 { // many write AVS and call it Prism
			size = int(min(binary.BigEndian.Uint32(d[4:]), maxFrame))
		}
	case linkAVS:
		size = int(min(binary.BigEndian.Uint32(d[4:]), maxFrame))
	}
	if size > len(d) {
		return nil, cutInLink
	}
	return p.decode80211(d[size:])
}

// decode80211 reads a data frame (IEEE 802.11, 9.3.2): two bytes of type and flags, duration, three or four addresses whose
// meaning depends on whether the frame goes to or from a distribution system, and LLC with SNAP before IP.
func (p *packet) decode80211(d []byte) (rest []byte, why string) {
	const (
		typeData       = 2
		noData, qos    = 4, 8
		toDS, fromDS   = 1, 2
		sealed, htc    = 0x40, 0x80
		header, fourth = 24, 6
	)
	if len(d) < header {
		return nil, notIP // control frames are short
	}
	subtype, flags := d[0]>>4, d[1]
	if d[0]>>2&3 != typeData || subtype&noData != 0 || flags&sealed != 0 {
		return nil, notIP
	}
	size := header
	addr := func(at int) [6]byte { return [6]byte(d[at:]) }
	p.hasMAC = true
	switch flags & (toDS | fromDS) {
	case 0:
		p.macs = [2][6]byte{addr(10), addr(4)}
	case toDS:
		p.macs = [2][6]byte{addr(10), addr(16)}
	case fromDS:
		p.macs = [2][6]byte{addr(16), addr(4)}
	default:
		if size += fourth; len(d) < size {
			return nil, cutInLink
		}
		p.macs = [2][6]byte{addr(24), addr(16)}
	}
	several := false
	if subtype&qos != 0 {
		if len(d) < size+2 {
			return nil, cutInLink
		}
		several = d[size]&0x80 != 0
		if size += 2; flags&htc != 0 {
			size += 4
		}
	}
	if several { // of several aggregated packets the first
		size += 14
	}
	for _, at := range []int{size, (size + 3) &^ 3} { // some receivers pad the header to words
		if at+8 <= len(d) && d[at] == 0xaa && d[at+1] == 0xaa {
			return p.decodeType(0, d[at:])
		}
	}
	return nil, notIP
}
