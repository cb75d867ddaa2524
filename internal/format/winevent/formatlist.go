package winevent

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/text"
)

// List is Windows events as text, as PowerShell shows them: Get-WinEvent ... | Format-List.
//
// An event is properties, a line each, the names padded to one width; longer values go on in lines that begin with blanks.
//
//	TimeCreated  : 8/29/2025 4:38:23 PM
//	ProviderName : Microsoft-Windows-Sysmon
//	Id           : 3
//	Message      : Network connection detected:
//	               RuleName: -
//	               UtcTime: 2025-08-29 20:38:23.123
//	               SourceIp: 192.0.2.129
//
// Sysmon's message has every value under its own name, so it is decoded as in any other form; of the Security log, the
// messages of processes and connections in English are (formatsecurity.go). TimeCreated is local time as the country has
// it. Values longer than the window are wrapped, with nothing to show where; PowerShell's > writes UTF-16.
var List = &format.Format{
	Name:  "winevent-list",
	Doc:   "Windows events (Sysmon, Security) as text: PowerShell's Get-WinEvent | Format-List",
	Exts:  []string{".log"},
	Match: matchList,
	Open: func(src *format.Source, o format.Options) (format.Reader, error) {
		head, err := src.Head()
		if err != nil {
			return nil, err
		}
		return &listReader{d: newDecoder(o), lines: text.NewAnyLines(src.Stream(), text.EncodingOf(head))}, nil
	},
}

// listProperties are the properties of an event as PowerShell names them, and where they go.
var listProperties = map[string]slot{
	"TimeCreated": created, "ProviderName": logProvider, "Id": eventID, "Message": rendered, "LogName": logChannel, "MachineName": logComputer,
	"RecordId": recordID, "UserId": writerID, "TaskDisplayName": category,
	"Version": noSlot, "Qualifiers": noSlot, "Level": noSlot, "LevelDisplayName": noSlot, "Task": noSlot, "Opcode": noSlot, "OpcodeDisplayName": noSlot,
	"Keywords": noSlot, "KeywordsDisplayNames": noSlot, "ProviderId": noSlot, "ProcessId": noSlot, "ThreadId": noSlot, "ActivityId": noSlot,
	"RelatedActivityId": noSlot, "ContainerLog": noSlot, "MatchedQueryIds": noSlot, "Bookmark": noSlot, "Properties": noSlot,
}

// splitProperty takes a line like `Id           : 3` apart; it is false for any other.
func splitProperty(line []byte) (name, value []byte, ok bool) {
	n := 0
	for n < len(line) && (line[n] >= 'A' && line[n] <= 'Z' || line[n] >= 'a' && line[n] <= 'z') {
		n++
	}
	name = line[:n]
	rest := bytes.TrimLeft(line[n:], " ")
	if len(rest) == len(line)-n || len(rest) == 0 || rest[0] != ':' || len(rest) > 1 && rest[1] != ' ' {
		return nil, nil, false // Format-List always has a blank before the colon
	}
	if _, ok := listProperties[string(name)]; !ok {
		return nil, nil, false
	}
	return name, bytes.TrimSpace(rest[1:]), true
}

// maxListHead is how many lines of a source are looked at to know it.
const maxListHead = 400

func matchList(head []byte) bool {
	lines := text.NewAnyLines(bytes.NewReader(head[:min(len(head), 32<<10)]), text.EncodingOf(head))
	found := map[string]bool{}
	for range maxListHead {
		line, err := lines.Next()
		if err != nil {
			break
		}
		name, _, ok := splitProperty(line)
		if len(found) == 0 && !ok && len(bytes.TrimSpace(line)) > 0 {
			return false
		}
		if ok {
			found[string(name)] = true
		}
	}
	return found["TimeCreated"] && (found["Message"] || found["Id"])
}

// maxListEvent is how long an event may be.
const maxListEvent = 1 << 20

type listReader struct {
	d     *reader // decodes what is gathered here
	lines *text.AnyLines
	first string // the property every event begins with

	buf       []byte // the event's values, one after the other
	props     []listProperty
	line      int64 // where the event begins
	offset    int64
	long      bool
	order     text.DateOrder
	wrapped   int64
	unzoned   bool
	finished  bool
	carried   []byte // the line that ended the event before, not used yet
	carriedAt [2]int64
}

type listProperty struct {
	name     string
	from, to int
}

