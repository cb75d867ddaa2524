package procmon

import (
	"bytes"
	"fmt"
	"io"

	"culprit/internal/event"
	"culprit/internal/format"
)

// XML is Process Monitor's XML export (File > Save > Extensible Markup Language), learnt from one of version 4.01.
//
//	<procmon><processlist><process>  ProcessIndex, ProcessId, ParentProcessId, ParentProcessIndex, AuthenticationId, CreateTime and
//	FinishTime (FILETIMEs, UTC), IsVirtualized, Is64bit, Integrity, Owner, ProcessName, ImagePath, CommandLine, CompanyName, Version,
//	Description, modulelist: modules with Timestamp (FILETIME), BaseAddress, Size, Path, Version, Company, Description
//	<eventlist><event>  ProcessIndex, then an element for each column that was displayed, "Time of Day" as Time_of_Day; with stacks
//	a stack of frames: depth, address, path, location
//
// UTF-8 with a byte order mark and CRLF; a LF inside a text is CRLF too. The list of processes with all their modules can be
// most of the file. What a column holds is what the CSV has there, so the events go through the CSV's code.
var XML = &format.Format{
	Name:  "procmon-xml",
	Doc:   "Process Monitor's XML export: events as displayed, with the process list; UTC where that list tells the zone",
	Exts:  []string{".xml"},
	Match: matchXML,
	Open:  openXML,
}

// matchXML looks for <procmon> as the first element.
func matchXML(head []byte) bool {
	head = bytes.TrimPrefix(head[:min(len(head), 4<<10)], []byte(utf8BOM))
	for {
		head = bytes.TrimLeft(head, " \t\r\n")
		if bytes.HasPrefix(head, []byte("<procmon>")) {
			return true
		}
		if !bytes.HasPrefix(head, []byte("<?")) && !bytes.HasPrefix(head, []byte("<!")) {
			return false
		}
		head = skipMarkup(head[1:])
	}
}

// A xmlReader gives the process list, then the events.
type xmlReader struct {
	scan  *xmlScanner
	o     format.Options
	rows  csvReader // makes events of their columns: cells of a row without quotes
	procs pmlReader // of it the process table alone, which the process list is
	zone  xmlZone

	columns []xmlColumn // seen so far, in the order of their first event
	hint    int         // where among them the next is to be expected
	process uint32      // index, of the event at hand
	known   bool        // it has one
	frames  []byte      // its stack's elements
	stage   xmlStage
	found   map[*pmlProcess]uint8 // what of lackable the processes have that don't have all
	listed  int64                 // processes so far
	dropped int64                 // of them too many to keep
	number  int64                 // events so far
	text    []byte                // scratch
	fixed   int64                 // texts repaired
	strange int64                 // events of a process the list doesn't have
}

// A xmlColumn is an element that events have.
type xmlColumn struct {
	name string
	cell int
}

func openXML(src *format.Source, o format.Options) (format.Reader, error) {
	x := &xmlReader{scan: newXMLScanner(src.Stream()), o: o}
	x.rows = csvReader{rows: &csvScanner{}, o: o, times: timeline{coarsest: 9}}
	for i := range x.rows.at {
		x.rows.at[i] = -1
	}
	x.procs = pmlReader{o: o, byIndex: map[uint32]*pmlProcess{}}
	x.zone = newXMLZone()
	x.found = map[*pmlProcess]uint8{}
	return x, nil
}

// Read implements format.Reader.
func (x *xmlReader) Read(b *event.Batch) error {
	for _, n := range x.rows.notes {
		b.Note(n)
	}
	x.rows.notes = x.rows.notes[:0]
	if x.stage == xmlAtList {
		if err := x.readList(b); err != nil {
			return err
		}
		x.solve()
		x.stage = xmlAtEntries
	}
	for !b.Full() && b.Skipped < maxSkips {
		if x.stage == xmlAtEntries {
			if x.readEntry(b) {
				continue
			}
			x.stage = xmlAtEvents
		}
		if end, err := x.readNext(b); end {
			x.finish(b)
			return io.EOF
		} else if err != nil {
			return err
		}
	}
	return nil
}

// A xmlStage is what comes next.
type xmlStage uint8

const (
	xmlAtList xmlStage = iota
	xmlAtEntries
	xmlAtEvents
)

