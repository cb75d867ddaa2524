package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"culprit/internal/format"
	"culprit/internal/format/formattest"
	"culprit/internal/format/pcap"
	"culprit/internal/format/procmon"
	"culprit/internal/format/winevent"
	"culprit/internal/format/zeek"
)

// An entry is an event as its reader gave it, field by field.
type entry map[string]any

func (e entry) str(field string) string {
	switch v := e[field].(type) {
	case nil:
		return ""
	case float64:
		return fmt.Sprint(int64(v))
	default:
		return fmt.Sprint(v)
	}
}

func (e entry) end(side string) netip.AddrPort {
	a, err := netip.ParseAddr(e.str(side + ".ip"))
	if err != nil {
		return netip.AddrPort{}
	}
	port, _ := e[side+".port"].(float64)
	return netip.AddrPortFrom(a, uint16(port))
}

func (e entry) time(t *testing.T, field string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, e.str(field))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// read gives the events of a file; nothing in it may be bad.
func read(t *testing.T, f *format.Format, name string, data []byte) []entry {
	t.Helper()
	if !f.Match(data[:min(len(data), format.HeadSize)]) {
		t.Fatalf("%s does not claim %s", f.Name, name)
	}
	o := formattest.Read(t, f, name, bytes.NewReader(data), format.Options{})
	if o.Err != nil || len(o.Bad) > 0 {
		t.Fatalf("%s: %v %v", name, o.Err, o.Bad)
	}
	var es []entry
	for _, l := range o.Lines {
		var v map[string]any
		if err := json.Unmarshal([]byte(l), &v); err != nil {
			t.Fatal(err)
		}
		e := entry{}
		e.flatten("", v)
		es = append(es, e)
	}
	return es
}

func (e entry) flatten(prefix string, v map[string]any) {
	for k, x := range v {
		if m, ok := x.(map[string]any); ok {
			e.flatten(prefix+k+".", m)
		} else {
			e[prefix+k] = x
		}
	}
}

// What Procmon saved and what it exported must be the same rows, and both the case's.
func TestProcmonRoundtrip(t *testing.T) {
	c := New(Small())
	all := outputs(t, c)
	for _, x := range []struct {
		name   string
		f      *format.Format
		locale Locale
		xp     bool
	}{
		{"9-64.pml", procmon.PML, EnUS, false},
		{"9-32.pml", procmon.PML, EnUS, false},
		{"7-32.pml", procmon.PML, EnUS, true},
		{"en-US.csv", procmon.CSV, EnUS, false},
		{"de-DE.csv", procmon.CSV, DeDE, false},
		{"zh-TW-all.csv", procmon.CSV, ZhTW, false},
		{"ru-RU-all.csv", procmon.CSV, RuRU, false},
	} {
		es := read(t, x.f, x.name, all[x.name])
		es = slices.DeleteFunc(es, func(e entry) bool { return e.str("event.dataset") != "procmon.events" })
		if len(es) != len(c.Records) {
			t.Fatalf("%s: %d events, want %d", x.name, len(es), len(c.Records))
		}
		wrong := 0
		for i := range es {
			r := &c.Records[i]
			p := &c.Processes[r.Proc]
			resolve := !strings.Contains(x.name, "-all")
			got := []string{es[i].str("process.name"), es[i].str("process.pid"), es[i].str("event.action"), es[i].str("procmon.path"), es[i].str("procmon.result")}
			want := []string{p.Name, fmt.Sprint(p.PID), r.Op.String(), string(c.appendPath(nil, r, resolve)), Result(r.Status)}
			// A PML has its times in UTC, and how many operations' Details are decoded of it is the reader's own matter.
			if detail := es[i].str("procmon.detail.text"); x.f == procmon.CSV || detail != "" && r.Op != QueryBasicInformationFile && r.Op != LoadImage {
				got, want = append(got, detail), append(want, string(c.appendDetail(nil, r, &x.locale, x.xp)))
			}
			if !slices.Equal(got, want) {
				if wrong++; wrong < 5 {
					t.Errorf("%s, event %d:\n got %q\nwant %q", x.name, i+1, got, want)
				}
			}
			if got, want := es[i].time(t, "@timestamp"), c.shown(r, es[i].str("culprit.time.basis")); !got.Equal(want) {
				t.Fatalf("%s, event %d: at %v, want %v", x.name, i+1, got, want)
			}
		}
	}
}

