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
	linkLoop     = 108 // like null, in network byte order
	linkCooked   = 113 // Linux "any": 16 bytes
	linkIPv4     = 228
	linkIPv6     = 229
	linkCooked2  = 276 // Linux "any", newer: 20 bytes
)

// linkName names the link types that people are likely to meet and we don't read.
func linkName(link uint16) string {
	names := map[uint16]string{
		6: "token ring", 9: "PPP", 50: "PPP", 51: "PPPoE", 105: "802.11", 119: "802.11 with Prism header", 127: "802.11 with radiotap header",
		147: "private", 149: "PKTAP", 163: "802.11 with AVS header", 189: "USB", 187: "Bluetooth", 195: "802.15.4", 201: "Bluetooth",
		220: "USB", 239: "nflog", 249: "USB", 251: "Bluetooth LE", 253: "netlink", 272: "Bluetooth LE",
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
		p.hasMAC = true
		p.macs = [2][6]byte{[6]byte(d[6:]), [6]byte(d)}
		return p.decodeType(binary.BigEndian.Uint16(d[12:]), d[14:])
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
	}
	return nil, unknownLink
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
	switch binary.BigEndian.Uint16(d[6:]) {
	case 0x21, 0x57: // IPv4, IPv6
		return d[8:], decoded
	}
	return nil, notIP
}