// readNext reads an event, or says what is wrong with it.
func (x *xmlReader) readNext(b *event.Batch) (end bool, err error) {
	kind, off, body, err := x.scan.next()
	switch {
	case err == io.EOF:
		return true, nil
	case err != nil && err != errCutOff && err != errTooLong:
		return false, fmt.Errorf("at byte %d: %w", off, err)
	case kind == xmlProcess: // a second list
		if err == nil {
			x.keep(x.entry(body, off))
		}
		return false, nil
	}
	x.number++
	if err != nil {
		b.AddBad(x.number, off, fmt.Sprintf("event %d: %v (%d bytes present)", x.number, err, len(body)))
		return false, nil
	}
	x.readEvent(b, body, off)
	return false, nil
}

// readEvent gives an event of its elements.
func (x *xmlReader) readEvent(b *event.Batch, body []byte, off int64) {
	for {
		again := x.split(body)
		if again == nil {
			break
		}
		b.AddBad(x.number, off, fmt.Sprintf("event %d: it doesn't end before the next begins", x.number))
		x.number++
		off += int64(len(body) - len(again))
		body = again
	}
	before := b.Len
	bad := x.putRow(b, off)
	if bad != "" {
		b.AddBad(x.number, off, fmt.Sprintf("event %d: %s", x.number, bad))
	}
	if b.Len == before {
		return
	}
	if x.known {
		if p := x.procs.byIndex[x.process]; p != nil {
			x.build(p)
			x.procs.putProcess(b, p)
		} else {
			x.strange++
			if x.o.Fields.Has(event.ProcessEntityID) {
				b.PutText(event.ProcessEntityID, fmt.Sprintf("procmon:%d", x.process))
			}
		}
	}
	x.putStack(b)
}

// row gives the event at hand as a row.
func (x *xmlReader) row(off int64) csvRow {
	s := x.rows.rows
	return csvRow{text: s.row, cells: s.cells, line: x.number, off: off}
}

// putRow puts the event at hand, or says what is wrong with it.
func (x *xmlReader) putRow(b *event.Batch, off int64) string {
	r := &x.rows
	row := x.row(off)
	if r.time(&row); row.bad != "" {
		return row.bad
	}
	if r.put == nil { // an event without elements
		r.plan()
	}
	r.put.details.dates.order = r.dates.order
	if r.put.basis = r.basis; r.toUTC != nil {
		r.put.basis = event.BasisUTC
	}
	return r.put.event(b, &row)
}

// split makes the row's cells of an event's elements. It gives what follows another event's beginning, if one is in it.
func (x *xmlReader) split(body []byte) (again []byte) {
	s := x.rows.rows
	s.row = s.row[:0]
	clear(s.cells)
	x.hint, x.known, x.frames = 0, false, nil
	for {
		e, rest, ok := nextElement(body)
		if !ok {
			return nil
		}
		switch {
		case e.kind == xmlOpen && string(e.name) == "stack":
			x.frames = rest
			_, rest, _ = bytes.Cut(rest, []byte("</stack>"))
		case e.kind == xmlOpen && string(e.name) == "event":
			return rest
		case e.kind != xmlLeaf:
		case string(e.name) == "ProcessIndex":
			n, ok := wholeNumber(e.text)
			x.process, x.known = uint32(n), ok && n < 1<<32
		default:
			i := x.column(e.name)
			from := uint32(len(s.row))
			s.row = x.appendText(s.row, &e)
			if i == int(colDetail) {
				s.row = joinLines(s.row, int(from))
			}
			s.cells[i] = csvCell{from: from, to: uint32(len(s.row))}
		}
		body = rest
	}
}

// joinLines writes the line ends of a Detail, an environment's, as the CSV has them: CR and a semicolon.
func joinLines(row []byte, from int) []byte {
	for {
		i := bytes.Index(row[from:], []byte("\r\n"))
		if i < 0 {
			return row
		}
		row[from+i+1] = ';'
		from += i + 2
	}
}

// appendText appends an element's text, repaired if its encoding needs it.
func (x *xmlReader) appendText(dst []byte, e *xmlElement) []byte {
	from := len(dst)
	dst = e.append(dst)
	if ascii(dst[from:]) {
		return dst
	}
	fixed, ok := appendRepaired(x.text[:0], dst[from:])
	x.text = fixed
	if !ok {
		return dst
	}
	x.fixed++
	return append(dst[:from], fixed...)
}

// column gives the cell of an element. Events have theirs in the same order, nearly always.
func (x *xmlReader) column(name []byte) int {
	if x.hint < len(x.columns) && x.columns[x.hint].name == string(name) {
		x.hint++
		return x.columns[x.hint-1].cell
	}
	for i := range x.columns {
		if x.columns[i].name == string(name) {
			x.hint = i + 1
			return x.columns[i].cell
		}
	}
	return x.learnColumn(string(name))
}