// shown is the time of a record as a reader can know it.
func (c *Case) shown(r *Record, basis string) time.Time {
	at := c.Wall(r.At)
	if basis == "utc" {
		return at
	}
	_, offset := at.In(c.Zone).Zone()
	local := at.Add(time.Duration(offset) * time.Second)
	if basis == "local" {
		return local
	}
	return time.Unix(0, 0).Add(local.Sub(local.Truncate(24 * time.Hour)))
}

// The network records of a Procmon recording must name the ends of the connections they belong to.
func TestProcmonEnds(t *testing.T) {
	c := New(Small())
	all := outputs(t, c)
	for _, name := range []string{"9-64.pml", "7-32.pml"} {
		es := read(t, procmon.PML, name, all[name])
		es = slices.DeleteFunc(es, func(e entry) bool { return e.str("event.dataset") != "procmon.events" })
		for i, e := range es {
			r := &c.Records[i]
			if ops[r.Op].class != classNetwork {
				continue
			}
			k := &c.Connections[r.Conn]
			from, to := e.end("source"), e.end("destination")
			if same := from == k.Source && to == k.Destination; !same && !(from == k.Destination && to == k.Source) {
				t.Errorf("%s, event %d: %v -> %v, want %v -> %v", name, i+1, from, to, k.Source, k.Destination)
			}
			if e.str("culprit.role") == "" && r.Op != TCPRetransmit { // which is said of the wire, not by the process
				t.Errorf("%s, event %d: no role", name, i+1)
			}
		}
	}
}

