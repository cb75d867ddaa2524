package procmon

import (
	"bytes"
	"fmt"
	"sync"

	"culprit/internal/event"
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
	colDetail:       {event.ProcmonDetail, putText},
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
	colIntegrity:    {event.ProcmonIntegrity, putText},
	colCategory:     {event.ProcmonCategory, putText},
	colParent:       {event.ProcessParentPID, putInt},
	colArchitecture: {event.ProcmonArchitecture, putText},
}

// csvWants holds which of the fields that aren't a column somebody looks at.
type csvWants struct {
	kind, provider, dataset, category, eventType, class, duration, userName, userDomain bool
	networkType, bytes, process                                                         bool
}

// plan settles once what is done for every row.
func (r *csvReader) plan() {
	has := r.o.Fields.Has
	for c, f := range csvFields {
		if f.field != 0 && r.at[c] >= 0 && (has(f.field) || f.how == putUser && has(event.UserDomain)) {
			r.puts = append(r.puts, csvPut{cell: r.at[c], field: f.field, how: f.how})
		}
	}
	r.wants = csvWants{
		kind: has(event.EventKind), provider: has(event.EventProvider), dataset: has(event.EventDataset),
		category: has(event.EventCategory), eventType: has(event.EventType), class: has(event.ProcmonEventClass) && r.at[colClass] < 0,
		duration: has(event.EventDuration) && r.at[colDuration] < 0 && r.at[colCompletion] >= 0 && r.at[colTime] >= 0,
		userName: has(event.UserName), userDomain: has(event.UserDomain),
		networkType: has(event.NetworkType), bytes: has(event.NetworkBytes) && r.at[colDetail] >= 0,
		process: has(event.ProcessCommandLine) || has(event.ProcessParentPID) || has(event.ProcessWorkingDirectory) ||
			has(event.ProcessExitCode) || has(event.ProcessStart) || has(event.ProcessEnd),
	}
}

// A csvOperation is what an operation's name stands for.
type csvOperation struct {
	kind     string // event.type
	category string
}

// csvOperations knows Procmon's operations by name.
var csvOperations = sync.OnceValue(func() map[string]csvOperation {
	m := make(map[string]csvOperation)
	add := func(class int, table []operation) {
		for _, op := range table {
			category := classCategories[class]
			if op.name == "Load Image" {
				category = "library"
			}
			m[op.name] = csvOperation{op.kind, category}
			for _, name := range op.subs {
				m[name] = csvOperation{op.kind, category}
			}
		}
	}
	add(classFile, fileOperations[:])
	add(classRegistry, registryOperations[:])
	add(classProcess, processOperations[:])
	add(classProfiling, profilingOperations[:])
	add(classNetwork, networkOperations[0][:])
	add(classNetwork, networkOperations[1][:])
	delete(m, unknownName)
	return m
})

// classOf tells an operation's class by its name. What has no mark of another class is a file operation, as the IRP_MJ_ and
// FASTIO_ names of Procmon's advanced output are.
func classOf(op []byte) int {
	if len(op) < 4 {
		return classFile
	}
	switch string(op[:4]) {
	case "TCP ", "UDP ":
		return classNetwork
	case "Proc", "Thre", "Load", "Syst", "Debu":
		switch {
		case bytes.HasSuffix(op, []byte(" Profiling")):
			return classProfiling
		case bytes.HasPrefix(op, []byte("Process ")), bytes.HasPrefix(op, []byte("Thread ")), string(op) == "Load Image",
			string(op) == "System Statistics":
			return classProcess
		}
	}
	if string(op[:3]) == "Reg" {
		return classRegistry
	}
	return classFile
}

// roleOf tells what a network or process operation is to attribution.
func roleOf(class int, op []byte) string {
	switch class {
	case classNetwork:
		switch string(op[4:]) {
		case "Connect":
			return event.RoleConnect
		case "Accept":
			return event.RoleAccept
		case "Send":
			return event.RoleSend
		case "Receive":
			return event.RoleReceive
		case "Disconnect":
			return event.RoleDisconnect
		}
	case classProcess:
		switch string(op) {
		case "Process Start":
			return event.RoleStart
		case "Process Exit":
			return event.RoleEnd
		}
	}
	return ""
}

