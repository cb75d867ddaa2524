package saved

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/text"
)

// PacketList is Wireshark's File > Export Packet Dissections > As CSV: the packet list as it was shown.
//
// A header names the columns as the user had them; by default No., Time, Source, Destination, Protocol, Length, Info. Every
// cell has quotes, doubled inside. Time is what View > Time Display Format says, by default seconds since the first packet
// of the capture, so that nobody can tell when that was. Ports stand in Info or in columns the user added.
var PacketList = &format.Format{
	Name:  "wireshark-csv",
	Doc:   "Wireshark's packet list, exported as CSV: packets as shown, names from DNS and TLS; no flows",
	Exts:  []string{".csv"},
	Match: matchPacketList,
	Open:  openPacketList,
}

// A packetColumn is one whose meaning is known.
type packetColumn uint8

const (
	colOther packetColumn = iota
	colNumber
	colTime
	colSource
	colDestination
	colProtocol
	colLength
	colInfo
	colSourcePort
	colDestinationPort
	numPacketColumns
)

var packetColumns = map[string]packetColumn{
	"no.": colNumber, "time": colTime, "source": colSource, "destination": colDestination, "protocol": colProtocol,
	"length": colLength, "info": colInfo,
	"source port": colSourcePort, "src port": colSourcePort, "destination port": colDestinationPort, "dest port": colDestinationPort, "dst port": colDestinationPort,
}

func matchPacketList(head []byte) bool {
	line, _ := text.FirstLine(head)
	var scratch []byte
	names, ok := cells(nil, line, &scratch)
	var has [numPacketColumns]bool
	for _, n := range names {
		has[packetColumns[strings.ToLower(string(n))]] = true
	}
	return ok && has[colNumber] && has[colTime] && has[colProtocol] && has[colInfo]
}

type packetList struct {
	o       format.Options
	lines   *text.AnyLines
	columns []packetColumn
	names   []string
	cells   [][]byte
	scratch []byte
	low     []byte

	row         [numPacketColumns][]byte
	first, last int64 // packet numbers
	rows        int64
	relative    bool // times are since the first packet
	zoneless    bool
	named       []byte
	dns         dnsInfo
}

