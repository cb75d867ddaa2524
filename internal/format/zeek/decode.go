package zeek

import (
	"bytes"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/text"
)

// A decoder makes events of rows, whatever they came in.
type decoder struct {
	o         format.Options
	all       bool   // fields outside the vocabulary are wanted
	fileLog   string // log by the file's name, "" when it says nothing
	knownFile bool   // that name is one of Zeek's logs
	logs      map[string]*log

	// The row at hand.
	b            *event.Batch
	line, offset int64
	vals         [numSlots]value
	has          [numSlots]bool
	loaded       []slot
	rest         []field
	scratch      []byte
	setSep       []byte

	conns, oneSided int // rows of conn
}

// A value is a value, or in a tab-separated log several with the decoder's setSep between them.
type value struct {
	text.Value
	several bool
}

type field struct {
	name  string
	bytes []byte // when name is empty
	value
}

// commonLogs are the logs whose name in a file's name is believed.
var commonLogs = strings.Fields(`conn dns http ssl quic files x509 weird notice dhcp smb_files smb_mapping dce_rpc ntlm kerberos rdp ssh ftp
	smtp ldap tunnel pe ocsp analyzer dpd software intel known_hosts known_services known_certs snmp sip syslog radius mysql mqtt_connect
	modbus dnp3 irc socks stats packet_filter capture_loss reporter loaded_scripts ntp rfb traceroute postgresql redis websocket`)

func newDecoder(source string, o format.Options) *decoder {
	d := &decoder{o: o, fileLog: logName(source), logs: make(map[string]*log), all: true}
	d.knownFile = slices.Contains(commonLogs, d.fileLog)
	for f := event.Field(1); f < event.NumFields; f++ {
		d.all = d.all && o.Fields.Has(f)
	}
	return d
}

func (d *decoder) logOf(name string) *log {
	if l, ok := d.logs[name]; ok {
		return l
	}
	l := &log{name: name, dataset: "zeek." + name, extras: make(map[string]string)}
	if name == "" {
		l.name, l.dataset = "log", "zeek.log"
	}
	if len(d.logs) < 256 {
		d.logs[name] = l
	}
	return l
}

// begin forgets the row before.
func (d *decoder) begin(line, offset int64) {
	for _, s := range d.loaded {
		d.has[s] = false
	}
	d.loaded, d.rest, d.scratch = d.loaded[:0], d.rest[:0], d.scratch[:0]
	d.line, d.offset = line, offset
}

// load takes a value of the row: into its slot or, when it has none, by its name.
func (d *decoder) load(s slot, name string, v value) {
	if s == noSlot {
		d.rest = append(d.rest, field{name, nil, v})
		return
	}
	if !d.has[s] {
		d.has[s] = true
		d.loaded = append(d.loaded, s)
	}
	d.vals[s] = v
}

// loadBytes is load for a name that is bytes. A name that only a field map gives doesn't replace Zeek's own: notice has src
// beside id.orig_h.
func (d *decoder) loadBytes(s slot, name []byte, v value) {
	if s == noSlot || d.has[s] && s != pathName && string(name) != usualNames[s] {
		d.rest = append(d.rest, field{"", name, v})
		return
	}
	d.load(s, "", v)
}

func (d *decoder) unescape(v []byte) []byte {
	if bytes.IndexByte(v, '\\') < 0 {
		return v
	}
	from := len(d.scratch)
	d.scratch = appendUnescaped(d.scratch, v)
	return d.scratch[from:len(d.scratch):len(d.scratch)]
}

// str takes the text of a slot: what is taken will not become an extra. nil when there is none.
func (d *decoder) str(s slot) []byte {
	if !d.has[s] {
		return nil
	}
	d.has[s] = false
	v := d.vals[s]
	if v.several {
		return d.unescape(v.Raw)
	}
	t := v.Text(&d.scratch)
	if len(t) == 0 {
		return nil
	}
	return t
}

func (d *decoder) addr(s slot) (netip.Addr, bool) {
	if !d.has[s] {
		return netip.Addr{}, false
	}
	a, ok := text.Addr(d.vals[s].Raw)
	d.has[s] = !ok // what is no address is kept as text
	return a, ok
}

func (d *decoder) int(s slot) (int64, bool) {
	if !d.has[s] {
		return 0, false
	}
	n, ok := text.Int(d.vals[s].Raw)
	d.has[s] = !ok
	return n, ok
}

// list gives the elements of a set or vector, without what is unset among them.
func (d *decoder) list(s slot) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if !d.has[s] {
			return
		}
		v := d.vals[s]
		if !v.several {
			for e := range v.Elements() {
				if t := e.Text(&d.scratch); len(t) > 0 && !yield(t) {
					return
				}
			}
			return
		}
		for e := range bytes.SplitSeq(v.Raw, d.setSep) {
			if string(e) == "-" || len(e) == 0 {
				continue
			}
			if !yield(d.unescape(e)) {
				return
			}
		}
	}
}

// time takes a point in time in any of the four ways Zeek writes one.
func (d *decoder) time(s slot) (ns int64, ok bool) {
	if !d.has[s] {
		return 0, false
	}
	v := d.vals[s].Raw
	if ns, ok = text.Epoch(v); !ok {
		ns, ok = millis(v)
	}
	if !ok {
		ns, _, ok = text.Time(v)
	}
	d.has[s] = !ok
	return ns, ok
}

// millis reads milliseconds since 1970. Before 1970 they come negative, or wrapped round to huge numbers.
func millis(v []byte) (int64, bool) {
	neg := len(v) > 1 && v[0] == '-'
	if neg {
		v = v[1:]
	}
	v, _, _ = bytes.Cut(v, []byte("."))
	if len(v) == 0 || len(v) > 20 {
		return 0, false
	}
	var n uint64
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	ms := int64(n)
	if neg {
		ms = -ms
	}
	const most = 1 << 62 / 1_000_000
	if ms > most || ms < -most {
		return 0, false
	}
	return ms * 1_000_000, true
}

