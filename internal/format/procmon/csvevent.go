package procmon

import (
	"bytes"
	"fmt"
	"slices"

	"culprit/internal/event"
	"culprit/internal/format"
)

// A csvPut copies a cell into a field.
type csvPut struct {
	cell  int
	field event.Field
	how   putHow
	name  string // of an extra field
}

type putHow uint8

const (
	putText   putHow = iota
	putTrim          // text whose trailing spaces mean nothing
	putInt           // a whole number; what is none (n/a) is left out
	putThread        // a thread, which network events have 0 for
	putSpan          // seconds
	putUser          // DOMAIN\name
	putExtra         // a column that isn't Procmon's
	putLevel         // an integrity level in any language
	putClock         // a time that an operation ended at
)

// csvFields is where each column goes.
var csvFields = [numColumns]struct {
	field event.Field
	how   putHow
}{
	colProcess:      {event.ProcessName, putText},
	colPID:          {event.ProcessPID, putInt},
	colPath:         {event.ProcmonPath, putText},
	colResult:       {event.ProcmonResult, putText},
	colDetail:       {event.ProcmonDetailText, putText},
	colRelative:     {event.ProcmonRelativeTime, putText},
	colDuration:     {event.EventDuration, putSpan},
	colClass:        {event.ProcmonEventClass, putText},
	colSequence:     {event.EventSequence, putInt},
	colImage:        {event.ProcessExecutable, putText},
	colCompany:      {event.ProcessPECompany, putTrim},
	colDescription:  {event.ProcessTitle, putTrim},
	colVersion:      {event.ProcessPEFileVersion, putTrim},
	colUser:         {event.UserName, putUser},
	colLogon:        {event.ProcmonAuthenticationID, putText},
	colSession:      {event.ProcmonSession, putInt},
	colCommand:      {event.ProcessCommandLine, putTrim},
	colTID:          {event.ProcessThreadID, putThread},
	colVirtualized:  {event.ProcmonVirtualized, putText},
	colIntegrity:    {event.ProcmonIntegrity, putLevel},
	colCategory:     {event.ProcmonCategory, putText},
	colParent:       {event.ProcessParentPID, putInt},
	colArchitecture: {event.ProcmonArchitecture, putText},
}

// csvWants holds which of the fields that aren't a column somebody looks at.
type csvWants struct {
	kind, provider, dataset, category, eventType, class, duration, userName, userDomain bool
	networkType, bytes, process, details, operation                                     bool
}

// A csvPutter turns rows into events. It needs nothing but the row, so several may work on one source at once.
type csvPutter struct {
	o     format.Options
	at    [numColumns]int // the cell of each column, -1 for a column that isn't there
	puts  []csvPut
	extra []csvPut // those of them that are of no column of Procmon's
	wants csvWants
	basis string

	batch   *event.Batch // the one at hand, how many there were, and its events so far
	batches int
	filled  int
	fixed   []event.Field // what an operation alone says
	repeats bool          // nobody else puts fields of a process
	same    *csvSame

	row     *csvRow
	text    []byte // an unescaped cell
	times   timeline
	nets    netPaths
	details *detailPutter
	ops     map[string]*csvOperation // by the text of a cell
	last    *csvOperation            // the operation looked up last, and its text
	lastOp  []byte
	levels  map[string]string // integrity levels by the text of a cell

	counts   [len(classNames)]int64
	total    int64
	advanced bool            // a name of advanced output was seen
	strange  map[string]bool // integrity levels in a language I don't know
}

