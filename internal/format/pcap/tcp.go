package pcap

import "net/netip"

// addFlags remembers what a TCP packet does to its connection.
func (fl *flow) addFlags(p *packet, dir int) {
	switch {
	case p.flags&(tcpSYN|tcpACK|tcpRST) == tcpSYN:
		if (fl.did[0]|fl.did[1])&didSYN == 0 {
			fl.synDir = uint8(dir)
		}
		fl.did[dir] |= didSYN
		fl.isn[dir] = p.seq
	case p.flags&(tcpSYN|tcpRST) == tcpSYN:
		fl.did[dir] |= didSYNACK
		fl.isn[dir] = p.seq
	case p.flags&tcpRST != 0:
		fl.did[dir] |= didRST
	default:
		fl.did[dir] |= didOther
	}
	if p.flags&tcpFIN != 0 {
		fl.did[dir] |= didFIN
	}
}

const didISN = didSYN | didSYNACK

// endsBefore says whether the flow was over before this packet of its key.
func (fl *flow) endsBefore(f *frame, p *packet, dir int) bool {
	if f.time-fl.last > fl.idle() {
		return true
	}
	if p.proto != protoTCP || p.flags&tcpSYN == 0 || p.flags&tcpRST != 0 {
		return false
	}
	mine, other := fl.did[dir], fl.did[1-dir]
	closed := (mine|other)&(didFIN|didRST) != 0
	if p.flags&tcpACK != 0 {
		if mine&didISN != 0 {
			return closed && fl.isn[dir] != p.seq
		}
		return closed && other&didSYN == 0
	}
	if mine&didISN != 0 { // sent again; but what was refused is tried anew
		return fl.isn[dir] != p.seq || other&didRST != 0
	}
	// The first SYN of this side. It belongs to the flow if it is late behind its own SYN-ACK, or crosses the other's SYN.
	return fl.packets[dir] > 0 || closed || other&didISN == 0
}

// source tells which end opened the flow, as its direction, and how that is known.
func (fl *flow) source() (dir int, how string) {
	switch {
	case (fl.did[0]|fl.did[1])&didSYN != 0:
		return int(fl.synDir), "syn"
	case fl.did[0]&didSYNACK != 0:
		return 1, "syn"
	case fl.did[1]&didSYNACK != 0:
		return 0, "syn"
	case fl.heir != 0:
		return int(fl.heir) - 1, "syn"
	}
	first := int(fl.firstDir)
	switch fl.proto {
	case protoICMP, protoICMPv6:
		if fl.kind&keyOneWay == 0 && isAnswer(fl.proto, fl.port(first)) {
			return 1 - first, "port"
		}
		return first, "first"
	case protoTCP, protoUDP, protoSCTP:
		if fl.toMany(1 - first) {
			break
		}
		switch { // DHCP: both ports are below 1024
		case fl.ap == 68 && fl.bp == 67:
			return 0, "port"
		case fl.ap == 67 && fl.bp == 68:
			return 1, "port"
		}
		if server, ok := serverEnd(fl.ap, fl.bp); ok {
			return 1 - server, "port"
		}
		if server, ok := lastingEnd(fl.ap, fl.bp); ok && fl.proto == protoTCP {
			return 1 - server, "port"
		}
	}
	return first, "first"
}

// toMany says whether an end is no single host, so that it can't have opened anything: multicast, broadcast.
func (fl *flow) toMany(end int) bool {
	a, _ := fl.end(end)
	return a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// port is the port of the end that sends in direction dir.
func (fl *flow) port(dir int) uint16 {
	if dir == 0 {
		return fl.ap
	}
	return fl.bp
}

// isAnswer says whether the ICMP type is an answer, so that its receiver must have asked.
func isAnswer(proto uint8, typ uint16) bool {
	if proto == protoICMP {
		switch typ {
		case 0, 14, 16, 18:
			return true
		}
		return false
	}
	switch typ {
	case 129, 140, 145:
		return true
	}
	return false
}

// serverEnd tells which end has a port that servers have: 0 is a.
func serverEnd(a, b uint16) (end int, ok bool) {
	sa, sb := isServer(a), isServer(b)
	if sa == sb {
		return 0, false
	}
	if sb {
		end = 1
	}
	return end, true
}

// lastingEnd tells which end has a port below those that systems give to clients, when only one has.
func lastingEnd(a, b uint16) (end int, ok bool) {
	const given = 32768 // Linux begins here, Windows and macOS at 49152
	if (a < given) == (b < given) {
		return 0, false
	}
	if b < given {
		end = 1
	}
	return end, true
}

func isServer(port uint16) bool {
	if port < 1024 {
		return true
	}
	switch port {
	case 1433, 1434, // SQL Server
		1521,       // Oracle
		1812, 1813, // RADIUS
		1900,       // SSDP
		2049,       // NFS
		3128,       // Squid
		3268, 3269, // global catalogue
		3306,       // MySQL
		3389,       // remote desktop
		3478,       // STUN
		3544,       // Teredo
		3702,       // WS-Discovery
		4444,       // Metasploit's listener
		5060, 5061, // SIP
		5072,       // AYIYA
		5222,       // XMPP
		5353, 5355, // mDNS, LLMNR
		5432,       // PostgreSQL
		5671, 5672, // AMQP
		5900,       // VNC
		5985, 5986, // WinRM
		6379,             // Redis
		6667,             // IRC
		8000, 8080, 8443, // HTTP
		8888, 9200, 27017: // HTTP, Elasticsearch, MongoDB
		return true
	}
	return false
}

// state tells how the connection went, in Zeek's words.
func (fl *flow) state() string {
	from, _ := fl.source()
	o, r := fl.did[from], fl.did[1-from]
	opened, accepted := o&didSYN != 0, r&didSYNACK != 0
	switch {
	case o&r&didFIN != 0: // whatever comes after that
		return "SF"
	case r&didRST != 0 && opened && !accepted && r&(didOther|didSYN) == 0:
		return "REJ"
	case r&didRST != 0 && (!opened && accepted || o == 0):
		return "RSTRH"
	case r&didRST != 0:
		return "RSTR"
	case o&didRST != 0 && opened && !accepted:
		return "RSTOS0"
	case o&didRST != 0:
		return "RSTO"
	case o&didFIN != 0 && !accepted:
		return "SH"
	case o&didFIN != 0:
		return "S2"
	case r&didFIN != 0 && !opened:
		return "SHR"
	case r&didFIN != 0:
		return "S3"
	case accepted && o != 0:
		return "S1"
	case opened && r == 0:
		return "S0"
	}
	return "OTH"
}