// event makes an event of the row.
func (d *decoder) event(l *log) {
	at, timed := d.time(ts)
	role := d.role(l)
	if d.o.RolesOnly && role == "" {
		if timed {
			d.b.Skip(at)
		} else {
			d.b.Skipped++
		}
		return
	}
	b := d.b
	b.Next()
	b.PutInt(event.LogOffset, d.offset)
	b.PutInt(event.Record, d.line)
	if timed {
		b.PutTime(event.Timestamp, at)
		b.PutText(event.TimeBasis, event.BasisUTC)
	} else if d.has[ts] {
		b.AddBad(d.line, d.offset, fmt.Sprintf("has a ts that is no time: %.40q", d.vals[ts].Raw))
	}
	if written, ok := d.time(writeTS); ok {
		b.PutTime(event.EventCreated, written)
	}
	b.PutText(event.EventKind, "event")
	b.PutText(event.EventProvider, "Zeek")
	b.PutText(event.EventDataset, l.dataset)
	b.PutText(event.EventAction, l.name)
	if id := d.str(uid); id != nil {
		b.PutStr(event.EventID, id)
		b.PutStr(event.ZeekSessionID, id)
	}
	d.endpoints()
	switch l.name {
	case "conn":
		d.conn(at, timed)
	case "dns":
		d.dns()
	case "ssl", "quic":
		d.tls()
	case "http":
		d.http()
	}
	if role != "" {
		b.PutText(event.Role, role)
	}
	if d.all {
		d.extras(l)
	}
}

// endpoints puts the ends of the connection that a row of any log is about.
func (d *decoder) endpoints() {
	b := d.b
	if a, ok := d.addr(origH); ok {
		b.PutAddr(event.SourceIP, a)
		if a.Is4() {
			b.PutText(event.NetworkType, "ipv4")
		} else {
			b.PutText(event.NetworkType, "ipv6")
		}
	}
	if a, ok := d.addr(respH); ok {
		b.PutAddr(event.DestinationIP, a)
	}
	if d.transport() { // of ICMP the ports are its type and code, and stay under Zeek's names
		return
	}
	if n, ok := d.int(origP); ok {
		b.PutInt(event.SourcePort, n)
	}
	if n, ok := d.int(respP); ok {
		b.PutInt(event.DestinationPort, n)
	}
}

// transport puts the protocol and says whether it is ICMP.
func (d *decoder) transport() (icmp bool) {
	b := d.b
	p := d.str(proto)
	switch string(p) {
	case "":
		return false
	case "icmp":
		if b.Addr(event.SourceIP, b.Len-1).Is6() {
			b.PutText(event.NetworkTransport, "ipv6-icmp")
		} else {
			b.PutText(event.NetworkTransport, "icmp")
		}
		return true
	case "unknown_transport":
		if n := d.str(ipProto); n != nil {
			b.PutStr(event.NetworkTransport, n)
		}
	default:
		b.PutStr(event.NetworkTransport, p)
	}
	return false
}

// extras puts what has no field of ours under Zeek's own name.
func (d *decoder) extras(l *log) {
	for _, s := range d.loaded {
		if d.has[s] && s != pathName {
			d.putExtra(l.extra(usualNames[s]), d.vals[s])
		}
	}
	for i := range d.rest {
		f := &d.rest[i]
		if f.name != "" {
			d.putExtra(l.extra(f.name), f.value)
		} else if n, ok := l.extras[string(f.bytes)]; ok {
			d.putExtra(n, f.value)
		} else {
			d.putExtra(l.extra(string(f.bytes)), f.value)
		}
	}
}

func (d *decoder) putExtra(name string, v value) {
	t := v.Raw
	switch {
	case v.several && v.Kind != text.Number:
		t = d.unescape(t)
	case v.Kind == text.Array, v.several:
		t = d.joined(v)
	case v.Kind == text.Number:
		t = trimmed(t)
	default:
		t = v.Text(&d.scratch)
	}
	if len(t) > 0 {
		d.b.PutExtra(name, t)
	}
}

// trimmed takes the zeros off a number's end: 1.000000 in one writer is 1.0 in the other.
func trimmed(v []byte) []byte {
	if bytes.IndexByte(v, '.') < 0 {
		return v
	}
	return bytes.TrimRight(bytes.TrimRight(v, "0"), ".")
}

// joined writes several values as a tab-separated log has them.
func (d *decoder) joined(v value) []byte {
	var parts [][]byte
	if v.several {
		for e := range bytes.SplitSeq(v.Raw, d.setSep) {
			parts = append(parts, trimmed(e))
		}
	} else {
		for e := range v.Elements() {
			t := e.Text(&d.scratch)
			if e.Kind == text.Number {
				t = trimmed(t)
			}
			parts = append(parts, t)
		}
	}
	from := len(d.scratch)
	for i, p := range parts {
		if i > 0 {
			d.scratch = append(d.scratch, ',')
		}
		d.scratch = append(d.scratch, p...)
	}
	return d.scratch[from:]
}

// end says what only the whole log shows.
func (d *decoder) end() {
	if d.conns >= 10 && d.oneSided*2 > d.conns {
		d.b.Note(fmt.Sprintf("one-sided: in %d of %d connections Zeek saw no packet of the opener. It drops packets whose checksums "+
			"the network card was to fill in; run it again on the capture with zeek -C", d.oneSided, d.conns))
	}
	d.conns, d.oneSided = 0, 0
}