// The flows of a capture must be the connections of the truth.
func TestFlowsAreTruth(t *testing.T) {
	for _, p := range append(Grid()[:1], Duo()) {
		p.Rows = 0
		c := New(p)
		all := outputs(t, c)
		for name, f := range map[string]*format.Format{"pcap": pcap.PCAP, "pcapng-ns": pcap.PCAPNG} {
			es := read(t, f, name, all[name])
			es = slices.DeleteFunc(es, func(e entry) bool { return e.str("culprit.role") != "flow" })
			matched := 0
			for i := range c.Connections {
				k := &c.Connections[i]
				if !k.Captured() || k.Transport == "icmp" {
					continue
				}
				n := slices.IndexFunc(es, func(e entry) bool {
					return e.str("network.transport") == k.Transport && e.end("source") == k.Source && e.end("destination") == k.Destination && e.str("culprit.flow.packet.first") == fmt.Sprint(k.First)
				})
				if n < 0 {
					t.Errorf("%s of %s: no flow %v -> %v from packet %d", name, p.Name, k.Source, k.Destination, k.First)
					continue
				}
				matched++
				e := es[n]
				got := []string{e.str("source.packets"), e.str("destination.packets"), e.str("source.bytes"), e.str("destination.bytes")}
				want := []string{fmt.Sprint(k.Packets[0]), fmt.Sprint(k.Packets[1]), fmt.Sprint(k.Bytes[0]), fmt.Sprint(k.Bytes[1])}
				for i := range got {
					if got[i] == "" {
						got[i] = "0"
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s of %s: %v -> %v: %v packets and bytes, want %v", name, p.Name, k.Source, k.Destination, got, want)
				}
			}
			if len(es) > matched+1 { // the ping may be one
				t.Errorf("%s of %s: %d flows, %d connections", name, p.Name, len(es), matched)
			}
		}
	}
}

// What the capture says of names must be what was looked up, and the TLS and HTTP names what was asked for.
func TestNamesAreTruth(t *testing.T) {
	c := New(Small())
	var b bytes.Buffer
	if err := c.WritePcap(&b, false); err != nil {
		t.Fatal(err)
	}
	es := read(t, pcap.PCAP, "pcap", b.Bytes())
	names := map[string]int{}
	for _, e := range es {
		if e.str("culprit.role") == "name" {
			names[e.str("culprit.name.from")+" "+e.str("culprit.name.value")]++
		}
	}
	for _, l := range c.Lookups {
		if l.Conn < 0 || l.Failed {
			continue
		}
		want := "dns " + l.Name
		if l.Type == typePTR {
			want = "ptr " + l.Answer
		}
		if names[want] == 0 {
			t.Errorf("no name %q in the capture", want)
		}
	}
	for _, k := range c.Connections {
		if k.Protocol == "tls" && names["sni "+k.Name] == 0 || k.Protocol == "http" && names["http "+k.Name] == 0 {
			t.Errorf("no %s name %q in the capture", k.Protocol, k.Name)
		}
	}
}

// Sysmon's and the security log's events must name the processes of the truth, in every shape.
func TestSysmonIsTruth(t *testing.T) {
	c := New(Small())
	all := outputs(t, c)
	for _, name := range []string{"nxlog.json", "winlogbeat7.json", "winlogbeat8.json"} {
		seen := map[string]int{}
		for _, e := range read(t, winevent.JSON, name, all[name]) {
			code := e.str("event.code")
			seen[code]++
			if code != "3" && code != "5156" {
				continue
			}
			from, to := e.end("source"), e.end("destination")
			at := e.time(t, "@timestamp")
			n := slices.IndexFunc(c.Connections, func(k Connection) bool {
				if k.Transport != e.str("network.transport") || k.Records == 0 {
					return false
				}
				if d := at.Sub(c.Wall(k.Start)); d < -time.Millisecond || d > 20*time.Millisecond {
					return false
				}
				return k.Source == from && k.Destination == to || k.Source == to && k.Destination == from
			})
			if n < 0 {
				t.Errorf("%s: event %s: no connection %v -> %v at %v", name, code, from, to, at)
				continue
			}
			k := &c.Connections[n]
			proc := k.Process
			if proc < 0 {
				proc = k.Peer
			}
			if got, want := e.str("process.pid"), fmt.Sprint(c.Processes[proc].PID); got != want {
				t.Errorf("%s: event %s of %v -> %v: pid %s, want %s", name, code, from, to, got, want)
			}
		}
		for _, code := range []string{"1", "3", "5", "22", "5156", "5158"} {
			if seen[code] == 0 {
				t.Errorf("%s: no event %s", name, code)
			}
		}
	}
}

// Zeek's logs must have the flows and names of the truth.
func TestZeekIsTruth(t *testing.T) {
	p := Small()
	p.CaptureEnd = 0.8 // so that some connections have no end
	c := New(p)
	for _, js := range []bool{false, true} {
		logs := map[string]*bytes.Buffer{}
		err := c.WriteZeek(func(name string) (io.WriteCloser, error) {
			logs[name] = &bytes.Buffer{}
			return closer{logs[name]}, nil
		}, ZeekOptions{JSON: js})
		if err != nil {
			t.Fatal(err)
		}
		conns := read(t, zeek.Log, "conn.log", logs["conn.log"].Bytes())
		n := 0
		for i := range c.Connections {
			k := &c.Connections[i]
			if !k.Captured() {
				continue
			}
			e := conns[n]
			n++
			want := []string{k.uid, k.Transport, fmt.Sprint(k.Packets[0]), fmt.Sprint(k.Bytes[0]), fmt.Sprint(k.Packets[1]), fmt.Sprint(k.Bytes[1])}
			got := []string{e.str("event.id"), e.str("network.transport"), e.str("source.packets"), e.str("source.bytes"), e.str("destination.packets"), e.str("destination.bytes")}
			if !slices.Equal(got, want) || k.Transport != "icmp" && (e.end("source") != k.Source || e.end("destination") != k.Destination) {
				t.Errorf("json=%v: %v -> %v: %q, want %v -> %v: %q", js, e.end("source"), e.end("destination"), got, k.Source, k.Destination, want)
			}
			if got, want := e.time(t, "@timestamp"), c.Wire(c.Packets[k.First-1].At).Truncate(time.Microsecond); !got.Equal(want) {
				t.Errorf("json=%v: %v -> %v at %v, want %v", js, k.Source, k.Destination, got, want)
			}
		}
		if n != len(conns) {
			t.Errorf("json=%v: %d connections, want %d", js, len(conns), n)
		}
		sni := map[string]bool{}
		for _, e := range read(t, zeek.Log, "ssl.log", logs["ssl.log"].Bytes()) {
			sni[e.str("tls.client.server_name")] = true
		}
		dns := map[string]bool{}
		for _, e := range read(t, zeek.Log, "dns.log", logs["dns.log"].Bytes()) {
			dns[e.str("dns.question.name")] = true
		}
		for _, k := range c.Connections {
			if k.Captured() && k.Protocol == "tls" && !sni[k.Name] {
				t.Errorf("json=%v: no server name %s", js, k.Name)
			}
		}
		for _, l := range c.Lookups {
			if l.Conn >= 0 && c.Connections[l.Conn].Captured() && !dns[l.Name] {
				t.Errorf("json=%v: no question %s", js, l.Name)
			}
		}
	}
}
