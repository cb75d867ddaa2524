package simulate

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Shape is a way Windows events are shipped as JSON lines.
type Shape uint8

// The shapes.
const (
	NXLog       Shape = iota // flat, as NXLog and the public data sets have it
	Winlogbeat7              // mapped to ECS at the edge
	Winlogbeat8              // raw: everything under winlog.event_data
)

const (
	sysmonProvider   = "Microsoft-Windows-Sysmon"
	securityProvider = "Microsoft-Windows-Security-Auditing"
)

// A winEvent is one event of a Windows event log.
type winEvent struct {
	at   time.Duration
	id   int
	proc int // it is about
	conn int // -1 for none
	far  bool
	data []pair
}

func (e *winEvent) security() bool { return e.id >= 5000 }

// WriteSysmonJSON writes what Sysmon logged of the run (processes, connections, names) and the connections and binds of the
// security log, as JSON lines.
func (c *Case) WriteSysmonJSON(w io.Writer, shape Shape) error {
	bw := bufio.NewWriterSize(w, 1<<16)
	for i, e := range c.winEvents() {
		var o object
		switch shape {
		case NXLog:
			o = c.nxlog(&e)
		case Winlogbeat7:
			o = append(c.winlogbeat(&e, i+1, "7.17.5"), c.mapped(&e)...)
		default:
			o = c.winlogbeat(&e, i+1, "8.3.3")
		}
		if _, err := bw.Write(append(o.append(nil), '\n')); err != nil {
			return err
		}
	}
	return bw.Flush()
}

// winEvents gives the events in order of time.
func (c *Case) winEvents() []winEvent {
	var es []winEvent
	seen := make([]bool, len(c.Connections))
	for i := range c.Records {
		r := &c.Records[i]
		switch {
		case r.Op == ProcessStart:
			es = append(es, winEvent{at: r.At, id: 1, proc: int(r.Proc), conn: -1, data: c.created(int(r.Proc))})
		case r.Op == ProcessExit:
			es = append(es, winEvent{at: r.At, id: 5, proc: int(r.Proc), conn: -1})
		case ops[r.Op].class == classNetwork && !seen[r.Conn] && !c.Connections[r.Conn].Midstream:
			seen[r.Conn] = true
			es = append(es, c.connected(r)...)
		}
	}
	end := time.Duration(0)
	if n := len(c.Records); n > 0 {
		end = c.Records[n-1].At
	}
	for i := range c.Lookups {
		l := &c.Lookups[i]
		if l.At < 0 || l.At+l.Took > end || l.Conn >= 0 && c.Connections[l.Conn].Records == 0 {
			continue
		}
		es = append(es, winEvent{at: l.At + l.Took, id: 22, proc: l.Process, conn: -1, data: queried(l)})
	}
	slices.SortStableFunc(es, func(a, b winEvent) int { return cmp.Compare(a.at, b.at) })
	return es
}

// created is what Sysmon tells of a process beside what every event has.
func (c *Case) created(i int) []pair {
	p := &c.Processes[i]
	parent := &c.Processes[p.Parent]
	sum := strings.Repeat(fmt.Sprintf("%08X", uint32(p.PID)*2654435761), 8)
	return []pair{
		{"FileVersion", p.Version},
		{"Description", p.Title},
		{"Product", p.Title},
		{"Company", p.Company},
		{"OriginalFileName", p.Name},
		{"CommandLine", p.Command},
		{"CurrentDirectory", startDirectory},
		{"User", p.User},
		{"LogonGuid", fmt.Sprintf("{%08x-0000-0000-0000-%012x}", c.machineID(), p.logon())},
		{"LogonId", fmt.Sprintf("0x%x", p.logon())},
		{"TerminalSessionId", strconv.Itoa(p.Session)},
		{"IntegrityLevel", p.integrity()},
		{"Hashes", "MD5=" + sum[:32] + ",SHA256=" + sum + ",IMPHASH=" + sum[32:]},
		{"ParentProcessGuid", c.guid(p.Parent)},
		{"ParentProcessId", strconv.Itoa(parent.PID)},
		{"ParentImage", parent.Path},
		{"ParentCommandLine", parent.Command},
		{"ParentUser", parent.User},
	}
}