// maxXMLColumns bounds what a hostile file can make of elements nobody knows; those beyond share the last cell.
const maxXMLColumns = 256

// learnColumn gives a new element a cell: that of the column it is, or one behind them all.
func (x *xmlReader) learnColumn(name string) int {
	r := &x.rows
	if len(x.columns) >= maxXMLColumns {
		return x.columns[len(x.columns)-1].cell
	}
	cell := max(int(numColumns), len(r.rows.cells))
	if c, ok := columnOfElement(name); ok && r.at[c] < 0 {
		cell = int(c)
		r.at[c] = cell
	}
	for len(r.rows.cells) <= cell {
		r.rows.cells = append(r.rows.cells, csvCell{})
	}
	x.columns = append(x.columns, xmlColumn{name, cell})
	x.hint = len(x.columns)
	r.width = len(r.rows.cells)
	r.extra = nil
	if r.o.Fields == (event.Set{}) {
		for _, c := range x.columns {
			if c.cell >= int(numColumns) {
				r.extra = append(r.extra, csvPut{cell: c.cell, how: putExtra, name: c.name})
			}
		}
	}
	r.plan()
	return cell
}

// columnOfElement finds the column an element stands for. Of "Date & Time" no element was seen, so nothing but letters counts.
func columnOfElement(name string) (csvColumn, bool) {
	for c, n := range columnNames {
		if letters(n) == letters(name) {
			return csvColumn(c), true
		}
	}
	return 0, false
}

// letters gives the letters of an ASCII text in lower case.
func letters(s string) string {
	var b []byte
	for i := range len(s) {
		if c := s[i] | 0x20; c >= 'a' && c <= 'z' {
			b = append(b, c)
		}
	}
	return string(b)
}

// finish says what only the whole file shows.
func (x *xmlReader) finish(b *event.Batch) {
	if !x.scan.closed {
		b.AddBad(0, x.scan.base+int64(x.scan.pos), fmt.Sprintf("the file ends without </procmon>, behind event %d: it was cut off, or saving was", x.number))
	}
	if x.fixed > 0 {
		b.Note(fmt.Sprintf("texts whose UTF-8 had been encoded twice: %d; they are read as they were meant", x.fixed))
	}
	if x.dropped > 0 {
		b.Note(fmt.Sprintf("the process list has too many or too long entries: the first %d were used, %d left out", len(x.procs.processes), x.dropped))
	}
	if x.strange > 0 {
		b.Note(fmt.Sprintf("events of processes that aren't in the process list: %d", x.strange))
	}
	if x.number == 0 {
		b.Note("no events: nothing but a process list")
		return
	}
	x.zone.note(b, &x.rows)
	x.rows.finish(b)
}

// maxFrames is how many frames of a stack are taken; Procmon keeps 150.
const maxFrames = 1024

// putStack puts the frames of the event's stack, innermost first.
func (x *xmlReader) putStack(b *event.Batch) {
	if len(x.frames) == 0 || !x.o.Fields.Has(event.ProcmonStack) {
		return
	}
	var f struct{ address, path, location []byte }
	for d, n := x.frames, 0; n < maxFrames; {
		e, rest, ok := nextElement(d)
		if !ok || e.kind == xmlClose && string(e.name) == "stack" {
			return
		}
		d = rest
		switch string(e.name) {
		case "address":
			f.address = e.text
		case "path":
			f.path = x.appendText(f.path[:0], &e)
		case "location":
			f.location = x.appendText(f.location[:0], &e)
		case "frame":
			if e.kind == xmlClose {
				x.text = appendFrame(x.text[:0], f.address, f.path, f.location)
				b.AddStr(event.ProcmonStack, x.text)
				n++
			}
			f.address, f.path, f.location = nil, f.path[:0], f.location[:0]
		}
	}
}

// appendFrame appends a frame as one text: ntdll.dll + 0x9c0a4, ntoskrnl.exe!IofCallDriver + 0x59 where there are symbols,
// the address where no module is known.
func appendFrame(dst, address, path, location []byte) []byte {
	if len(location) == 0 {
		return append(dst, address...)
	}
	module := path[bytes.LastIndexByte(path, '\\')+1:]
	if len(module) > 0 && !bytes.HasPrefix(location, module) {
		dst = append(append(dst, module...), '!')
	}
	return append(dst, location...)
}
