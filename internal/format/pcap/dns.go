package pcap

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"

	"culprit/internal/event"
)

const (
	maxNames   = 16  // names of one message that stand for addresses
	maxRecords = 128 // resource records of one message
	maxAddrs   = 64  // addresses of one message
)

// Types of resource records that are looked into.
const (
	dnsA     = 1
	dnsNS    = 2
	dnsCNAME = 5
	dnsSOA   = 6
	dnsPTR   = 12
	dnsMX    = 15
	dnsTXT   = 16
	dnsAAAA  = 28
	dnsSRV   = 33
	dnsDNAME = 39
	dnsSVCB  = 64
	dnsHTTPS = 65
)

// A dnsMessage is a DNS message (RFC 1035), or one of mDNS (RFC 6762) or LLMNR (RFC 4795), which look alike. Its names are
// lower case and without final dot. It is used again for the next message.
type dnsMessage struct {
	id      uint16
	answer  bool
	code    uint8
	asked   bool // it has a question
	name    text // of the question
	kind    uint16
	records []dnsRecord
	addrs   []dnsAddr
	names   []dnsName
	chain   []text
	ips     []netip.Addr
	buf     []byte // all texts
}

// A text is a part of dnsMessage.buf.
type text struct{ from, to int }

type dnsRecord struct {
	name, data text
	kind       uint16
}

type dnsAddr struct {
	name text
	addr netip.Addr
}

// A dnsName is a name that the message says stands for addresses.
type dnsName struct {
	from  string
	value text
	ips   []netip.Addr
}

func (m *dnsMessage) text(t text) []byte { return m.buf[t.from:t.to] }

// parse reads a message and says whether it is one. What is cut off or wrong behind the question is left out.
func (m *dnsMessage) parse(d []byte, multicast bool) bool {
	if len(d) < 12 {
		return false
	}
	flags := binary.BigEndian.Uint16(d[2:])
	questions, answers := int(binary.BigEndian.Uint16(d[4:])), int(binary.BigEndian.Uint16(d[6:]))
	if flags>>11&15 != 0 || questions > 1 && !multicast || questions > 64 {
		return false
	}
	*m = dnsMessage{
		id: binary.BigEndian.Uint16(d), answer: flags>>15 != 0, code: uint8(flags & 15), asked: questions > 0,
		records: m.records[:0], addrs: m.addrs[:0], names: m.names[:0], chain: m.chain[:0], ips: m.ips[:0], buf: m.buf[:0],
	}
	if !m.asked && !(m.answer && answers > 0) {
		return false
	}
	at := 12
	for i := range questions {
		name, next, ok := m.readName(d, at)
		if !ok || next+4 > len(d) {
			return false
		}
		if i == 0 {
			m.name, m.kind = name, binary.BigEndian.Uint16(d[next:])
		}
		at = next + 4
	}
	if !m.answer {
		return true
	}
	if multicast || m.kind == dnsSRV || m.kind == dnsMX { // the addresses are in the additional section
		answers += int(binary.BigEndian.Uint16(d[8:])) + int(binary.BigEndian.Uint16(d[10:]))
	}
	for range min(answers, maxRecords) {
		next, ok := m.readRecord(d, at)
		if !ok {
			break
		}
		at = next
	}
	return true
}

// readName appends the name at d[at:] to buf. Each compression pointer must point before the last, so that none can lead in
// a circle.
func (m *dnsMessage) readName(d []byte, at int) (t text, next int, ok bool) {
	t.from = len(m.buf)
	limit := at // pointers must point before this
	for at < len(d) {
		n := int(d[at])
		switch {
		case n == 0:
			if next == 0 {
				next = at + 1
			}
			t.to = len(m.buf)
			return t, next, true
		case n < 64:
			if at+1+n > len(d) || len(m.buf)-t.from+n > 255 {
				return t, 0, false
			}
			if len(m.buf) > t.from {
				m.buf = append(m.buf, '.')
			}
			m.appendLabel(d[at+1 : at+1+n])
			at += 1 + n
		case n >= 192 && at+1 < len(d):
			to := n&63<<8 | int(d[at+1])
			if next == 0 {
				next = at + 2
			}
			if to >= limit {
				return t, 0, false
			}
			at, limit = to, to
		default:
			return t, 0, false
		}
	}
	return t, 0, false
}