func queried(l *Lookup) []pair {
	status, results := "0", ""
	for _, a := range l.Alias {
		results += "type:  5 " + a + ";"
	}
	switch {
	case l.Failed:
		status = "9003" // DNS_ERROR_RCODE_NAME_ERROR
	case l.Type == typePTR:
		results += "type:  12 " + l.Answer + ";"
	default:
		results += "::ffff:" + l.Addr.String() + ";"
	}
	if results == "" {
		results = "-"
	}
	return []pair{{"QueryName", l.Name}, {"QueryStatus", status}, {"QueryResults", results}}
}

// connected gives Sysmon's and the security log's events for the first that Procmon saw of a connection. Of a datagram to a
// group both say what Windows says: the group is the source, the sender the destination.
func (c *Case) connected(r *Record) []winEvent {
	k := &c.Connections[r.Conn]
	from, to := k.Source, k.Destination
	if r.Far && to.Addr().IsMulticast() {
		from, to = to, from
	}
	six := strconv.FormatBool(from.Addr().Is6())
	sysmon := []pair{
		{"User", c.Processes[r.Proc].User},
		{"Protocol", k.Transport},
		{"Initiated", strconv.FormatBool(!r.Far)},
		{"SourceIsIpv6", six},
		{"SourceIp", longForm(from.Addr())},
		{"SourceHostname", c.dashed(from.Addr())},
		{"SourcePort", port(from)},
		{"SourcePortName", "-"},
		{"DestinationIsIpv6", six},
		{"DestinationIp", longForm(to.Addr())},
		{"DestinationHostname", c.dashed(to.Addr())},
		{"DestinationPort", port(to)},
		{"DestinationPortName", "-"},
	}
	proc, conn := int(r.Proc), int(r.Conn)
	device := `\device\harddiskvolume3` + strings.ToLower(strings.TrimPrefix(c.Processes[proc].Path, "C:"))
	pid := pair{"ProcessID", strconv.Itoa(c.Processes[proc].PID)}
	proto := pair{"Protocol", map[string]string{"tcp": "6", "udp": "17"}[k.Transport]}
	direction, layer := "%%14593", "%%14611"
	if r.Far {
		direction, layer = "%%14592", "%%14610"
	}
	es := []winEvent{
		{at: k.Start + 90*time.Microsecond, id: 5156, proc: proc, conn: conn, far: r.Far, data: []pair{
			pid,
			{"Application", device},
			{"Direction", direction},
			{"SourceAddress", k.Source.Addr().String()},
			{"SourcePort", port(k.Source)},
			{"DestAddress", k.Destination.Addr().String()},
			{"DestPort", port(k.Destination)},
			proto,
			{"FilterRTID", "69388"},
			{"LayerName", layer},
			{"LayerRTID", "48"},
			{"RemoteUserID", "S-1-0-0"},
			{"RemoteMachineID", "S-1-0-0"},
		}},
		{at: r.At, id: 3, proc: proc, conn: conn, far: r.Far, data: sysmon},
	}
	if !r.Far {
		bind := winEvent{at: k.Start + 50*time.Microsecond, id: 5158, proc: proc, conn: conn, data: []pair{
			{"ProcessId", pid.value},
			{"Application", device},
			{"SourceAddress", "0.0.0.0"},
			{"SourcePort", port(k.Source)},
			proto,
			{"FilterRTID", "0"},
			{"LayerName", "%%14608"},
			{"LayerRTID", "36"},
		}}
		es = append([]winEvent{bind}, es...)
	}
	return es
}

func port(a netip.AddrPort) string { return strconv.Itoa(int(a.Port())) }

