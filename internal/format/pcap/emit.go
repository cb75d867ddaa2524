package pcap

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strconv"

	"culprit/internal/event"
)

// Application protocols that are recognised: flow.app.
const (
	appUnknown = iota
	appDNS
	appMDNS
	appLLMNR
	appTLS
	appHTTP
	appQUIC
	appSSH
	appSMB
	appDHCP
	appNTP
	appSSDP
)

var appNames = [...]string{
	appDNS: "dns", appMDNS: "mdns", appLLMNR: "llmnr", appTLS: "tls", appHTTP: "http", appQUIC: "quic", appSSH: "ssh",
	appSMB: "smb", appDHCP: "dhcp", appNTP: "ntp", appSSDP: "ssdp",
}

// putFlow gives a flow that has ended.
func (r *reader) putFlow(b *event.Batch, fl *flow) {
	b.Next()
	from, how := fl.source()
	b.PutText(event.Role, event.RoleFlow)
	r.putCommon(b, fl, "flow", "pcap.flow", fl.firstNum, fl.firstOff)
	if !fl.untimed {
		b.PutTime(event.Timestamp, fl.first)
		b.PutTime(event.EventStart, fl.first)
		b.PutTime(event.EventEnd, fl.last)
		b.PutInt(event.EventDuration, fl.last-fl.first)
	}
	b.PutInt(event.SourceBytes, fl.bytes[from])
	b.PutInt(event.SourcePackets, fl.packets[from])
	b.PutInt(event.DestinationBytes, fl.bytes[1-from])
	b.PutInt(event.DestinationPackets, fl.packets[1-from])
	b.PutInt(event.NetworkBytes, fl.bytes[0]+fl.bytes[1])
	b.PutInt(event.NetworkPackets, fl.packets[0]+fl.packets[1])
	b.PutText(event.FlowInitiator, how)
	b.PutInt(event.FlowPacketFirst, fl.firstNum)
	b.PutInt(event.FlowPacketLast, fl.lastNum)
	b.PutInt(event.FlowPayloadSource, fl.payload[from])
	b.PutInt(event.FlowPayloadDestination, fl.payload[1-from])
	sign := int64(1)
	if from == 1 {
		sign = -1
	}
	for _, n := range fl.lengths[:fl.count[0]+fl.count[1]] {
		b.AddInt(event.FlowLengths, sign*int64(n))
	}
	b.AddText(event.EventType, "connection")
	if fl.proto == protoTCP {
		putTCP(b, fl, from)
	}
	if fl.vlan != 0 {
		r.scratch = strconv.AppendUint(r.scratch[:0], uint64(fl.vlan), 10)
		b.PutStr(event.NetworkVLANID, r.scratch)
	}
	if fl.tunnel != 0 {
		r.scratch = appendTunnels(r.scratch[:0], fl.tunnel)
		b.PutStr(event.FlowTunnel, r.scratch)
	}
	if fl.hasMAC {
		r.putMAC(b, event.SourceMAC, fl.macs[from])
		r.putMAC(b, event.DestinationMAC, fl.macs[1-from])
	}
}

func putTCP(b *event.Batch, fl *flow, from int) {
	state := fl.state()
	b.PutText(event.FlowState, state)
	if fl.did[from]&didSYN != 0 {
		b.PutInt(event.FlowISN, int64(fl.isn[from]))
		b.AddText(event.EventType, "start")
	}
	switch state {
	case "SF", "REJ", "RSTO", "RSTR", "RSTOS0", "RSTRH":
		b.AddText(event.EventType, "end")
	}
}

// putCommon puts what every event of a flow has: the flow itself, and whatever was said in it.
func (r *reader) putCommon(b *event.Batch, fl *flow, action, dataset string, num, off int64) {
	b.PutInt(event.Record, num)
	b.PutInt(event.LogOffset, off)
	b.PutText(event.TimeBasis, event.BasisUTC)
	b.PutText(event.EventKind, "event")
	b.AddText(event.EventCategory, "network")
	b.PutText(event.EventAction, action)
	b.PutText(event.EventProvider, "pcap")
	b.PutText(event.EventDataset, dataset)
	from, _ := fl.source()
	src, sport := fl.end(from)
	dst, dport := fl.end(1 - from)
	b.PutAddr(event.SourceIP, src)
	b.PutAddr(event.DestinationIP, dst)
	// ICMP's stand for types, and a fragment whose first is missing has none.
	if portful := fl.proto == protoTCP || fl.proto == protoUDP || fl.proto == protoSCTP; portful && sport|dport != 0 {
		b.PutInt(event.SourcePort, int64(sport))
		b.PutInt(event.DestinationPort, int64(dport))
	}
	r.putTransport(b, fl.proto)
	if fl.kind&keyV6 != 0 {
		b.PutText(event.NetworkType, "ipv6")
	} else {
		b.PutText(event.NetworkType, "ipv4")
	}
	if fl.app != appUnknown {
		b.PutText(event.NetworkProtocol, appNames[fl.app])
	}
	if r.o.Fields.Has(event.NetworkCommunityID) {
		r.scratch = appendCommunityID(r.scratch[:0], &fl.key)
		b.PutStr(event.NetworkCommunityID, r.scratch)
	}
}