func (m *dnsMessage) appendLabel(label []byte) {
	for _, c := range label {
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c == '.' || c == '\\':
			m.buf = append(m.buf, '\\')
		}
		m.buf = append(m.buf, c)
	}
}

// readRecord reads the resource record at d[at:] and says where the next one begins.
func (m *dnsMessage) readRecord(d []byte, at int) (next int, ok bool) {
	name, at, ok := m.readName(d, at)
	if !ok || at+10 > len(d) {
		return 0, false
	}
	rec := dnsRecord{name: name, kind: binary.BigEndian.Uint16(d[at:])}
	size := int(binary.BigEndian.Uint16(d[at+8:]))
	at += 10
	if at+size > len(d) {
		return 0, false
	}
	rec.data = m.readData(d, at, size, rec)
	m.records = append(m.records, rec)
	return at + size, true
}

// readData appends a record's data as text: addresses and names as such, the rest by length.
func (m *dnsMessage) readData(d []byte, at, size int, rec dnsRecord) (t text) {
	t.from = len(m.buf)
	v := d[at : at+size]
	skip := 0 // bytes of numbers before a name
	switch rec.kind {
	case dnsA, dnsAAAA:
		if addr, ok := netip.AddrFromSlice(v); ok && addr.Is4() == (rec.kind == dnsA) {
			m.addAddr(rec.name, addr)
			m.buf = addr.AppendTo(m.buf)
		}
		return text{t.from, len(m.buf)}
	case dnsTXT:
		m.readStrings(v)
		return text{t.from, len(m.buf)}
	case dnsMX:
		skip = 2
	case dnsSRV:
		skip = 6
	case dnsSVCB, dnsHTTPS:
		skip = 2
		m.readHints(d[:at+size], at, rec.name)
	case dnsNS, dnsCNAME, dnsPTR, dnsDNAME, dnsSOA:
	default:
		m.buf = strconv.AppendInt(append(m.buf, `\# `...), int64(size), 10) // RFC 3597's form, without the bytes
		return text{t.from, len(m.buf)}
	}
	if size < skip {
		return text{t.from, t.from}
	}
	for i := 0; i < skip; i += 2 {
		m.buf = append(strconv.AppendUint(m.buf, uint64(binary.BigEndian.Uint16(v[i:])), 10), ' ')
	}
	name, _, ok := m.readName(d[:at+size], at+skip)
	if !ok {
		return text{t.from, t.from}
	}
	if name.from == name.to {
		m.buf = append(m.buf, '.') // the root, or of an HTTPS record the owner itself
		name.to++
	}
	return text{t.from, name.to}
}

func (m *dnsMessage) addAddr(name text, addr netip.Addr) {
	if len(m.addrs) < maxAddrs {
		m.addrs = append(m.addrs, dnsAddr{name, addr})
	}
}

func (m *dnsMessage) readStrings(v []byte) {
	for i := 0; len(v) > 0; i++ {
		n := min(int(v[0]), len(v)-1)
		if i > 0 {
			m.buf = append(m.buf, ' ')
		}
		m.buf = append(m.buf, v[1:1+n]...)
		v = v[1+n:]
	}
}

