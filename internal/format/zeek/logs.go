package zeek

import (
	"bytes"
	"net/netip"

	"culprit/internal/event"
	"culprit/internal/format/text"
)

// role says what a row is to attribution, before anything of it is taken.
func (d *decoder) role(l *log) string {
	names := false
	switch l.name {
	case "conn":
		if d.has[origH] && d.has[respH] {
			return event.RoleFlow
		}
	case "dns":
		names = d.namesAddress()
	case "ssl", "quic":
		names = d.has[serverName] && d.isAddr(respH)
	case "http":
		names = d.has[host] && d.isAddr(respH) && !d.proxied() && d.hostName() != nil
	}
	if names {
		return event.RoleName
	}
	return ""
}

func (d *decoder) isAddr(s slot) bool {
	if !d.has[s] {
		return false
	}
	_, ok := text.Addr(d.vals[s].Raw)
	return ok
}

// conn puts a connection. Bytes are those of IP, as a capture has them; the payload is kept beside them.
func (d *decoder) conn(at int64, timed bool) {
	b := d.b
	b.AddText(event.EventCategory, "network")
	b.AddText(event.EventType, "connection")
	if timed {
		b.PutTime(event.EventStart, at)
	}
	if d.has[duration] {
		if ns, ok := text.Epoch(d.vals[duration].Raw); ok {
			d.has[duration] = false
			b.PutInt(event.EventDuration, ns)
			if timed {
				b.PutTime(event.EventEnd, at+ns)
			}
		}
	} else if timed {
		b.PutTime(event.EventEnd, at) // Zeek leaves out the duration of a connection of one packet
	}
	d.counts()
	if v := d.str(service); v != nil {
		b.PutStr(event.NetworkProtocol, v)
	}
	if v := d.str(communityID); v != nil {
		b.PutStr(event.NetworkCommunityID, v)
	}
	if v := d.str(origMAC); v != nil {
		b.PutStr(event.SourceMAC, v)
	}
	if v := d.str(respMAC); v != nil {
		b.PutStr(event.DestinationMAC, v)
	}
	if v := d.str(vlan); v != nil {
		b.PutStr(event.NetworkVLANID, v)
	}
	d.state()
}

// counts puts packets and bytes.
func (d *decoder) counts() {
	op, ok1 := d.int(origPkts)
	rp, ok2 := d.int(respPkts)
	d.put(event.SourcePackets, op, ok1)
	d.put(event.DestinationPackets, rp, ok2)
	d.put(event.NetworkPackets, op+rp, ok1 && ok2)
	ob, ok3 := d.int(origIPBytes)
	rb, ok4 := d.int(respIPBytes)
	d.put(event.SourceBytes, ob, ok3)
	d.put(event.DestinationBytes, rb, ok4)
	d.put(event.NetworkBytes, ob+rb, ok3 && ok4)
	n, ok := d.int(origBytes)
	d.put(event.FlowPayloadSource, n, ok)
	n, ok = d.int(respBytes)
	d.put(event.FlowPayloadDestination, n, ok)
	d.conns++
	if ok1 && op == 0 && d.has[history] && bytes.HasPrefix(d.vals[history].Raw, []byte("^")) {
		d.oneSided++
	}
}

func (d *decoder) put(f event.Field, n int64, ok bool) {
	if ok {
		d.b.PutInt(f, n)
	}
}

// state puts conn_state and history. A history that begins with S begins with the opener's SYN; otherwise Zeek took the one
// it saw first for the opener, or the one with the unusual port.
func (d *decoder) state() {
	b := d.b
	if v := d.str(connState); v != nil {
		b.PutStr(event.ZeekConnectionState, v)
		b.PutStr(event.FlowState, v)
		switch string(v) {
		case "SF":
			b.AddText(event.EventType, "start")
			b.AddText(event.EventType, "end")
		case "REJ":
			b.AddText(event.EventType, "denied")
		case "S0", "S1":
			b.AddText(event.EventType, "start")
		}
	}
	initiator := "first"
	if v := d.str(history); v != nil {
		b.PutStr(event.ZeekConnectionHistory, v)
		if v[0] == 'S' {
			initiator = "syn"
		}
	}
	b.PutText(event.FlowInitiator, initiator)
}

// namesAddress says whether a row of dns has an answer that gives a name to an address.
func (d *decoder) namesAddress() bool {
	if !d.has[query] || !d.has[answers] {
		return false
	}
	if d.isPTR() {
		_, ok := reverse(d.vals[query].Raw)
		return ok
	}
	for a := range d.list(answers) {
		if _, ok := text.Addr(a); ok {
			return true
		}
	}
	return false
}

func (d *decoder) isPTR() bool { return d.has[qtypeName] && string(d.vals[qtypeName].Raw) == "PTR" }

// dns puts a query and its answers. An address among them belongs to the name asked for, however many aliases stand between.
func (d *decoder) dns() {
	b := d.b
	b.AddText(event.EventCategory, "network")
	b.AddText(event.EventType, "protocol")
	b.PutText(event.NetworkProtocol, "dns")
	ptr := d.isPTR()
	from := "dns"
	if b.Int(event.DestinationPort, b.Len-1) == 5353 {
		from = "mdns"
	}
	b.PutText(event.DNSType, "query")
	if v := d.str(transID); v != nil {
		b.PutStr(event.DNSID, v)
	}
	if d.has[rtt] {
		if ns, ok := text.Epoch(d.vals[rtt].Raw); ok {
			d.has[rtt] = false
			b.PutInt(event.EventDuration, ns)
		}
	}
	if v := d.str(qtypeName); v != nil {
		b.PutStr(event.DNSQuestionType, v)
	}
	if v := d.str(rcodeName); v != nil {
		b.PutText(event.DNSType, "answer")
		b.PutStr(event.DNSResponseCode, v)
	}
	name := d.lower(d.str(query))
	if name != nil {
		b.PutStr(event.DNSQuestionName, name)
	}
	for a := range d.list(answers) {
		b.AddStr(event.DNSAnswersData, a)
	}
	if ptr {
		d.ptr(name)
	} else {
		d.addresses(name, from)
	}
	d.has[answers] = false
}