// longForm is an address as Sysmon writes it: IPv6 with all its groups.
func longForm(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	var groups []string
	b := a.As16()
	for i := 0; i < 16; i += 2 {
		groups = append(groups, strconv.FormatUint(uint64(b[i])<<8|uint64(b[i+1]), 16))
	}
	return strings.Join(groups, ":")
}

func (c *Case) dashed(a netip.Addr) string { return cmp.Or(c.hostName(a), "-") }

func (c *Case) machineID() uint32 { return 0x3f2a1c00 + uint32(c.Machine) }

// guid is Sysmon's identifier of a process: the machine, the time it started, a number.
func (c *Case) guid(i int) string {
	t := uint32(c.Wall(c.Processes[i].Start).Unix())
	return fmt.Sprintf("{%08x-%04x-%04x-%04x-000000001700}", c.machineID(), t&0xffff, t>>16, 0x40+i)
}

// payload is an event's own data with what all events of its provider have.
func (c *Case) payload(e *winEvent) []pair {
	if e.security() {
		return e.data
	}
	p := &c.Processes[e.proc]
	utc := c.Wall(e.at).UTC().Format("2006-01-02 15:04:05.000")
	common := []pair{{"RuleName", "-"}, {"UtcTime", utc}, {"ProcessGuid", c.guid(e.proc)}, {"ProcessId", strconv.Itoa(p.PID)}}
	image := []pair{{"Image", p.Path}}
	switch e.id {
	case 22:
		return slices.Concat(common, e.data, image, []pair{{"User", p.User}})
	case 5:
		return slices.Concat(common, image, []pair{{"User", p.User}})
	}
	return slices.Concat(common, image, e.data)
}

// written is when the event reached the log: Sysmon looks names up first.
func (c *Case) written(e *winEvent) time.Time {
	t := c.Wall(e.at).UTC()
	switch e.id {
	case 3, 22:
		t = t.Add(1300*time.Millisecond + e.at%(200*time.Millisecond))
	case 1, 5:
		t = t.Add(7 * time.Millisecond)
	}
	return t.Truncate(time.Millisecond)
}

const millis = "2006-01-02T15:04:05.000Z07:00"

var titles = map[int]string{
	1: "Process Create", 3: "Network connection detected", 5: "Process terminated", 22: "Dns query",
	5156: "The Windows Filtering Platform has permitted a connection.", 5158: "The Windows Filtering Platform has permitted a bind to a local port.",
}

func (c *Case) message(e *winEvent) string {
	var s strings.Builder
	s.WriteString(titles[e.id])
	if !e.security() {
		s.WriteByte(':')
	}
	for _, p := range c.payload(e) {
		s.WriteString("\r\n" + p.name + ": " + p.value)
	}
	return s.String()
}

func (e *winEvent) source() (provider, guid, channel string) {
	if e.security() {
		return securityProvider, "{54849625-5478-4994-a5ba-3e3b0328c30d}", "Security"
	}
	return sysmonProvider, "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}", "Microsoft-Windows-Sysmon/Operational"
}

func (c *Case) nxlog(e *winEvent) object {
	provider, guid, channel := e.source()
	t := c.written(e).Format(millis)
	o := object{
		{"SourceName", provider},
		{"ProviderGuid", guid},
		{"Level", "4"},
		{"Keywords", "0x8000000000000000"},
		{"Channel", channel},
		{"Hostname", c.Host},
		{"TimeCreated", t},
		{"@timestamp", t},
		{"EventID", e.id},
		{"Message", c.message(e)},
		{"Task", strconv.Itoa(e.id)},
	}
	for _, p := range c.payload(e) {
		o = append(o, member{p.name, p.value})
	}
	return o
}

