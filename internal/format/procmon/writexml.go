package procmon

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"culprit/internal/event"
)

// An XMLWriter writes the events of one recording as Process Monitor exports them. The process list comes first, so the
// recording is read twice: Survey is given all batches, then Write is given them again.
type XMLWriter struct {
	Rows    int64 // events written
	Foreign int64 // events left out that are none of Procmon's
	Dropped int64 // characters left out that XML can't hold
	Stacks  bool  // write the stacks that events have

	w     io.Writer
	cells cellWriter
	tags  []string // of the columns
	buf   []byte
	text  []byte
	list  writeList
	wrote bool // the process list
}

// A writeList is the processes of a recording, by the index they get.
type writeList struct {
	processes []*writeProcess
	byIndex   map[uint32]*writeProcess
	byPID     map[int64]uint32 // of a recording without indexes: the index of who has a PID now
	next      uint32           // the next index to give, of such a recording
	source    string
}

// A writeProcess is an entry of the process list to be written.
type writeProcess struct {
	index, parent            uint32
	pid, parentPID           int64
	start, end               int64
	hasParent                bool
	indexed                  bool // by the recording itself
	name, path, command      []byte
	company, version, title  []byte
	user, domain, logon      []byte
	integrity, virtual, arch []byte
}

// maxWriteProcesses bounds the process list.
const maxWriteProcesses = 1 << 20

// NewXMLWriter begins an XML of the columns named as Procmon names them, as NewCSVWriter does.
func NewXMLWriter(w io.Writer, columns []string, zone *time.Location) (*XMLWriter, error) {
	chosen, err := chosenColumns(columns)
	if err != nil {
		return nil, err
	}
	x := &XMLWriter{w: w, cells: newCellWriter(chosen, zone)}
	x.list.byIndex = map[uint32]*writeProcess{}
	x.list.byPID = map[int64]uint32{}
	for _, c := range chosen {
		x.tags = append(x.tags, elementName(columnNames[c]))
	}
	return x, nil
}

// elementName gives a column's element: what is neither letter nor digit becomes _.
func elementName(column string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, column)
}

// Survey learns the processes of a batch.
func (x *XMLWriter) Survey(b *event.Batch) error {
	l := &x.list
	for i := range b.Len {
		table := string(b.Str(event.EventDataset, i)) == "procmon.processes"
		if !table && !isEvent(b, i) {
			continue
		}
		if l.source == "" {
			l.source = b.Source
		}
		if l.source != b.Source {
			return fmt.Errorf("an XML holds one recording: convert %s and %s one by one", l.source, b.Source)
		}
		index, ok := l.indexOf(b, i)
		if !ok {
			continue
		}
		p := l.byIndex[index]
		if p == nil {
			if len(l.processes) >= maxWriteProcesses {
				return fmt.Errorf("%s has more than %d processes", b.Source, maxWriteProcesses)
			}
			p = &writeProcess{index: index, parent: index}
			l.byIndex[index] = p
			l.processes = append(l.processes, p)
			p.learn(b, i)
		} else if len(p.name) == 0 || !table && b.Has(event.Role, i) {
			p.learn(b, i)
		}
	}
	return nil
}

// indexOf gives the index of an event's process: its own, or, where processes are known by PID alone, one for each PID
// between two starts of it.
func (l *writeList) indexOf(b *event.Batch, i int) (uint32, bool) {
	if id, ok := bytes.CutPrefix(b.Str(event.ProcessEntityID, i), []byte("procmon:")); ok {
		n, err := strconv.ParseUint(string(id), 10, 32)
		return uint32(n), err == nil
	}
	if !b.Has(event.ProcessPID, i) {
		return 0, false
	}
	pid := b.Int(event.ProcessPID, i)
	index, ok := l.byPID[pid]
	if !ok || string(b.Str(event.Role, i)) == event.RoleStart {
		l.next++
		index = l.next
		l.byPID[pid] = index
	}
	return index, true
}

