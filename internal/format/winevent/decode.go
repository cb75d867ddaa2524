package winevent

import (
	"bytes"
	"strings"
	"time"

	"culprit/internal/event"
	"culprit/internal/format/text"
)

// A family is who chose the names of the event's data.
type family uint8

const (
	other family = iota
	sysmon
	security
)

// event puts the loaded event into the batch, or only counts it.
func (r *reader) event() {
	id, _ := text.Int(r.header(eventID, eventCode))
	fam := r.family()
	w := r.when()
	role := roleOf(fam, id)
	if role == "" && r.o.RolesOnly {
		if w.ok {
			r.b.Skip(w.at)
		} else {
			r.b.Skipped++
		}
		return
	}
	if fam == sysmon && id == 3 && r.receivedUDP() {
		r.turn()
	}
	r.b.Next()
	r.b.PutInt(event.LogOffset, r.offset)
	r.b.PutInt(event.Record, r.record)
	r.putTimes(w)
	for _, e := range r.ecs {
		r.putECS(e.f, e.v)
	}
	r.putHeader(fam)
	switch fam {
	case sysmon:
		r.sysmon(id)
	case security:
		r.security(id)
	default:
		r.putStr(event.UserID, r.text(writerID))
		r.putStr(event.UserName, r.text(writerName))
		r.putStr(event.UserDomain, r.text(writerDomain))
	}
	r.putKind(fam, id)
	if role != "" {
		r.b.PutText(event.Role, r.accepted(role))
	}
	if r.all {
		r.extras()
	}
}

// accepted gives the role of a connection that may be one accepted, not opened.
func (r *reader) accepted(role string) string {
	if role == event.RoleConnect && string(r.b.Str(event.NetworkDirection, r.b.Len-1)) == "ingress" {
		return event.RoleAccept
	}
	return role
}

// header gives the text of the first slot that has one, without taking it.
func (r *reader) header(slots ...slot) []byte {
	for _, s := range slots {
		if r.has[s] {
			return r.vals[s].Text(&r.scratch)
		}
	}
	return nil
}

func (r *reader) family() family {
	provider, channel := r.header(logProvider), r.header(logChannel)
	switch {
	case string(provider) == "Microsoft-Windows-Sysmon", bytes.HasPrefix(channel, []byte("Microsoft-Windows-Sysmon/")),
		string(provider) == "Linux-Sysmon":
		return sysmon
	case string(provider) == "Microsoft-Windows-Security-Auditing", provider == nil && bytes.EqualFold(channel, []byte("Security")):
		return security
	}
	return other
}

// roleOf gives what events of this ID are to attribution, "" for nothing. Those of connections may turn out accepted.
func roleOf(fam family, id int64) string {
	switch {
	case fam == sysmon && id == 1, fam == security && id == 4688:
		return event.RoleStart
	case fam == sysmon && id == 5, fam == security && id == 4689:
		return event.RoleEnd
	case fam == sysmon && id == 3, fam == security && id == 5156:
		return event.RoleConnect
	case fam == sysmon && id == 22:
		return event.RoleQuery
	case fam == security && (id == 5158 || id == 5154):
		return event.RoleBind
	}
	return ""
}

// A moment is what is known of an event's time.
type moment struct {
	at, written int64
	basis       string
	ok, differs bool // differs: it was written at another time than it happened
}

// when finds the event's time.
//
// Sysmon's UtcTime is when the thing happened, in UTC; network and DNS events have it from another clock than the rest of
// Sysmon's (ETW's, which counts from boot and drifts by days while a virtual machine is paused). It is kept as it is:
// attribution solves one clock per kind of event, and UtcTime is far steadier against the packets than the time the event
// was written, which lags by up to seconds.
//
// Everything else has only the time Windows wrote it.
func (r *reader) when() (w moment) {
	w.written, w.basis, w.ok = r.written()
	if at, _, ok := text.Time(r.text(utcTime)); ok {
		w.differs = w.ok && w.basis == event.BasisUTC
		return moment{at, w.written, event.BasisUTC, true, w.differs}
	}
	w.at = w.written
	if at, zoned, ok := text.Time(r.text(readAt)); ok && zoned && w.ok && at != w.at {
		w.written, w.differs = at, true
	}
	return w
}