// Read implements format.Reader.
func (r *listReader) Read(b *event.Batch) error {
	r.d.b = b
	for !b.Full() {
		err := r.gather(b)
		if len(r.props) > 0 {
			r.event(b)
		}
		if err == io.EOF {
			r.finish(b)
			return io.EOF
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", r.lines.Number, err)
		}
	}
	return nil
}

// gather takes the lines of the next event. It ends before the line that begins the one after.
func (r *listReader) gather(b *event.Batch) error {
	r.buf, r.props, r.long = r.buf[:0], r.props[:0], false
	if r.carried != nil {
		name, value, _ := splitProperty(r.carried)
		r.line, r.offset = r.carriedAt[0], r.carriedAt[1]
		r.property(string(name), value)
		r.carried = nil
	}
	for {
		line, err := r.lines.Next()
		if err != nil {
			return err
		}
		if r.lines.Open {
			b.AddBad(r.lines.Number, r.lines.Offset, fmt.Sprintf("ends inside line %d, and so maybe inside an event", r.lines.Number))
		}
		name, value, ok := splitProperty(line)
		switch {
		case ok && string(name) == r.first && len(r.props) > 0:
			r.carried = append(r.carried[:0], line...)
			r.carriedAt = [2]int64{r.lines.Number, r.lines.Offset}
			return nil
		case ok:
			if len(r.props) == 0 {
				r.line, r.offset = r.lines.Number, r.lines.Offset
			}
			if r.first == "" {
				r.first = string(name)
			}
			r.property(string(name), value)
		case len(r.props) > 0:
			r.goOn(line)
		case len(bytes.TrimSpace(line)) > 0:
			b.AddBad(r.lines.Number, r.lines.Offset, "stands before any property of an event")
		}
	}
}

func (r *listReader) property(name string, value []byte) {
	if len(r.props) >= 64 {
		return
	}
	from := len(r.buf)
	r.buf = append(r.buf, value...)
	r.props = append(r.props, listProperty{name, from, len(r.buf)})
}

// goOn adds a line to the last value.
func (r *listReader) goOn(line []byte) {
	if len(r.buf)+len(line) > maxListEvent {
		r.long = true
		return
	}
	p := &r.props[len(r.props)-1]
	r.buf = append(append(r.buf, '\n'), bytes.TrimSpace(line)...)
	p.to = len(r.buf)
}

// event loads what was gathered into the decoder.
func (r *listReader) event(b *event.Batch) {
	d := r.d
	d.reset()
	d.offset, d.record = r.offset, r.line
	var message, when []byte
	for _, p := range r.props {
		v := bytes.TrimSpace(r.buf[p.from:p.to])
		switch s := listProperties[p.name]; {
		case len(v) == 0 || s == noSlot:
		case s == rendered:
			message = v
		case s == created:
			when = v
		default:
			d.set(s, text.Value{Raw: v, Kind: text.Plain})
		}
	}
	title, body, _ := bytes.Cut(message, []byte{'\n'})
	if !d.has[eventID] {
		id, ok := sysmonTitles[string(title)]
		if !ok {
			b.AddBad(r.line, r.offset, "is no event I know: it has no Id, and no message of Sysmon")
			return
		}
		d.set(eventID, text.Value{Raw: []byte(id), Kind: text.Plain})
	}
	if _, ok := sysmonTitles[string(title)]; ok && !d.has[logProvider] {
		d.set(logProvider, text.Value{Raw: []byte("Microsoft-Windows-Sysmon"), Kind: text.Plain})
	}
	r.loadTime(when)
	switch d.family() {
	case sysmon:
		r.loadSysmon(body)
	case security:
		if id := d.header(eventID); !r.loadSecurity(string(id), message) && roleOf(security, toID(id)) != "" {
			b.AddBad(r.line, r.offset, "has a message that is not in English: export the log as EVTX instead")
			return
		}
	}
	if d.family() != sysmon && message != nil {
		d.set(rendered, text.Value{Raw: message, Kind: text.Plain})
	}
	if r.long {
		b.AddBad(r.line, r.offset, "is longer than 1 MiB: the rest of the event is left out")
	}
	d.event()
}

func toID(v []byte) int64 {
	id, _ := text.Int(v)
	return id
}