func (c *Case) winlogbeat(e *winEvent, record int, version string) object {
	provider, guid, channel := e.source()
	t := c.written(e)
	var data object
	for _, p := range c.payload(e) {
		data = append(data, member{p.name, p.value})
	}
	ev := object{{"kind", "event"}, {"code", strconv.Itoa(e.id)}, {"provider", provider}, {"action", titles[e.id]}, {"created", t.Add(900 * time.Millisecond).Format(millis)}}
	if version[0] == '7' {
		// Mapped events have the time of the happening, and their module.
		if e.security() {
			ev = append(ev, member{"module", "security"})
		} else {
			ev = append(ev, member{"module", "sysmon"})
			t = c.Wall(e.at).UTC().Truncate(time.Millisecond)
		}
	}
	return object{
		{"@timestamp", t.Format(millis)},
		{"event", ev},
		{"host", object{{"name", c.Host}}},
		{"log", object{{"level", "information"}}},
		{"message", c.message(e)},
		{"winlog", object{
			{"channel", channel},
			{"provider_name", provider},
			{"provider_guid", guid},
			{"computer_name", c.Host},
			{"event_id", strconv.Itoa(e.id)},
			{"record_id", record},
			{"task", titles[e.id]},
			{"opcode", "Info"},
			{"api", "wineventlog"},
			{"process", object{{"pid", 3500}, {"thread", object{{"id", 4712}}}}},
			{"event_data", data},
		}},
		{"agent", object{{"type", "winlogbeat"}, {"version", version}, {"name", c.Host}}},
		{"ecs", object{{"version", "1.12.0"}}},
	}
}

// mapped is what Winlogbeat 7 adds in ECS's words.
func (c *Case) mapped(e *winEvent) object {
	p := &c.Processes[e.proc]
	proc := object{{"pid", p.PID}, {"executable", p.Path}, {"name", path.Base(strings.ReplaceAll(p.Path, `\`, "/"))}}
	if e.security() {
		return object{{"process", proc}}
	}
	proc = append(proc, member{"entity_id", c.guid(e.proc)})
	var o object
	switch e.id {
	case 1:
		parent := &c.Processes[p.Parent]
		proc = append(proc, member{"command_line", p.Command}, member{"working_directory", startDirectory}, member{"parent", object{
			{"pid", parent.PID}, {"executable", parent.Path}, {"name", parent.Name}, {"entity_id", c.guid(p.Parent)}, {"command_line", parent.Command},
		}})
	case 3:
		k := &c.Connections[e.conn]
		from, to, direction := k.Source, k.Destination, "egress"
		if e.far {
			direction = "ingress"
			if to.Addr().IsMulticast() {
				from, to = to, from
			}
		}
		end := func(a netip.AddrPort) object {
			x := object{{"ip", a.Addr().String()}, {"port", int(a.Port())}}
			if n := c.hostName(a.Addr()); n != "" {
				x = append(x, member{"domain", n})
			}
			return x
		}
		kind := "ipv4"
		if from.Addr().Is6() {
			kind = "ipv6"
		}
		o = object{{"source", end(from)}, {"destination", end(to)}, {"network", object{{"transport", k.Transport}, {"type", kind}, {"direction", direction}}}}
	case 22:
		question := ""
		for _, d := range e.data {
			if d.name == "QueryName" {
				question = d.value
			}
		}
		o = object{{"dns", object{{"question", object{{"name", question}}}}}, {"network", object{{"protocol", "dns"}}}}
	}
	domain, name, _ := strings.Cut(p.User, `\`)
	return append(object{{"process", proc}, {"user", object{{"domain", domain}, {"name", name}}}}, o...)
}

// An object is a JSON object whose members stay in order.
type object []member

type member struct {
	name  string
	value any // a string, a number, a bool, a list of strings or an object
}

func (o object) append(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSON(b, m.name), ':')
		if sub, ok := m.value.(object); ok {
			b = sub.append(b)
		} else {
			b = appendJSON(b, m.value)
		}
	}
	return append(b, '}')
}

func appendJSON(b []byte, v any) []byte {
	j, err := json.Marshal(v)
	if err != nil {
		panic("simulate: " + err.Error()) // only strings, numbers and bools get here
	}
	return append(b, j...)
}