// readHints takes the addresses that an HTTPS record gives along with the name (RFC 9460: priority, target, then parameters
// of key, length, value), because a browser may connect to them without asking for A and AAAA.
func (m *dnsMessage) readHints(d []byte, at int, owner text) {
	if at+3 > len(d) {
		return
	}
	mark := len(m.buf)
	_, at, ok := m.readName(d, at+2)
	m.buf = m.buf[:mark]
	for ok && at+4 <= len(d) {
		key, size := binary.BigEndian.Uint16(d[at:]), int(binary.BigEndian.Uint16(d[at+2:]))
		at += 4
		if at+size > len(d) {
			return
		}
		if n := map[uint16]int{4: 4, 6: 16}[key]; n > 0 {
			for v := d[at : at+size]; len(v) >= n; v = v[n:] {
				addr, _ := netip.AddrFromSlice(v[:n])
				m.addAddr(owner, addr)
			}
		}
		at += size
	}
}

// findNames finds what the answers say that a name stands for. from is who says so.
func (m *dnsMessage) findNames(from string) {
	if !m.answer || len(m.records) == 0 {
		return
	}
	if !m.asked || from == appNames[appMDNS] || m.kind == dnsSRV || m.kind == dnsMX {
		m.addOwners(from)
	} else {
		m.followAliases()
		m.addName(from, m.name, m.inChain)
	}
	for _, rec := range m.records {
		if rec.kind != dnsPTR || rec.data.to == rec.data.from || len(m.names) >= maxNames {
			continue
		}
		owner := rec.name
		if m.asked && m.inChain(owner) {
			owner = m.name
		}
		if addr, ok := reverseAddr(string(m.text(owner))); ok {
			m.ips = append(m.ips, addr)
			m.names = append(m.names, dnsName{"ptr", rec.data, m.ips[len(m.ips)-1:]})
		}
	}
}

// addOwners adds every owner with its own addresses: what is asked for is a service, not a name.
func (m *dnsMessage) addOwners(from string) {
	for _, a := range m.addrs {
		same := func(t text) bool { return bytes.Equal(m.text(t), m.text(a.name)) }
		if !slices.ContainsFunc(m.names, func(n dnsName) bool { return same(n.value) }) {
			m.addName(from, a.name, same)
		}
	}
}

// addName adds a name with the addresses of the owners that belong to it.
func (m *dnsMessage) addName(from string, name text, belongs func(owner text) bool) {
	begin := len(m.ips)
	for _, a := range m.addrs {
		if belongs(a.name) && !slices.Contains(m.ips[begin:], a.addr) {
			m.ips = append(m.ips, a.addr)
		}
	}
	if len(m.ips) > begin && len(m.names) < maxNames && name.to > name.from {
		m.names = append(m.names, dnsName{from, name, m.ips[begin:len(m.ips):len(m.ips)]})
	}
}

// followAliases collects the names that the question's name is an alias of: they stand for it.
func (m *dnsMessage) followAliases() {
	m.chain = append(m.chain, m.name)
	for again := true; again && len(m.chain) < maxNames; {
		again = false
		for _, rec := range m.records {
			if rec.kind == dnsCNAME && m.inChain(rec.name) && !m.inChain(rec.data) {
				m.chain = append(m.chain, rec.data)
				again = true
			}
		}
	}
}

func (m *dnsMessage) inChain(name text) bool {
	return slices.ContainsFunc(m.chain, func(t text) bool { return bytes.Equal(m.text(t), m.text(name)) })
}

// reverseAddr gives the address in a name like 4.3.2.1.in-addr.arpa.
func reverseAddr(name string) (netip.Addr, bool) {
	if v4, ok := bytes.CutSuffix([]byte(name), []byte(".in-addr.arpa")); ok {
		parts := bytes.Split(v4, []byte{'.'})
		slices.Reverse(parts)
		addr, err := netip.ParseAddr(string(bytes.Join(parts, []byte{'.'})))
		return addr, err == nil && addr.Is4()
	}
	v6, ok := bytes.CutSuffix([]byte(name), []byte(".ip6.arpa"))
	if !ok || len(v6) != 63 {
		return netip.Addr{}, false
	}
	var a [16]byte
	for i := range 32 {
		c := v6[62-2*i]
		n := bytes.IndexByte([]byte("0123456789abcdef"), c)
		if n < 0 || i < 31 && v6[61-2*i] != '.' {
			return netip.Addr{}, false
		}
		a[i/2] = a[i/2]<<4 | byte(n)
	}
	return netip.AddrFrom16(a), true
}