// written finds when Windows wrote the event.
//
// NXLog's EventTime has no zone and no decimals, and @timestamp beside it is when Logstash got the event, after a delay that
// wanders between 0.1 and 148 s in the recordings at hand: useless as a clock. But EventReceivedTime is written in the same
// zone as EventTime, by the machine that sends to Logstash, so that the two differ by the zone and the short way between
// them (0 to 4 s there). Zones are multiples of a quarter of an hour, so the difference rounded to one is the zone. The
// result is within a second of the truth and steady; what is left of it is for the solved clock. Without EventReceivedTime
// the zone stays unknown, and that is said.
func (r *reader) written() (ns int64, basis string, ok bool) {
	if r.created.ok {
		return r.created.at, event.BasisUTC, true
	}
	if v := r.text(created); v != nil {
		if ns, zoned, ok := text.Time(v); ok {
			return ns, basisOf(zoned), true
		}
		if ns, ok := text.Epoch(v); ok {
			return ns, event.BasisUTC, true
		}
	}
	at, zoned, ok := text.Time(r.text(eventTime))
	arrival, arrivalZoned, arrivalOK := text.Time(r.text(arrived))
	got, gotZoned, gotOK := text.Time(r.text(received))
	switch {
	case ok && zoned:
		return at, event.BasisUTC, true
	case ok && arrivalOK && arrivalZoned && gotOK && !gotZoned:
		const quarter = int64(15 * time.Minute)
		diff := arrival - got
		zone := (diff + quarter/2) / quarter * quarter
		if diff+quarter/2 < 0 && (diff+quarter/2)%quarter != 0 {
			zone -= quarter
		}
		if off := diff - zone; off < int64(2*time.Minute) && off > -int64(2*time.Minute) && zone <= int64(14*time.Hour) && zone >= -int64(14*time.Hour) {
			r.noteZone(-zone)
			return at + zone, event.BasisUTC, true
		}
		fallthrough
	case ok:
		if !r.noted.local {
			r.noted.local = true
			r.b.Note("EventTime is local time of an unknown zone")
		}
		return at, event.BasisLocal, true
	}
	return arrival, basisOf(arrivalZoned), arrivalOK
}

func basisOf(zoned bool) string {
	if zoned {
		return event.BasisUTC
	}
	return event.BasisLocal
}

func (r *reader) noteZone(east int64) {
	if r.noted.zone {
		return
	}
	r.noted.zone = true
	zone := time.FixedZone("", int(east/int64(time.Second)))
	r.b.Note("EventTime is local time; its zone, UTC" + time.Unix(0, 0).In(zone).Format("-07:00") +
		", follows from EventReceivedTime and @timestamp. It has whole seconds only")
}

func (r *reader) putTimes(w moment) {
	if !w.ok {
		return
	}
	r.b.PutTime(event.Timestamp, w.at)
	r.b.PutText(event.TimeBasis, w.basis)
	if w.differs {
		r.b.PutTime(event.EventCreated, w.written)
	}
}

// putHeader puts what every Windows event has.
func (r *reader) putHeader(fam family) {
	b := r.b
	b.PutText(event.EventKind, "event")
	channel := r.text(logChannel)
	r.putStr(event.EventCode, r.first(eventID, eventCode))
	r.putStr(event.EventProvider, r.text(logProvider))
	r.putStr(event.WinlogChannel, channel)
	if r.o.Fields.Has(event.EventDataset) {
		b.PutText(event.EventDataset, r.dataset(fam, channel))
	}
	if v := r.text(recordID); v != nil {
		r.putStr(event.WinlogRecordID, v)
		if n, ok := text.Int(v); ok {
			b.PutInt(event.EventSequence, n)
		}
	}
	computer, host := r.text(logComputer), r.text(hostName)
	r.putStr(event.WinlogComputerName, computer)
	if computer == nil {
		computer = host
	}
	r.putStr(event.HostName, computer)
	if r.o.Fields.Has(event.Message) {
		r.putStr(event.Message, r.text(rendered))
	}
	r.putOutcome()
}

// putOutcome says whether what an audit event tells of succeeded: two bits of Windows' keywords.
func (r *reader) putOutcome() {
	if r.got(event.EventOutcome) {
		return
	}
	kind := string(r.header(eventType))
	var bits int64
	for v := range r.vals[keywords].Elements() {
		if !r.has[keywords] {
			break
		}
		switch {
		case v.Kind == text.String && bytes.EqualFold(v.Raw, []byte("Audit Success")):
			kind = "AUDIT_SUCCESS"
		case v.Kind == text.String && bytes.EqualFold(v.Raw, []byte("Audit Failure")):
			kind = "AUDIT_FAILURE"
		default:
			bits = keywordBits(v.Raw)
		}
	}
	const success, failure = 1 << 53, 1 << 52
	switch {
	case kind == "AUDIT_SUCCESS" || bits&success != 0:
		r.b.PutText(event.EventOutcome, "success")
	case kind == "AUDIT_FAILURE" || bits&failure != 0:
		r.b.PutText(event.EventOutcome, "failure")
	}
	if isLevel(kind) {
		r.has[eventType] = false // NXLog's own name, not the event's data
	}
}