// plan settles what is done for every row.
func (p *csvPutter) plan(at [numColumns]int, extra []csvPut) {
	p.at, p.puts, p.extra = at, append([]csvPut(nil), extra...), extra
	p.batch = nil // what its events say may differ now
	p.fixed = []event.Field{
		event.TimeBasis, event.EventAction, event.EventKind, event.EventProvider, event.EventDataset, event.ProcmonEventClass,
		event.EventCategory, event.EventType,
	}
	if at[colClass] >= 0 {
		p.fixed = slices.DeleteFunc(p.fixed, func(f event.Field) bool { return f == event.ProcmonEventClass })
	}
	has := p.o.Fields.Has
	var process []csvPut
	for c, f := range csvFields {
		if f.field == 0 || at[c] < 0 || !has(f.field) && !(f.how == putUser && has(event.UserDomain)) {
			continue
		}
		put := csvPut{cell: at[c], field: f.field, how: f.how}
		if p.repeats && at[colPID] >= 0 && processColumn(csvColumn(c)) {
			process = append(process, put)
		} else {
			p.puts = append(p.puts, put)
		}
	}
	p.same = newCSVSame(at, process)
	p.wants = csvWants{
		kind: has(event.EventKind), provider: has(event.EventProvider), dataset: has(event.EventDataset),
		category: has(event.EventCategory), eventType: has(event.EventType), class: has(event.ProcmonEventClass) && at[colClass] < 0,
		duration: has(event.EventDuration) && at[colDuration] < 0 && at[colCompletion] >= 0 && at[colTime] >= 0,
		userName: has(event.UserName), userDomain: has(event.UserDomain),
		networkType: has(event.NetworkType), bytes: has(event.NetworkBytes) && at[colDetail] >= 0,
		process: has(event.ProcessCommandLine) || has(event.ProcessParentPID) || has(event.ProcessWorkingDirectory) ||
			has(event.ProcessExitCode) || has(event.ProcessStart) || has(event.ProcessEnd),
		operation: has(event.ProcmonOperation),
		details:   p.details.any && at[colDetail] >= 0,
	}
	if p.wants.duration {
		p.puts = append(p.puts, csvPut{cell: at[colCompletion], field: event.EventDuration, how: putClock})
	}
}

// clone gives a putter that does the same and shares nothing that changes.
func (p *csvPutter) clone() *csvPutter {
	dates := calendar{order: p.details.dates.order}
	q := &csvPutter{o: p.o, basis: p.basis, repeats: p.repeats, times: timeline{coarsest: 9}, details: newDetailPutter(p.o.Fields, &dates)}
	q.plan(p.at, p.extra)
	return q
}

// rows puts rows until the batch is full, and says how many.
func (p *csvPutter) rows(b *event.Batch, rows []csvRow) int {
	for i := range rows {
		if b.Full() || b.Skipped >= maxSkips {
			return i
		}
		row := &rows[i]
		what := row.bad
		if what == "" {
			what = p.event(b, row)
		}
		if what != "" {
			b.AddBad(row.line, row.off, what)
		}
	}
	return len(rows)
}

// cell gives the text of cell i; it is valid until the next call.
func (p *csvPutter) cell(i int) []byte {
	c := p.row.cells[i]
	t := p.row.text[c.from:c.to]
	if !c.escaped {
		return t
	}
	p.text = appendUnescaped(p.text[:0], t)
	return p.text
}

// event puts the row into the batch, or skips it. It gives what is wrong with the row, if anything.
func (p *csvPutter) event(b *event.Batch, row *csvRow) (bad string) {
	p.row = row
	var name []byte
	if i := p.at[colOperation]; i >= 0 {
		name = p.row.raw(i)
	}
	op := p.operation(name)
	p.counts[op.class]++
	p.total++
	role := op.role
	var net *netPath
	if op.class == classNetwork {
		if net, bad = p.ends(op); net == nil {
			role = ""
		}
	}
	if p.o.RolesOnly && role == "" {
		if row.timed {
			b.Skip(row.t)
		} else {
			b.Skipped++
		}
		return bad
	}
	b.Next()
	if b != p.batch || b.Len <= p.filled { // another batch, or it was reset
		p.batch = b
		p.batches++
	}
	p.filled = b.Len
	b.PutInt(event.Record, row.line)
	b.PutInt(event.LogOffset, row.off)
	if row.timed {
		b.PutTime(event.Timestamp, row.t)
	}
	if role != "" {
		b.PutText(event.Role, role)
	}
	p.putOperation(b, op, name)
	p.putSame(b, op)
	p.putCells(b, op, p.puts)
	switch {
	case net != nil:
		p.putNet(b, net, op, role)
	case role != "" && p.wants.process:
		p.putProcess(b, role, row.t, row.timed)
	}
	return bad
}