// lookDNS gives the events of a DNS message and says whether it is one.
func (r *reader) lookDNS(b *event.Batch, fl *flow, app uint8, d []byte) bool {
	m := &r.dns
	if !m.parse(d, app == appMDNS) {
		return false
	}
	fl.app = app
	m.findNames(appNames[app])
	at := r.here()
	if len(m.names) == 0 && r.o.RolesOnly {
		r.skip(b, at)
		return true
	}
	r.putDNS(b, fl, at, 0)
	for i := 1; i < len(m.names); i++ {
		r.putDNS(b, fl, at, i)
	}
	return true
}

// putDNS gives the event of the message's i-th name. The first one, which is there even if the message has no name, has the
// answers too.
func (r *reader) putDNS(b *event.Batch, fl *flow, at said, i int) {
	m := &r.dns
	action, kind := "dns-query", "query"
	if m.answer {
		action, kind = "dns-answer", "answer"
	}
	r.putSaid(b, fl, at, action, "pcap.dns")
	b.PutText(event.DNSType, kind)
	r.scratch = strconv.AppendUint(r.scratch[:0], uint64(m.id), 10)
	b.PutStr(event.DNSID, r.scratch)
	if m.asked {
		b.PutStr(event.DNSQuestionName, m.text(m.name))
		b.PutText(event.DNSQuestionType, dnsTypeName(m.kind))
	}
	if i < len(m.names) {
		n := m.names[i]
		putName(b, n.from, m.text(n.value), n.ips...)
	}
	if i > 0 || !m.answer {
		return
	}
	b.PutText(event.DNSResponseCode, dnsCodeName(m.code))
	for _, rec := range m.records {
		b.AddStr(event.DNSAnswersData, m.text(rec.data))
	}
	for _, rec := range m.records {
		b.AddStr(event.DNSAnswersName, m.text(rec.name))
	}
	for _, rec := range m.records {
		b.AddText(event.DNSAnswersType, dnsTypeName(rec.kind))
	}
	for _, a := range m.addrs {
		b.AddAddr(event.DNSResolvedIP, a.addr)
	}
}

func dnsTypeName(t uint16) string {
	switch t {
	case dnsA:
		return "A"
	case dnsNS:
		return "NS"
	case dnsCNAME:
		return "CNAME"
	case dnsSOA:
		return "SOA"
	case dnsPTR:
		return "PTR"
	case dnsMX:
		return "MX"
	case dnsTXT:
		return "TXT"
	case dnsAAAA:
		return "AAAA"
	case dnsSRV:
		return "SRV"
	case dnsDNAME:
		return "DNAME"
	case dnsSVCB:
		return "SVCB"
	case dnsHTTPS:
		return "HTTPS"
	}
	return rareTypeName(t)
}

func rareTypeName(t uint16) string {
	names := map[uint16]string{
		10: "NULL", 13: "HINFO", 29: "LOC", 35: "NAPTR", 37: "CERT", 41: "OPT", 43: "DS", 44: "SSHFP", 46: "RRSIG", 47: "NSEC",
		48: "DNSKEY", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 99: "SPF", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR",
		255: "ANY", 256: "URI", 257: "CAA",
	}
	if n := names[t]; n != "" {
		return n
	}
	return "TYPE" + strconv.Itoa(int(t))
}

func dnsCodeName(c uint8) string {
	names := [...]string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"}
	if int(c) < len(names) {
		return names[c]
	}
	return "RCODE" + strconv.Itoa(int(c))
}
