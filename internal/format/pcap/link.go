package pcap

import (
	"encoding/binary"
	"strconv"
)

// Link types we read, by their numbers in captures.
const (
	linkNull     = 0 // 4 bytes of address family, in the byte order of the capturing machine
	linkEthernet = 1
	linkRaw12    = 12 // raw IP: BSD's number for DLT_RAW, OpenBSD's, and the official one
	linkRaw14    = 14
	linkRaw      = 101
	linkPPP      = 9
	linkPPPHDLC  = 50
	linkPPPoE    = 51
	linkLoop     = 108 // like null, in network byte order
	linkNFLOG    = 239 // what iptables' NFLOG gave
	linkCooked   = 113 // Linux "any": 16 bytes
	linkIPv4     = 228
	linkIPv6     = 229
	linkCooked2  = 276 // Linux "any", newer: 20 bytes
)

// linkName names the link types that people are likely to meet and we don't read.
func linkName(link uint16) string {
	names := map[uint16]string{
		6: "token ring", 10: "FDDI", 147: "private", 149: "private, or PKTAP with a damaged header", 189: "USB", 187: "Bluetooth", 195: "802.15.4", 201: "Bluetooth",
		220: "USB", 249: "USB", 251: "Bluetooth LE", 253: "netlink", 272: "Bluetooth LE",
	}
	n := strconv.Itoa(int(link))
	if what := names[link]; what != "" {
		n += " (" + what + ")"
	}
	return n
}

// EtherTypes.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
	etherOld  = 0x9100 // QinQ before it was standardised
	etherMPLS = 0x8847
	etherPPP  = 0x8864 // PPPoE, session stage
	etherVN   = 0x8926 // VN-Tag, 802.1BR before it was standardised
	etherPBB  = 0x88e7 // provider backbone bridges, 802.1ah: an Ethernet frame follows
	etherFP   = 0x8903 // Cisco FabricPath: the same
)

const (
	cutInLink = "cut off inside its link header"
	maxTags   = 4
)

// decodeLink passes over the link header and gives what is behind it, decoded when that is IP.
func (p *packet) decodeLink(link uint16, d []byte) (rest []byte, why string) {
	p.vlan, p.hasMAC = 0, false
	switch link {
	case linkEthernet:
		if len(d) < 14 {
			return nil, cutInLink
		}
		return p.decodeEthernet(d)
	case linkRaw12, linkRaw14, linkRaw, linkIPv4, linkIPv6:
		return d, decoded
	case linkCooked:
		if len(d) < 16 {
			return nil, cutInLink
		}
		return p.decodeType(binary.BigEndian.Uint16(d[14:]), d[16:])
	case linkCooked2:
		if len(d) < 20 {
			return nil, cutInLink
		}
		return p.decodeType(binary.BigEndian.Uint16(d), d[20:])
	case linkNull, linkLoop:
		if len(d) < 4 {
			return nil, cutInLink
		}
		return d[4:], familyIsIP(d)
	case linkPPP, linkPPPHDLC:
		return decodePPP(d)
	case linkPPPoE:
		return decodeSession(d)
	case link80211:
		return p.decode80211(d)
	case linkRadiotap, linkPrism, linkAVS, linkPPI:
		return p.decodeWireless(link, d)
	case linkNFLOG:
		return decodeNFLOG(d)
	}
	return nil, unknownLink
}

// decodeEthernet takes a frame of at least 14 bytes.
func (p *packet) decodeEthernet(d []byte) (rest []byte, why string) {
	p.hasMAC = true
	p.macs = [2][6]byte{[6]byte(d[6:]), [6]byte(d)}
	return p.decodeType(binary.BigEndian.Uint16(d[12:]), d[14:])
}

// familyIsIP knows the address families of BSD, macOS, Linux and Windows in either byte order; a family is below 256.
func familyIsIP(d []byte) string {
	family := binary.LittleEndian.Uint32(d)
	if family > 255 {
		family = binary.BigEndian.Uint32(d)
	}
	switch family {
	case 2, 10, 23, 24, 28, 30:
		return decoded
	}
	return notIP
}