// operation gives what the text of an Operation cell stands for. Rows with the same one come in runs.
func (p *csvPutter) operation(text []byte) *csvOperation {
	if p.last != nil && bytes.Equal(text, p.lastOp) {
		return p.last
	}
	op, ok := p.ops[string(text)]
	if !ok {
		if p.ops == nil || len(p.ops) >= maxPaths {
			p.ops = make(map[string]*csvOperation)
		}
		named := operationNamed(string(text))
		op = &named
		p.ops[string(text)] = op
		p.advanced = p.advanced || op.advanced
	}
	p.last = op
	p.lastOp = append(p.lastOp[:0], text...)
	return op
}

// putOperation puts what operation and Detail say.
func (p *csvPutter) putOperation(b *event.Batch, op *csvOperation, text []byte) {
	var detail []byte
	if op.advanced || p.wants.details {
		if i := p.at[colDetail]; i >= 0 {
			detail = p.cell(i)
		}
	}
	if op.advanced {
		if p.wants.operation {
			b.PutStr(event.ProcmonOperation, text)
		}
		op, detail = p.usual(op, detail)
	}
	if op.batch == p.batches { // an event of this batch has said it
		b.Repeat(op.row, p.fixed)
	} else {
		p.putFixed(b, op)
		op.batch, op.row = p.batches, b.Len-1
	}
	if p.wants.details {
		p.details.putKeys(b, op, detail)
	}
}

// usual gives the operation that a row of advanced output stands for, and its Detail without the Type that says it: under
// IRP_MJ_QUERY_INFORMATION Detail is `Type: QueryNameInformationFile, Name: x`.
func (p *csvPutter) usual(op *csvOperation, detail []byte) (*csvOperation, []byte) {
	kind, rest, _ := bytes.Cut(detail, []byte(", "))
	name, ok := bytes.CutPrefix(kind, []byte("Type: "))
	if !ok {
		return op, detail
	}
	if named, ok := csvOperations()[string(name)]; !ok || named.class != op.class {
		return op, detail
	}
	return p.operation(name), rest
}

// ends reads a network event's Path.
func (p *csvPutter) ends(op *csvOperation) (*netPath, string) {
	i := p.at[colPath]
	if i < 0 {
		return nil, ""
	}
	path := p.row.raw(i)
	if n, ok := p.nets.read(path, op.name[0] == 'U'); ok {
		return n, ""
	}
	return nil, fmt.Sprintf("the path %q of a network event isn't two ends with a port each", clip(path))
}

// putFixed puts what the operation alone says.
func (p *csvPutter) putFixed(b *event.Batch, op *csvOperation) {
	w := &p.wants
	b.PutText(event.TimeBasis, p.basis)
	b.PutText(event.EventAction, op.name)
	if w.kind {
		b.PutText(event.EventKind, "event")
	}
	if w.provider {
		b.PutText(event.EventProvider, "Procmon")
	}
	if w.dataset {
		b.PutText(event.EventDataset, "procmon.events")
	}
	if op.name == "" {
		return
	}
	if w.class {
		b.PutText(event.ProcmonEventClass, classNames[op.class])
	}
	if w.category {
		b.AddText(event.EventCategory, op.category)
	}
	if w.eventType {
		if op.class == classNetwork {
			b.AddText(event.EventType, "connection")
		}
		if op.kind != "" {
			b.AddText(event.EventType, op.kind)
		}
	}
}

// putSame puts the cells that tell of the process.
func (p *csvPutter) putSame(b *event.Batch, op *csvOperation) {
	if p.same == nil {
		return
	}
	known, same := p.same.find(p.row)
	if same && known.batch == p.batches {
		b.Repeat(known.row, p.same.fields)
		return
	}
	p.putCells(b, op, p.same.puts)
	if known != nil {
		known.batch, known.row = p.batches, b.Len-1
	}
}