// learn takes over what an event says of its process and isn't known yet.
func (p *writeProcess) learn(b *event.Batch, i int) {
	for _, t := range []struct {
		to *[]byte
		f  event.Field
	}{
		{&p.name, event.ProcessName},
		{&p.path, event.ProcessExecutable},
		{&p.command, event.ProcessCommandLine},
		{&p.company, event.ProcessPECompany},
		{&p.version, event.ProcessPEFileVersion},
		{&p.title, event.ProcessTitle},
		{&p.user, event.UserName},
		{&p.domain, event.UserDomain},
		{&p.logon, event.ProcmonAuthenticationID},
		{&p.integrity, event.ProcmonIntegrity},
		{&p.virtual, event.ProcmonVirtualized},
		{&p.arch, event.ProcmonArchitecture},
	} {
		if v := b.Str(t.f, i); len(*t.to) == 0 && len(v) > 0 {
			*t.to = bytes.Clone(v)
		}
	}
	p.pid = b.Int(event.ProcessPID, i)
	p.indexed = b.Has(event.ProcessEntityID, i)
	if b.Has(event.ProcessParentPID, i) {
		p.parentPID, p.hasParent = b.Int(event.ProcessParentPID, i), true
	}
	if id, ok := bytes.CutPrefix(b.Str(event.ProcessParentEntityID, i), []byte("procmon:")); ok {
		p.parent = number32(id)
	}
	if string(b.Str(event.TimeBasis, i)) == event.BasisUTC {
		p.start = max(p.start, b.Int(event.ProcessStart, i))
		p.end = max(p.end, b.Int(event.ProcessEnd, i))
	}
}

// Write writes the events of b that Procmon displays.
func (x *XMLWriter) Write(b *event.Batch) error {
	if err := x.begin(); err != nil {
		return err
	}
	for i := range b.Len {
		if !isEvent(b, i) {
			x.Foreign += foreign(b, i)
			continue
		}
		index, _ := x.list.indexOf(b, i)
		if x.Rows > 0 {
			x.buf = append(x.buf, "\r\n"...)
		}
		x.Rows++
		x.cells.begin(b, i)
		x.buf = append(x.buf, "<event>\r\n"...)
		x.number("ProcessIndex", int64(index))
		for n, col := range x.cells.columns {
			x.text = x.cells.append(x.text[:0], col, b, i)
			x.element(x.tags[n], x.text)
		}
		x.stack(b, i)
		x.buf = append(x.buf, "</event>\r\n"...)
		if err := x.flush(writeAt); err != nil {
			return err
		}
	}
	return nil
}

// begin writes what stands in front of the events, once.
func (x *XMLWriter) begin() error {
	if x.wrote {
		return nil
	}
	x.wrote = true
	x.list.byPID, x.list.next = map[int64]uint32{}, 0
	x.buf = append(x.buf, utf8BOM+`<?xml version="1.0" encoding="UTF-8"?>`+"\r\n<procmon><processlist>"...)
	for _, p := range x.list.processes {
		x.process(p)
		if err := x.flush(writeAt); err != nil {
			return err
		}
	}
	x.buf = append(x.buf, "</processlist><eventlist>\r\n"...)
	return nil
}