// event puts the row into the batch, or skips it. It gives what is wrong with the row, if anything.
func (r *csvReader) event(b *event.Batch, line, off int64) string {
	cells := r.rows.cells
	if len(cells) != r.width {
		if len(cells) == 1 && cells[0].from == cells[0].to {
			return "" // a blank line
		}
		return r.atEnd(fmt.Sprintf("%d cells where the header has %d", len(cells), r.width))
	}
	t, timed, bad := r.time()
	if bad != "" {
		return bad
	}
	var op []byte
	if i := r.at[colOperation]; i >= 0 {
		op = r.rows.cell(i)
	}
	class := classOf(op)
	r.counts[class]++
	r.total++
	role := roleOf(class, op)
	var net *netPath
	if class == classNetwork {
		if net, bad = r.ends(op); net == nil {
			role = ""
		}
	}
	if r.o.RolesOnly && role == "" {
		if timed {
			b.Skip(t)
		} else {
			b.Skipped++
		}
		return bad
	}
	b.Next()
	b.PutInt(event.Record, line)
	b.PutInt(event.LogOffset, off)
	if r.toUTC != nil {
		b.PutText(event.TimeBasis, event.BasisUTC)
	} else {
		b.PutText(event.TimeBasis, r.basis)
	}
	if timed {
		b.PutTime(event.Timestamp, t)
	}
	if role != "" {
		b.PutText(event.Role, role)
	}
	b.PutStr(event.EventAction, op)
	r.putFixed(b, class, op)
	r.putCells(b, class)
	switch {
	case net != nil:
		r.putNet(b, net, op[:3], role)
	case role != "" && r.wants.process:
		r.putProcess(b, role, t, timed)
	}
	return bad
}

// time gives the row's time, if the file has times.
func (r *csvReader) time() (ns int64, timed bool, bad string) {
	ns, timed, bad = r.localTime()
	if timed && r.toUTC != nil {
		ns = r.toUTC(ns)
	}
	return ns, timed, bad
}

// localTime gives the row's time as written. The first row settles what the file's times are.
func (r *csvReader) localTime() (ns int64, timed bool, bad string) {
	var clockCell, dateCell []byte
	if i := r.at[colTime]; i >= 0 {
		c := r.rows.cells[i]
		clockCell = r.rows.row[c.from:c.to]
	}
	if i := r.at[colDate]; i >= 0 {
		c := r.rows.cells[i]
		dateCell = r.rows.row[c.from:c.to]
		if clockCell == nil {
			_, _, used, _ := dateNumbers(dateCell)
			clockCell = dateCell[used:]
		}
	}
	if r.basis == "" {
		r.basis = event.BasisTimeOfDay
		if dateCell != nil {
			if _, ok := r.dates.date(dateCell, clockCell); ok {
				r.basis = event.BasisLocal
			}
		}
	}
	switch {
	case clockCell == nil:
		return 0, false, ""
	case r.basis == event.BasisTimeOfDay:
		t, ok := r.times.read(clockCell)
		if !ok {
			return 0, false, fmt.Sprintf("the time %q can't be read", clip(clockCell))
		}
		r.clock = r.times.prev.ns
		return t, true, ""
	}
	c, ok := r.times.clock(clockCell)
	if !ok || c.noHour {
		return 0, false, fmt.Sprintf("the time %q can't be read", clip(clockCell))
	}
	r.times.seen, r.clock = true, c.ns
	d, ok := r.dates.date(dateCell, clockCell)
	if !ok {
		return 0, false, fmt.Sprintf("the date %q can't be read", clip(dateCell))
	}
	return d + c.ns, true, ""
}

// clip shortens what is shown of a cell.
func clip(b []byte) []byte { return b[:min(len(b), 60)] }

// ends reads a network event's Path.
func (r *csvReader) ends(op []byte) (*netPath, string) {
	i := r.at[colPath]
	if i < 0 {
		return nil, ""
	}
	c := r.rows.cells[i]
	path := r.rows.row[c.from:c.to]
	if n, ok := r.nets.read(path, op[0] == 'U'); ok {
		return n, ""
	}
	return nil, fmt.Sprintf("the path %q of a network event isn't two ends with a port each", clip(path))
}