// decodeType passes over VLAN tags, MPLS labels, PPPoE and 802.3's SNAP header.
func (p *packet) decodeType(typ uint16, d []byte) (rest []byte, why string) {
	for range maxTags {
		switch {
		case typ == etherIPv4 || typ == etherIPv6:
			return d, decoded
		case typ == etherVLAN || typ == etherQinQ || typ == etherOld:
			if len(d) < 4 {
				return nil, cutInLink
			}
			if p.vlan == 0 {
				p.vlan = binary.BigEndian.Uint16(d) & 0xfff
			}
			typ, d = binary.BigEndian.Uint16(d[2:]), d[4:]
		case typ == etherVN:
			if len(d) < 6 {
				return nil, cutInLink
			}
			typ, d = binary.BigEndian.Uint16(d[4:]), d[6:]
		case typ == etherPBB || typ == etherFP:
			size := map[uint16]int{etherPBB: 4, etherFP: 2}[typ]
			if len(d) < size+14 {
				return nil, cutInLink
			}
			d = d[size:]
			p.macs = [2][6]byte{[6]byte(d[6:]), [6]byte(d)}
			typ, d = binary.BigEndian.Uint16(d[12:]), d[14:]
		case typ == etherMPLS:
			return decodeLabels(d)
		case typ == etherPPP:
			return decodeSession(d)
		case typ <= 1500 && len(d) >= 8 && d[0] == 0xaa && d[1] == 0xaa && d[2] == 3 && d[3]|d[4]|d[5] == 0:
			typ, d = binary.BigEndian.Uint16(d[6:]), d[8:]
			if typ <= 1500 {
				return nil, notIP
			}
		default:
			return nil, notIP
		}
	}
	return nil, notIP
}

// decodeLabels passes over MPLS labels of 4 bytes each; a bit marks the last. What follows only its first bits tell.
func decodeLabels(d []byte) (rest []byte, why string) {
	for range 16 {
		if len(d) < 5 {
			return nil, cutInLink
		}
		last := d[2]&1 != 0
		if d = d[4:]; !last {
			continue
		}
		if v := d[0] >> 4; v != 4 && v != 6 {
			return nil, notIP
		}
		return d, decoded
	}
	return nil, notIP
}

// decodeSession passes over PPPoE's 6 bytes and PPP's protocol.
func decodeSession(d []byte) (rest []byte, why string) {
	if len(d) < 8 {
		return nil, cutInLink
	}
	return decodePPP(d[6:])
}

// decodePPP passes over PPP's address and control, which may be left out, and its protocol, of which the first byte may be.
func decodePPP(d []byte) (rest []byte, why string) {
	if len(d) >= 2 && d[0] == 0xff && d[1] == 3 {
		d = d[2:]
	}
	if len(d) >= 1 && d[0] == 0 {
		d = d[1:]
	}
	if len(d) < 2 {
		return nil, cutInLink
	}
	switch d[0] {
	case 0x21, 0x57: // IPv4, IPv6
		return d[1:], decoded
	}
	return nil, notIP
}

// decodeNFLOG finds the packet among the attributes behind family, version and resource: length, type 9, padded to words.
// Their numbers are in the byte order of the capturing machine, whose low byte of a length is the one that isn't 0.
func decodeNFLOG(d []byte) (rest []byte, why string) {
	if len(d) < 8 {
		return nil, cutInLink
	}
	var order binary.ByteOrder = binary.LittleEndian
	if d = d[4:]; d[0] == 0 { // attributes are shorter than 256 bytes, but for the packet, which is the last
		order = binary.BigEndian
	}
	for len(d) >= 4 {
		size, typ := int(order.Uint16(d)), order.Uint16(d[2:])&0x7fff
		if size < 4 {
			break
		}
		if typ == 9 {
			return d[4:min(size, len(d))], decoded
		}
		d = d[min(len(d), (size+3)&^3):]
	}
	return nil, notIP
}