func (d *decoder) addresses(name []byte, from string) {
	b, found := d.b, false
	for a := range d.list(answers) {
		if ip, ok := text.Addr(a); ok {
			b.AddAddr(event.DNSResolvedIP, ip)
			found = true
		}
	}
	if !found || name == nil {
		return
	}
	b.PutStr(event.NameValue, name)
	b.PutText(event.NameFrom, from)
	for ip := range b.Addrs(event.DNSResolvedIP, b.Len-1) {
		b.AddAddr(event.NameIP, ip)
	}
}

func (d *decoder) ptr(query []byte) {
	ip, ok := reverse(query)
	if !ok {
		return
	}
	for a := range d.list(answers) {
		d.b.PutStr(event.NameValue, d.lower(a))
		d.b.PutText(event.NameFrom, "ptr")
		d.b.AddAddr(event.NameIP, ip)
		return
	}
}

// lower gives a name of the DNS in lower case without a final dot.
func (d *decoder) lower(v []byte) []byte {
	v = bytes.TrimSuffix(v, []byte("."))
	if len(v) == 0 {
		return nil
	}
	from := len(d.scratch)
	for _, c := range v {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		d.scratch = append(d.scratch, c)
	}
	return d.scratch[from:len(d.scratch):len(d.scratch)]
}

// reverse gives the address that a name under in-addr.arpa or ip6.arpa stands for.
func reverse(name []byte) (netip.Addr, bool) {
	name = bytes.TrimSuffix(name, []byte("."))
	if n := len(name) - len(".in-addr.arpa"); n > 0 && bytes.EqualFold(name[n:], []byte(".in-addr.arpa")) {
		a, ok := text.Addr(name[:n])
		if !ok || !a.Is4() {
			return netip.Addr{}, false
		}
		v := a.As4()
		return netip.AddrFrom4([4]byte{v[3], v[2], v[1], v[0]}), true
	}
	n := len(name) - len(".ip6.arpa")
	if n != 63 || !bytes.EqualFold(name[n:], []byte(".ip6.arpa")) {
		return netip.Addr{}, false
	}
	var v [16]byte
	for i := range 32 {
		x, ok := text.Int([]byte{'0', 'x', name[62-2*i]})
		if !ok || i < 31 && name[61-2*i] != '.' {
			return netip.Addr{}, false
		}
		v[i/2] |= byte(x) << (4 * (1 - i%2))
	}
	return netip.AddrFrom16(v), true
}

// tls puts the server's name a client asked for, in TLS or QUIC.
func (d *decoder) tls() {
	b := d.b
	b.AddText(event.EventCategory, "network")
	b.AddText(event.EventType, "protocol")
	b.PutText(event.NetworkProtocol, "tls")
	name := d.lower(d.str(serverName))
	if name == nil {
		return
	}
	b.PutStr(event.TLSClientServerName, name)
	d.name(name, "sni")
}

// name says that a name stood for the responder's address.
func (d *decoder) name(name []byte, from string) {
	b := d.b
	if ip := b.Addr(event.DestinationIP, b.Len-1); ip.IsValid() {
		b.PutStr(event.NameValue, name)
		b.PutText(event.NameFrom, from)
		b.AddAddr(event.NameIP, ip)
	}
}

// proxied says whether the request was to a proxy, whose address is not the host's.
func (d *decoder) proxied() bool {
	return d.has[method] && string(d.vals[method].Raw) == "CONNECT" || d.has[uri] && bytes.HasPrefix(d.vals[uri].Raw, []byte("http"))
}

// hostName gives the name in the Host header, nil if it is an address or nothing.
func (d *decoder) hostName() []byte {
	if !d.has[host] {
		return nil
	}
	v := d.vals[host].Raw
	if bytes.HasPrefix(v, []byte("[")) {
		return nil
	}
	v = withoutPort(v)
	if _, ok := text.Addr(v); ok || len(v) == 0 {
		return nil
	}
	return v
}

// withoutPort takes the port off a host, unless it is an address with colons of its own.
func withoutPort(v []byte) []byte {
	if i := bytes.IndexByte(v, ':'); i >= 0 && i == bytes.LastIndexByte(v, ':') {
		return v[:i]
	}
	return v
}

// http puts a request.
func (d *decoder) http() {
	b := d.b
	b.AddText(event.EventCategory, "network")
	b.AddText(event.EventType, "protocol")
	b.PutText(event.NetworkProtocol, "http")
	if name := d.lower(d.hostName()); name != nil && !d.proxied() {
		d.name(name, "http")
	}
	if v := d.str(host); v != nil {
		b.PutStr(event.URLDomain, d.lower(withoutPort(v)))
	}
	for _, p := range [...]struct {
		s slot
		f event.Field
	}{{method, event.HTTPRequestMethod}, {uri, event.URLPath}, {userAgent, event.UserAgentOriginal}} {
		if v := d.str(p.s); v != nil {
			b.PutStr(p.f, v)
		}
	}
	n, ok := d.int(statusCode)
	d.put(event.HTTPResponseStatusCode, n, ok)
}