// putCells copies the cells somebody looks at.
func (p *csvPutter) putCells(b *event.Batch, op *csvOperation, puts []csvPut) {
	for i := range puts {
		x := &puts[i]
		v := p.cell(x.cell)
		if len(v) == 0 {
			continue
		}
		switch x.how {
		case putText:
			b.PutStr(x.field, v)
		case putTrim:
			if v = bytes.TrimRight(v, " "); len(v) > 0 {
				b.PutStr(x.field, v)
			}
		case putInt, putThread:
			if n, ok := wholeNumber(v); ok && (x.how == putInt || n != 0 || op.class != classNetwork) {
				b.PutInt(x.field, n)
			}
		case putSpan:
			if n, ok := seconds(v); ok {
				b.PutInt(x.field, n)
			}
		case putUser:
			p.putUser(b, v)
		case putLevel:
			b.PutText(x.field, p.level(v))
		case putClock:
			if c, ok := p.times.parse(v); ok {
				b.PutInt(x.field, (c.ns-p.row.clock+day)%day)
			}
		case putExtra:
			b.PutExtra(x.name, v)
		}
	}
}

// level gives the English name of an integrity level, or the text as it is where it has none.
func (p *csvPutter) level(v []byte) string {
	l, ok := p.levels[string(v)]
	if ok {
		return l
	}
	if l, ok = integrityLevel(v); !ok {
		l = string(v)
		if p.strange == nil {
			p.strange = make(map[string]bool)
		}
		if l != "n/a" && len(p.strange) < 20 {
			p.strange[string(clip(v))] = true
		}
	}
	if p.levels == nil || len(p.levels) >= maxPaths {
		p.levels = make(map[string]string)
	}
	p.levels[string(v)] = l
	return l
}

func (p *csvPutter) putUser(b *event.Batch, v []byte) {
	domain, name, ok := bytes.Cut(v, []byte{'\\'})
	if !ok {
		domain, name = nil, v
	}
	if len(domain) > 0 && p.wants.userDomain {
		b.PutStr(event.UserDomain, domain)
	}
	if len(name) > 0 && p.wants.userName {
		b.PutStr(event.UserName, name)
	}
}

// putNet puts a network event's ends. The host's own end is the source, unless it accepted the connection, or a datagram
// came to a group it listens to: then Procmon has the group on the left.
func (p *csvPutter) putNet(b *event.Batch, n *netPath, op *csvOperation, role string) {
	udp := op.name[0] == 'U'
	src, dst, direction := &n.local, &n.remote, ""
	switch {
	case role == event.RoleConnect:
		direction = "egress"
	case role == event.RoleAccept:
		src, dst, direction = dst, src, "ingress"
	case udp && n.local.group() && !n.remote.group():
		src, dst, direction = dst, src, "ingress"
	}
	if udp {
		b.PutText(event.NetworkTransport, "udp")
	} else {
		b.PutText(event.NetworkTransport, "tcp")
	}
	if direction != "" {
		b.PutText(event.NetworkDirection, direction)
	}
	src.put(b, event.SourceIP, event.SourceDomain, event.SourcePort)
	dst.put(b, event.DestinationIP, event.DestinationDomain, event.DestinationPort)
	if a := n.local.addr; p.wants.networkType && (a.IsValid() || n.remote.addr.IsValid()) {
		if !a.IsValid() {
			a = n.remote.addr
		}
		kind := "ipv6"
		if a.Is4() {
			kind = "ipv4"
		}
		b.PutText(event.NetworkType, kind)
	}
	if p.wants.bytes {
		if v, ok := bytes.CutPrefix(p.cell(p.at[colDetail]), []byte("Length: ")); ok {
			// Connecting and the like say 0 for what they don't send.
			if n, _, ok := number(v); ok && (n > 0 || role == event.RoleSend || role == event.RoleReceive) {
				b.PutInt(event.NetworkBytes, n)
			}
		}
	}
}

// put puts an end into the fields of its side.
func (e *endpoint) put(b *event.Batch, ip, domain, port event.Field) {
	if e.addr.IsValid() {
		b.PutAddr(ip, e.addr)
	} else {
		b.PutText(domain, e.domain)
	}
	if e.port >= 0 {
		b.PutInt(port, int64(e.port))
	}
}

// wholeNumber reads digits and nothing else.
func wholeNumber(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