func (r *reader) putTransport(b *event.Batch, proto uint8) {
	switch proto {
	case protoTCP:
		b.PutText(event.NetworkTransport, "tcp")
	case protoUDP:
		b.PutText(event.NetworkTransport, "udp")
	case protoICMP:
		b.PutText(event.NetworkTransport, "icmp")
	case protoICMPv6:
		b.PutText(event.NetworkTransport, "ipv6-icmp")
	case protoSCTP:
		b.PutText(event.NetworkTransport, "sctp")
	default:
		r.scratch = strconv.AppendUint(r.scratch[:0], uint64(proto), 10)
		b.PutStr(event.NetworkTransport, r.scratch)
	}
}

// putMAC writes a hardware address as ECS has it: 00-00-5E-00-53-23.
func (r *reader) putMAC(b *event.Batch, f event.Field, mac [6]byte) {
	const hex = "0123456789ABCDEF"
	r.scratch = r.scratch[:0]
	for i, c := range mac {
		if i > 0 {
			r.scratch = append(r.scratch, '-')
		}
		r.scratch = append(r.scratch, hex[c>>4], hex[c&15])
	}
	b.PutStr(f, r.scratch)
}

// appendCommunityID appends version 1 of the flow's community ID with seed 0 (github.com/corelight/community-id-spec): the
// hash of seed, addresses, protocol, a zero and ports, the smaller end first, which is how a key has them.
func appendCommunityID(dst []byte, k *key) []byte {
	var d [2 + 16 + 16 + 2 + 4]byte
	in := d[:2]
	if k.kind&keyV6 != 0 {
		in = append(append(in, k.a[:]...), k.b[:]...)
	} else {
		in = append(append(in, k.a[12:]...), k.b[12:]...)
	}
	in = append(in, k.proto, 0)
	switch k.proto {
	case protoTCP, protoUDP, protoSCTP, protoICMP, protoICMPv6:
		in = binary.BigEndian.AppendUint16(in, k.ap)
		in = binary.BigEndian.AppendUint16(in, k.bp)
	}
	sum := sha1.Sum(in)
	return base64.StdEncoding.AppendEncode(append(dst, "1:"...), sum[:])
}

// putHost gives a name of a pcapng's own table. It belongs to no packet: its record is 0.
func (r *reader) putHost(b *event.Batch) {
	h := r.hosts.first()
	b.Next()
	b.PutText(event.Role, event.RoleName)
	b.PutInt(event.Record, 0)
	b.PutInt(event.LogOffset, h.off)
	b.PutText(event.TimeBasis, event.BasisUTC)
	b.PutText(event.EventKind, "state")
	b.AddText(event.EventCategory, "network")
	b.AddText(event.EventType, "info")
	b.PutText(event.EventAction, "name")
	b.PutText(event.EventProvider, "pcap")
	b.PutText(event.EventDataset, "pcap.nrb")
	b.PutText(event.NameFrom, "nrb")
	b.PutText(event.NameValue, h.name)
	b.AddAddr(event.NameIP, h.addr)
}

// A said is when and where something was said in a flow.
type said struct{ time, num, off int64 }

func (r *reader) here() said { return said{r.f.time, r.f.num, r.f.off} }

// putSaid begins an event of something said in a flow.
func (r *reader) putSaid(b *event.Batch, fl *flow, at said, action, dataset string) {
	b.Next()
	r.putCommon(b, fl, action, dataset, at.num, at.off)
	b.AddText(event.EventType, "protocol")
	if !fl.untimed {
		b.PutTime(event.Timestamp, at.time)
	}
}

// skip counts an event of something said that nobody wants.
func (r *reader) skip(b *event.Batch, at said) {
	if r.untimed {
		b.Skipped++
		return
	}
	b.Skip(at.time)
}

func putName(b *event.Batch, from string, name []byte, addrs ...netip.Addr) {
	b.PutText(event.Role, event.RoleName)
	b.PutText(event.NameFrom, from)
	b.PutStr(event.NameValue, name)
	for _, a := range addrs {
		b.AddAddr(event.NameIP, a)
	}
}