// isLevel tells NXLog's EventType from that of Sysmon's registry and pipe events, which has the same name.
func isLevel(kind string) bool {
	switch kind {
	case "INFO", "WARNING", "ERROR", "CRITICAL", "VERBOSE", "AUDIT_SUCCESS", "AUDIT_FAILURE":
		return true
	}
	return false
}

// keywordBits reads a 64-bit mask: hexadecimal with the top bit set, or the same as a negative decimal.
func keywordBits(v []byte) int64 {
	var low [18]byte
	if len(v) == len(low) && v[0] == '0' && v[1] == 'x' {
		copy(low[:], v)
		low[2] = '0' // the top four bits would not fit, and mean nothing here
		v = low[:]
	}
	n, _ := text.Int(v)
	return n
}

// dataset names the log: windows.sysmon, windows.security, or windows. and the channel in the form Elastic's own have.
func (r *reader) dataset(fam family, channel []byte) string {
	switch {
	case fam == sysmon:
		return "windows.sysmon"
	case fam == security:
		return "windows.security"
	case channel == nil:
		return "windows.event"
	}
	if s, ok := r.datasets[string(channel)]; ok {
		return s
	}
	name := strings.ToLower(string(channel))
	name = strings.TrimPrefix(strings.TrimPrefix(name, "microsoft-windows-"), "windows ")
	name = "windows." + strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' {
			return c
		}
		return '_'
	}, name)
	if len(r.datasets) < maxNames {
		r.datasets[string(channel)] = name
	}
	return name
}

// putECS puts a member that has the name of one of our fields already, wanted or not: others may follow from it.
func (r *reader) putECS(f event.Field, v text.Value) {
	b := r.b
	switch f.Type() {
	case event.Keyword:
		if t := v.Text(&r.scratch); len(t) > 0 && string(t) != "-" && !unknownProcess(t) {
			b.PutStr(f, t)
		}
	case event.Keywords:
		for e := range v.Elements() {
			b.AddStr(f, e.Text(&r.scratch))
		}
	case event.Long:
		if n, ok := text.Int(v.Text(&r.scratch)); ok {
			b.PutInt(f, n)
		}
	case event.Longs:
		for e := range v.Elements() {
			if n, ok := text.Int(e.Text(&r.scratch)); ok {
				b.AddInt(f, n)
			}
		}
	case event.Date:
		if ns, _, ok := text.Time(v.Text(&r.scratch)); ok {
			b.PutTime(f, ns)
		}
	case event.IP:
		r.putAddr(f, v.Text(&r.scratch))
	case event.IPs:
		for e := range v.Elements() {
			if a, ok := text.Addr(e.Text(&r.scratch)); ok {
				b.AddAddr(f, a)
			}
		}
	}
}

// unknownProcess is what Sysmon writes for a process that had ended when it came to look. The second spelling is that of a
// tool that took it for markup.
func unknownProcess(v []byte) bool {
	return string(v) == "<unknown process>" || string(v) == "&lt;unknown process&gt;"
}

// base is the last part of a Windows path, or of a POSIX one, as Sysmon for Linux writes it.
func base(path []byte) []byte {
	if i := bytes.LastIndexByte(path, '\\'); i >= 0 {
		return path[i+1:]
	}
	return path[bytes.LastIndexByte(path, '/')+1:]
}

// extras puts what has no field of ours under the name it came with.
func (r *reader) extras() {
	for _, s := range r.loaded {
		if !r.has[s] || s < firstData {
			continue
		}
		if v := r.text(s); v != nil {
			r.b.PutExtra(slotNames[s], v)
		}
	}
	for _, e := range r.rest {
		name := e.full
		if name == "" {
			var ok bool
			if name, ok = r.extraName(e); !ok {
				continue
			}
		}
		if v := e.v.Text(&r.scratch); len(v) > 0 && string(v) != "-" {
			r.b.PutExtra(name, v)
		}
	}
}

// extraName gives the name of an extra, "winlog.event_data." and the data's own name for all shapes alike; not ok for what
// tells of the shipper.
func (r *reader) extraName(e extra) (string, bool) {
	if n, ok := r.names[string(e.name)]; ok {
		return n, n != ""
	}
	n := string(e.name)
	full := n
	for _, p := range dataPrefixes {
		if strings.HasPrefix(n, p) {
			full = n[len(p):]
			if strings.HasSuffix(p, "UserData.") { // in one element more, whose name says no more than the event ID
				if _, inner, ok := strings.Cut(full, "."); ok {
					full = inner
				}
			}
			full = dataPrefixes[0] + full
		}
	}
	for _, p := range droppedPrefixes {
		if strings.HasPrefix(n, p) && !e.data {
			full = ""
		}
	}
	if full == n && (e.data || r.flat) {
		full = dataPrefixes[0] + n
	}
	if len(r.names) < maxNames {
		r.names[n] = full
	}
	return full, full != ""
}