// loadTime hands the time on in a form that has one meaning.
func (r *listReader) loadTime(v []byte) {
	d := r.d
	d.noted.local = true // it says so in its own words
	if _, zoned, ok := text.Time(v); ok && zoned {
		d.set(created, text.Value{Raw: v, Kind: text.Plain})
		return
	}
	r.order.See(v)
	ns, ok := r.order.Time(v)
	if at, _, iso := text.Time(v); iso {
		ns, ok = at, true
	}
	if !ok {
		return
	}
	from := len(d.scratch)
	d.scratch = time.Unix(0, ns).UTC().AppendFormat(d.scratch, "2006-01-02 15:04:05.999999999")
	d.set(eventTime, text.Value{Raw: d.scratch[from:len(d.scratch):len(d.scratch)], Kind: text.Plain})
	if d.family() != sysmon {
		r.unzoned = true // Sysmon says UtcTime itself
	}
}

// sysmonTitles are the first lines of Sysmon's messages: the names of its tasks.
var sysmonTitles = func() map[string]string {
	m := map[string]string{"File Delete:": "23"} // before Sysmon 13
	for id, k := range sysmonKinds {
		title, _, _ := strings.Cut(k.action, " (rule")
		m[title+":"] = fmt.Sprint(id)
	}
	return m
}()

// otherSysmonNames are the names in Sysmon's messages that no slot takes.
var otherSysmonNames = strings.Fields(`LogonGuid LogonId TerminalSessionId IntegrityLevel SourceIsIpv6 SourcePortName DestinationIsIpv6 DestinationPortName
	CreationUtcTime PreviousCreationUtcTime Signed Signature SignatureStatus ParentUser StartAddress StartModule StartFunction TargetProcessGuid
	TargetProcessGUID TargetProcessId TargetImage TargetUser SourceUser SourceThreadId GrantedAccess CallTrace NewThreadId Device Contents Archived IsExecutable
	Configuration ConfigurationFileHash State Version SchemaVersion NewName Consumer Filter EventNamespace Name Query Operation Destination Type
	ClientInfo Session ID`)

var sysmonNames = func() map[string]bool {
	m := map[string]bool{}
	for n := range dataNames {
		m[n] = true
	}
	for _, n := range otherSysmonNames {
		m[n] = true
	}
	return m
}()

// loadSysmon loads the values of a message of Sysmon: a name and a value a line. A line without a name of Sysmon's is the
// rest of the value before, wrapped.
func (r *listReader) loadSysmon(body []byte) {
	var name, value []byte
	for len(body) > 0 {
		var line []byte
		line, body, _ = bytes.Cut(body, []byte{'\n'})
		n, v, ok := bytes.Cut(line, []byte{':'})
		switch {
		case ok && sysmonNames[string(n)] && (len(v) == 0 || v[0] == ' '):
			if name != nil {
				r.d.data(name, text.Value{Raw: value, Kind: text.Plain})
			}
			name, value = n, bytes.TrimSpace(v)
		case name != nil && len(line) > 0:
			r.wrapped++
			value = r.join(string(name), value, line)
		}
	}
	if name != nil {
		r.d.data(name, text.Value{Raw: value, Kind: text.Plain})
	}
}

// join puts the two parts of a wrapped value together. Lines are wrapped at blanks, but what has none is cut anywhere.
func (r *listReader) join(name string, a, b []byte) []byte {
	d := r.d
	from := len(d.scratch)
	d.scratch = append(d.scratch, a...)
	if name != "Hashes" && name != "Hash" && name != "ProcessGuid" {
		d.scratch = append(d.scratch, ' ')
	}
	d.scratch = append(d.scratch, b...)
	return d.scratch[from:len(d.scratch):len(d.scratch)]
}

func (r *listReader) finish(b *event.Batch) {
	if r.finished {
		return
	}
	r.finished = true
	if r.lines.Torn {
		b.AddBad(r.lines.Number, r.lines.Offset, "ends inside a character of UTF-16")
	}
	if r.unzoned {
		b.Note("TimeCreated is local time of an unknown zone")
		if how := r.order.Doubt(); how != "" {
			b.Note("its times " + how)
		}
	}
	if r.wrapped > 0 {
		b.Note(fmt.Sprintf("lines wrapped at the window's width: %d; blanks where they were may be wrong. Export as EVTX (wevtutil epl), or write with Out-File -Width 4096", r.wrapped))
	}
}