// process writes an entry of the process list. Modules are none: no batch has them.
func (x *XMLWriter) process(p *writeProcess) {
	parent := p.parent
	q := x.list.parentOf(p)
	if q != nil {
		parent = q.index
	}
	x.buf = append(x.buf, "<process>\r\n"...)
	x.number("ProcessIndex", int64(p.index))
	x.number("ProcessId", p.pid)
	if p.hasParent || p.indexed {
		x.number("ParentProcessId", p.parentPID)
	}
	if q != nil || p.indexed && (parent != p.index || p.parentPID == 0) {
		x.number("ParentProcessIndex", int64(parent))
	}
	if len(p.logon) > 0 {
		x.element("AuthenticationId", p.logon)
	}
	x.number("CreateTime", toFileTime(p.start))
	x.number("FinishTime", toFileTime(p.end))
	if len(p.virtual) > 0 {
		x.number("IsVirtualized", virtualizedNumber(p.virtual))
	}
	switch string(p.arch) {
	case architectures[true]:
		x.number("Is64bit", 1)
	case architectures[false]:
		x.number("Is64bit", 0)
	}
	x.element("Integrity", p.integrity)
	owner := p.user
	if len(p.domain) > 0 {
		owner = slices.Concat(p.domain, []byte(`\`), p.user)
	}
	x.element("Owner", owner)
	x.element("ProcessName", p.name)
	x.element("ImagePath", p.path)
	x.element("CommandLine", p.command)
	x.element("CompanyName", p.company)
	x.element("Version", p.version)
	x.element("Description", p.title)
	x.buf = append(x.buf, "<modulelist>\r\n</modulelist>\r\n</process>\r\n"...)
}

// parentOf finds the parent of a process known by its PID alone: the first that had the PID.
func (l *writeList) parentOf(p *writeProcess) *writeProcess {
	if p.indexed || !p.hasParent {
		return nil
	}
	for _, q := range l.processes {
		if q.pid == p.parentPID && q != p {
			return q
		}
	}
	return nil
}

// virtualizedNumber is the reverse of virtualizedText.
func virtualizedNumber(v []byte) int64 {
	switch string(v) {
	case "True":
		return 1
	case "n/a":
		return 1<<32 - 1
	}
	return 0
}

// toFileTime is the reverse of pmlTime, 0 for no time.
func toFileTime(ns int64) int64 {
	if ns == 0 {
		return 0
	}
	return ns/100 + 116444736000000000
}

// stack writes an event's stack. Of a frame the events have the location alone.
func (x *XMLWriter) stack(b *event.Batch, i int) {
	if !x.Stacks || !b.Has(event.ProcmonStack, i) {
		return
	}
	x.buf = append(x.buf, "<stack>\r\n"...)
	depth := int64(0)
	for frame := range b.Strs(event.ProcmonStack, i) {
		x.buf = append(x.buf, "<frame>\r\n"...)
		x.number("depth", depth)
		x.element("location", frame)
		x.buf = append(x.buf, "</frame>\r\n"...)
		depth++
	}
	x.buf = append(x.buf, "</stack>\r\n"...)
}

func (x *XMLWriter) number(tag string, v int64) {
	x.open(tag)
	x.buf = strconv.AppendInt(x.buf, v, 10)
	x.close(tag)
}

func (x *XMLWriter) element(tag string, text []byte) {
	x.open(tag)
	x.escape(text)
	x.close(tag)
}

func (x *XMLWriter) open(tag string) { x.buf = append(append(append(x.buf, '<'), tag...), '>') }

func (x *XMLWriter) close(tag string) {
	x.buf = append(append(append(x.buf, "</"...), tag...), ">\r\n"...)
}

// escape appends text as Procmon's XML has it: the five marks as entities, a LF as CRLF, and so the CR and semicolon that stand
// between an environment's lines. What XML can't hold is dropped and counted.
func (x *XMLWriter) escape(text []byte) {
	plain := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '&' && c != '<' && c != '>' && c != '"' && c != '\'' || c == '\t' {
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(text[i:])
			if (r != utf8.RuneError || n > 1) && r != 0xfffe && r != 0xffff {
				i += n - 1
				continue
			}
		}
		x.buf = append(x.buf, text[plain:i]...)
		i += x.mark(text[i:])
		plain = i + 1
	}
	x.buf = append(x.buf, text[plain:]...)
}

// mark appends what the character stands as that t begins with, and gives how many further bytes it took.
func (x *XMLWriter) mark(t []byte) int {
	switch t[0] {
	case '&':
		x.buf = append(x.buf, "&amp;"...)
	case '<':
		x.buf = append(x.buf, "&lt;"...)
	case '>':
		x.buf = append(x.buf, "&gt;"...)
	case '"':
		x.buf = append(x.buf, "&quot;"...)
	case '\'':
		x.buf = append(x.buf, "&apos;"...)
	case '\n':
		x.buf = append(x.buf, "\r\n"...)
	case '\r':
		if bytes.HasPrefix(t, []byte("\r;\t")) {
			x.buf = append(x.buf, "\r\r\n"...)
			return 1
		}
		x.buf = append(x.buf, '\r')
	default:
		x.Dropped++
		_, n := utf8.DecodeRune(t)
		return n - 1
	}
	return 0
}

// flush writes what was gathered once it is at least so much.
func (x *XMLWriter) flush(least int) error {
	if len(x.buf) < least {
		return nil
	}
	_, err := x.w.Write(x.buf)
	x.buf = x.buf[:0]
	return err
}

// Close writes what is left. It doesn't close the writer below.
func (x *XMLWriter) Close() error {
	if err := x.begin(); err != nil {
		return err
	}
	x.buf = append(x.buf, "</eventlist></procmon>"...)
	return x.flush(0)
}