// putFixed puts what the operation alone says.
func (r *csvReader) putFixed(b *event.Batch, class int, name []byte) {
	w := &r.wants
	if w.kind {
		b.PutText(event.EventKind, "event")
	}
	if w.provider {
		b.PutText(event.EventProvider, "Procmon")
	}
	if w.dataset {
		b.PutText(event.EventDataset, "procmon.events")
	}
	if len(name) == 0 {
		return
	}
	if w.class {
		b.PutText(event.ProcmonEventClass, classNames[class])
	}
	if !w.category && !w.eventType {
		return
	}
	op := r.operation(class, name)
	if w.category {
		b.AddText(event.EventCategory, op.category)
	}
	if w.eventType {
		if class == classNetwork {
			b.AddText(event.EventType, "connection")
		}
		if op.kind != "" {
			b.AddText(event.EventType, op.kind)
		}
	}
}

// operation gives what an operation's name stands for. Rows with the same one come in runs.
func (r *csvReader) operation(class int, name []byte) csvOperation {
	if !bytes.Equal(name, r.lastName) {
		r.lastName = append(r.lastName[:0], name...)
		var ok bool
		if r.lastOp, ok = csvOperations()[string(name)]; !ok {
			r.lastOp = csvOperation{"info", classCategories[class]}
		}
	}
	return r.lastOp
}

// putCells copies the cells somebody looks at.
func (r *csvReader) putCells(b *event.Batch, class int) {
	for i := range r.puts {
		p := &r.puts[i]
		v := r.rows.cell(p.cell)
		if len(v) == 0 {
			continue
		}
		switch p.how {
		case putText:
			b.PutStr(p.field, v)
		case putTrim:
			if v = bytes.TrimRight(v, " "); len(v) > 0 {
				b.PutStr(p.field, v)
			}
		case putInt:
			if n, ok := wholeNumber(v); ok {
				b.PutInt(p.field, n)
			}
		case putThread:
			if n, ok := wholeNumber(v); ok && (n != 0 || class != classNetwork) {
				b.PutInt(p.field, n)
			}
		case putSpan:
			if n, ok := seconds(v); ok {
				b.PutInt(p.field, n)
			}
		case putUser:
			r.putUser(b, v)
		case putExtra:
			b.PutExtra(p.name, v)
		}
	}
	if r.wants.duration {
		if c, ok := r.times.parse(r.rows.cell(r.at[colCompletion])); ok {
			b.PutInt(event.EventDuration, (c.ns-r.clock+day)%day)
		}
	}
}

func (r *csvReader) putUser(b *event.Batch, v []byte) {
	domain, name, ok := bytes.Cut(v, []byte{'\\'})
	if !ok {
		domain, name = nil, v
	}
	if len(domain) > 0 && r.wants.userDomain {
		b.PutStr(event.UserDomain, domain)
	}
	if len(name) > 0 && r.wants.userName {
		b.PutStr(event.UserName, name)
	}
}

// putNet puts a network event's ends. The host's own end is the source, unless it accepted the connection, or a datagram
// came to a group it listens to: then Procmon has the group on the left.
func (r *csvReader) putNet(b *event.Batch, n *netPath, transport []byte, role string) {
	src, dst, direction := &n.local, &n.remote, ""
	switch {
	case role == event.RoleConnect:
		direction = "egress"
	case role == event.RoleAccept:
		src, dst, direction = dst, src, "ingress"
	case transport[0] == 'U' && n.local.group() && !n.remote.group():
		src, dst, direction = dst, src, "ingress"
	}
	if transport[0] == 'U' {
		b.PutText(event.NetworkTransport, "udp")
	} else {
		b.PutText(event.NetworkTransport, "tcp")
	}
	if direction != "" {
		b.PutText(event.NetworkDirection, direction)
	}
	src.put(b, event.SourceIP, event.SourceDomain, event.SourcePort)
	dst.put(b, event.DestinationIP, event.DestinationDomain, event.DestinationPort)
	if a := n.local.addr; r.wants.networkType && (a.IsValid() || n.remote.addr.IsValid()) {
		if !a.IsValid() {
			a = n.remote.addr
		}
		kind := "ipv6"
		if a.Is4() {
			kind = "ipv4"
		}
		b.PutText(event.NetworkType, kind)
	}
	if r.wants.bytes {
		if v, ok := bytes.CutPrefix(r.rows.cell(r.at[colDetail]), []byte("Length: ")); ok {
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