func openPacketList(src *format.Source, o format.Options) (format.Reader, error) {
	head, err := src.Head()
	if err != nil {
		return nil, err
	}
	r := &packetList{o: o, lines: text.NewAnyLines(src.Stream(), text.EncodingOf(head))}
	line, err := r.lines.Next()
	if err == io.EOF {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	names, _ := cells(nil, line, &r.scratch)
	for _, n := range names {
		r.columns = append(r.columns, packetColumns[strings.ToLower(string(n))])
		r.names = append(r.names, "wireshark."+strings.ToLower(string(n)))
	}
	return r, nil
}

func (r *packetList) Read(b *event.Batch) error {
	for !b.Full() {
		line, err := r.lines.Next()
		if err == io.EOF {
			r.finish(b)
			return io.EOF
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", r.lines.Number, err)
		}
		if len(line) == 0 {
			continue
		}
		var ok bool
		r.cells, ok = cells(r.cells, line, &r.scratch)
		switch {
		case !ok && r.lines.Open:
			b.AddBad(r.lines.Number, r.lines.Offset, fmt.Sprintf("ends inside line %d", r.lines.Number))
		case !ok:
			b.AddBad(r.lines.Number, r.lines.Offset, "has a quote that is not closed")
		case len(r.cells) != len(r.columns):
			b.AddBad(r.lines.Number, r.lines.Offset, fmt.Sprintf("has %d cells, the header %d", len(r.cells), len(r.columns)))
		default:
			r.packet(b)
		}
	}
	return nil
}

// finish says what the list can't tell, and what was left out of it.
func (r *packetList) finish(b *event.Batch) {
	if r.lines.Torn {
		b.AddBad(r.lines.Number, r.lines.Offset, "ends inside a character of UTF-16")
	}
	if r.rows == 0 {
		return
	}
	b.Note("a packet list has no flows to name programs for, only names: add the capture it was exported from")
	if r.relative {
		b.Note("its times count from the first packet, so nobody knows when that was; in Wireshark: View > Time Display Format > UTC Date and Time of Day, and export again")
	}
	if r.zoneless {
		b.Note("its times don't say their zone: local time of the machine that exported it, or UTC")
	}
	if span := r.last - r.first + 1; r.first > 0 && span > r.rows {
		b.Note(fmt.Sprintf("holds %d of packets %d to %d: a display filter was on when it was exported", r.rows, r.first, r.last))
	}
}

// A stamp is what a packet's Time says.
type stamp struct {
	ns    int64
	basis string // "" when it is no point in time
}

// time reads a Time in any of the formats that Wireshark shows.
func (r *packetList) time(v []byte) stamp {
	if len(v) > 20 && v[19] == ',' { // decimal comma
		v[19] = '.'
	}
	if ns, zoned, ok := text.Time(v); ok {
		if zoned {
			return stamp{ns, event.BasisUTC}
		}
		r.zoneless = true
		return stamp{ns, event.BasisLocal}
	}
	if len(v) > 8 && v[2] == ':' && v[5] == ':' {
		if t, err := time.Parse("15:04:05.999999999", string(v)); err == nil {
			return stamp{int64(t.Sub(t.Truncate(24 * time.Hour))), event.BasisTimeOfDay}
		}
	}
	const epoch = 1e17 // ns: in 1973; nobody captures for three years
	if ns, ok := text.Epoch(v); ok && ns > epoch {
		return stamp{ns, event.BasisUTC}
	} else if ok {
		r.relative = true
	}
	return stamp{}
}

// packet puts the packet in r.cells.
func (r *packetList) packet(b *event.Batch) {
	r.row = [numPacketColumns][]byte{}
	for i, c := range r.columns {
		r.row[c] = r.cells[i]
	}
	r.rows++
	number, numbered := text.Int(r.row[colNumber])
	if numbered && number > 0 {
		if r.first == 0 {
			r.first, r.last = number, number
		}
		r.first, r.last = min(r.first, number), max(r.last, number)
	}
	at := r.time(r.row[colTime])
	r.findName()
	if r.o.RolesOnly && r.named == nil {
		if at.basis != "" {
			b.Skip(at.ns)
		} else {
			b.Skipped++
		}
		return
	}
	b.Next()
	b.PutInt(event.Record, r.lines.Number)
	b.PutInt(event.LogOffset, r.lines.Offset)
	if numbered {
		b.PutInt(event.EventSequence, number)
	}
	if at.basis != "" {
		b.PutTime(event.Timestamp, at.ns)
		b.PutText(event.TimeBasis, at.basis)
	} else if len(r.row[colTime]) > 0 {
		b.PutExtra("wireshark.time", r.row[colTime])
	}
	b.PutText(event.EventKind, "event")
	b.AddText(event.EventCategory, "network")
	b.AddText(event.EventType, "protocol")
	b.PutText(event.EventProvider, "Wireshark")
	b.PutText(event.EventDataset, "wireshark.packets")
	b.PutText(event.EventAction, "packet")
	r.putEnds(b)
	r.putProtocol(b)
	r.putInfo(b)
	for i, c := range r.columns {
		if c == colOther && len(r.cells[i]) > 0 {
			b.PutExtra(r.names[i], r.cells[i])
		}
	}
}

func (r *packetList) putEnds(b *event.Batch) {
	for _, e := range [...]struct {
		end
		host packetColumn
		name string
	}{
		{end{ip: event.SourceIP}, colSource, "source.address"},
		{end{ip: event.DestinationIP}, colDestination, "destination.address"},
	} {
		if a, ok := text.Addr(r.row[e.host]); ok {
			b.PutAddr(e.ip, a)
		} else if len(r.row[e.host]) > 0 { // a name, or a hardware address in one of many spellings
			b.PutExtra(e.name, r.row[e.host])
		}
	}
	src, srcOK := text.Int(r.row[colSourcePort])
	dst, dstOK := text.Int(r.row[colDestinationPort])
	if !srcOK || !dstOK {
		src, dst, srcOK = portsOf(r.row[colInfo])
		dstOK = srcOK
	}
	if srcOK && dstOK && src >= 0 && src < 1<<16 && dst >= 0 && dst < 1<<16 {
		b.PutInt(event.SourcePort, src)
		b.PutInt(event.DestinationPort, dst)
	}
}

// portsOf reads the ports that the Info of TCP and UDP begins with: 49829 → 443 [SYN] …, maybe after remarks in brackets.
func portsOf(info []byte) (src, dst int64, ok bool) {
	for len(info) > 0 && info[0] == '[' {
		_, rest, closed := bytes.Cut(info, []byte{']'})
		if !closed {
			return 0, 0, false
		}
		info = bytes.TrimLeft(rest, " ,")
	}
	a, rest, ok := bytes.Cut(info, []byte("\u2192"))
	if !ok {
		if a, rest, ok = bytes.Cut(info, []byte{'>'}); !ok {
			return 0, 0, false
		}
	}
	rest = bytes.TrimLeft(rest, " ")
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	src, ok1 := text.Int(bytes.TrimRight(a, " "))
	dst, ok2 := text.Int(rest[:n])
	return src, dst, ok1 && ok2
}

func (r *packetList) putProtocol(b *event.Batch) {
	p := r.lower(r.row[colProtocol])
	switch {
	case len(p) == 0:
	case string(p) == "tcp", string(p) == "udp":
		b.PutStr(event.NetworkTransport, p)
	case bytes.HasPrefix(p, []byte("tlsv")), bytes.HasPrefix(p, []byte("ssl")):
		b.PutText(event.NetworkTransport, "tcp")
		b.PutText(event.NetworkProtocol, "tls")
	default:
		b.PutStr(event.NetworkProtocol, p)
	}
	if n, ok := text.Int(r.row[colLength]); ok {
		b.PutInt(event.NetworkBytes, n)
	}
}

func (r *packetList) lower(v []byte) []byte {
	r.low = r.low[:0]
	for _, c := range v {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		r.low = append(r.low, c)
	}
	return r.low
}

func (r *packetList) is(protocol string) bool { return string(r.row[colProtocol]) == protocol }

// findName finds the name that the packet makes known for an address, if any: r.named.
func (r *packetList) findName() {
	r.named = nil
	info := r.row[colInfo]
	r.dns.parsed = r.is("DNS") && r.dns.parse(info)
	if r.dns.parsed && r.dns.answer && len(r.dns.addrs) > 0 {
		r.named = r.dns.name
	}
	if name := serverName(info); name != nil && !r.is("DNS") {
		if _, ok := text.Addr(r.row[colDestination]); ok {
			r.named = name
		}
	}
}

// serverName finds the name in Client Hello (SNI=example.com).
func serverName(info []byte) []byte {
	_, rest, ok := bytes.Cut(info, []byte("Client Hello (SNI="))
	if !ok {
		return nil
	}
	name, _, ok := bytes.Cut(rest, []byte{')'})
	if !ok || len(name) == 0 || bytes.ContainsAny(name, " \"") {
		return nil
	}
	return name
}

// putInfo puts what Info says of names and requests.
func (r *packetList) putInfo(b *event.Batch) {
	info := r.row[colInfo]
	if len(info) > 0 {
		b.PutStr(event.Message, info)
	}
	if r.named != nil {
		b.PutText(event.Role, event.RoleName)
		b.PutStr(event.NameValue, r.lower(bytes.TrimSuffix(r.named, []byte{'.'})))
	}
	switch {
	case r.dns.parsed:
		r.putDNS(b)
	case r.named != nil:
		b.PutText(event.NameFrom, "sni")
		b.PutStr(event.TLSClientServerName, r.lower(r.named))
		if a, ok := text.Addr(r.row[colDestination]); ok {
			b.AddAddr(event.NameIP, a)
		}
	case r.is("HTTP"):
		putHTTP(b, info)
	}
}

func (r *packetList) putDNS(b *event.Batch) {
	d := &r.dns
	b.PutText(event.DNSType, map[bool]string{true: "answer", false: "query"}[d.answer])
	b.PutText(event.DNSID, strconv.FormatInt(d.id, 10))
	if len(d.name) > 0 {
		b.PutStr(event.DNSQuestionName, r.lower(bytes.TrimSuffix(d.name, []byte{'.'})))
		b.PutStr(event.DNSQuestionType, d.kind)
	}
	if d.code != "" {
		b.PutText(event.DNSResponseCode, d.code)
	}
	for _, a := range d.addrs {
		b.AddAddr(event.DNSResolvedIP, a)
	}
	if r.named != nil {
		b.PutText(event.NameFrom, "dns")
		for _, a := range d.addrs {
			b.AddAddr(event.NameIP, a)
		}
	}
}

// methods are those of HTTP that stand in real packet lists.
var methods = [][]byte{[]byte("GET "), []byte("POST "), []byte("HEAD "), []byte("PUT "), []byte("DELETE "), []byte("OPTIONS "), []byte("PATCH "), []byte("CONNECT "), []byte("PROPFIND ")}

func putHTTP(b *event.Batch, info []byte) {
	if rest, ok := bytes.CutPrefix(info, []byte("HTTP/1.")); ok && len(rest) > 5 {
		if code, ok := text.Int(rest[2:5]); ok && rest[1] == ' ' {
			b.PutInt(event.HTTPResponseStatusCode, code)
		}
		return
	}
	for _, m := range methods {
		if rest, ok := bytes.CutPrefix(info, m); ok {
			b.PutStr(event.HTTPRequestMethod, m[:len(m)-1])
			path, _, _ := bytes.Cut(rest, []byte{' '})
			b.PutStr(event.URLPath, path)
			return
		}
	}
}
