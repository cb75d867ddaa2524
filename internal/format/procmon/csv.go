package procmon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"

	"culprit/internal/event"
	"culprit/internal/format"
)

// CSV is Process Monitor's CSV export (File > Save > Comma-Separated Values), as it is or saved again by a spreadsheet.
//
// Procmon 2.8 to 4.01 write UTF-8 with a byte order mark, CRLF, every cell in quotes, the columns that were displayed in
// their displayed order, and times and numbers as the language of Windows has them: seen in recordings were
// 4:33:14.3062614 PM, 16:28:26,4129246, 7/11/2020 and 31.07.2020, and 4,534 4.534 4 534. Time of Day is local time
// without date or zone. A network event's Path is `local -> remote` for sending and receiving alike, except that a datagram
// to a group of hosts has the group on the left when it was received. The lines of an environment block end in a bare CR.
// The columns' names are English on every Windows.
var CSV = &format.Format{
	Name:  "procmon-csv",
	Doc:   "Process Monitor's CSV export, any columns and language, also saved again by Excel",
	Exts:  []string{".csv"},
	Match: matchCSV,
	Open:  openCSV,
}

// csvColumn is one of the 27 columns Procmon can write.
type csvColumn uint8

const (
	colTime csvColumn = iota
	colProcess
	colPID
	colOperation
	colPath
	colResult
	colDetail
	colDate
	colRelative
	colDuration
	colCompletion
	colClass
	colSequence
	colImage
	colCompany
	colDescription
	colVersion
	colUser
	colLogon
	colSession
	colCommand
	colTID
	colVirtualized
	colIntegrity
	colCategory
	colParent
	colArchitecture
	numColumns
)

// columnNames are the columns' names in a header; the first seven are displayed unless somebody chose others.
var columnNames = [numColumns]string{
	"Time of Day", "Process Name", "PID", "Operation", "Path", "Result", "Detail",
	"Date & Time", "Relative Time", "Duration", "Completion Time", "Event Class", "Sequence", "Image Path", "Company", "Description",
	"Version", "User", "Authentication ID", "Session", "Command Line", "TID", "Virtualized", "Integrity", "Category", "Parent PID",
	"Architecture",
}

const defaultColumns = 7

// columnOf finds a column by its name in whatever case.
func columnOf(name []byte) (csvColumn, bool) {
	name = bytes.TrimSpace(name)
	for c, n := range columnNames {
		if len(n) == len(name) && strings.EqualFold(n, string(name)) {
			return csvColumn(c), true
		}
	}
	return 0, false
}

const utf8BOM = "\xef\xbb\xbf"

// A csvShape is what the first line of a file shows.
type csvShape struct {
	bom      int // bytes of a byte order mark
	sep      byte
	noHeader bool // the first line is an event already
}

// shapeOf looks at the beginning of a file; ok says whether it is Procmon's.
func shapeOf(head []byte) (s csvShape, ok bool) {
	if bytes.HasPrefix(head, []byte(utf8BOM)) {
		s.bom = len(utf8BOM)
		head = head[s.bom:]
	}
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	var cells [64]csvCell
	for _, s.sep = range []byte{',', ';', '\t'} {
		row, _ := splitRow(cells[:0], line, s.sep)
		if headerRow(line, row) {
			return s, true
		}
		if guessedRow(line, row) {
			s.noHeader = true
			return s, true
		}
	}
	return s, false
}

// headerRow says whether a row holds Procmon's column names. Three of them must be there: other tools have a Path or a PID.
func headerRow(line []byte, row []csvCell) bool {
	known, sure := 0, false
	for _, c := range row {
		col, ok := columnOf(line[c.from:c.to])
		if ok {
			known++
			sure = sure || col == colOperation || col == colProcess
		}
	}
	return known >= 3 && sure
}

// guessedRow says whether a row could be an event in the default columns: a time, a process, a number.
func guessedRow(line []byte, row []csvCell) bool {
	if len(row) != defaultColumns {
		return false
	}
	at, pid := line[row[colTime].from:row[colTime].to], line[row[colPID].from:row[colPID].to]
	_, ok := parseClock(at)
	_, number := wholeNumber(pid)
	return ok && number && bytes.IndexByte(at, ':') > 0 && row[colOperation].to > row[colOperation].from
}

func matchCSV(head []byte) bool {
	_, ok := shapeOf(decodedHead(head))
	return ok
}

// A csvReader reads the rows of a Procmon CSV.
type csvReader struct {
	rows  *csvScanner
	o     format.Options
	at    [numColumns]int // the cell of each column, -1 for a column that isn't there
	width int
	extra []csvPut // columns that aren't Procmon's
	basis string
	page  codePage // of text that isn't UTF-8, once there was some

	times timeline
	steps steps
	dates calendar
	toUTC func(local int64) int64 // set where the zone is known, as an XML's may be

	put      *csvPutter
	gathered []csvRow
	next     int    // the first that wasn't put
	decoded  []byte // rows of gathered that weren't UTF-8
	shares   bool   // several goroutines put
	ahead    []*csvBatch

	notes []string // not told yet
}

func openCSV(src *format.Source, o format.Options) (format.Reader, error) {
	head, err := src.Head()
	if err != nil {
		return nil, err
	}
	shape, ok := shapeOf(decodedHead(head))
	if !ok {
		return nil, errors.New(`the first line has none of Procmon's column names ("Time of Day", "Process Name", "Operation")`)
	}
	stream := src.Stream()
	endian, wide := utf16Of(head)
	if wide {
		stream = utf16Reader(stream, endian)
	}
	r := &csvReader{rows: newCSVScanner(stream, shape.sep), o: o, times: timeline{coarsest: 9}}
	if _, err := io.CopyN(io.Discard, r.rows.r, int64(shape.bom)); err != nil {
		return nil, fmt.Errorf("the byte order mark: %w", err)
	}
	r.rows.base, r.rows.utf16 = int64(shape.bom), wide
	if wide && shape.bom > 0 {
		r.rows.raw = 2
	}
	if err := r.readHeader(shape.noHeader); err != nil {
		return nil, err
	}
	r.solveDates()
	r.put = r.newPutter()
	r.put.repeats = true
	if r.shares = !o.RolesOnly && runtime.GOMAXPROCS(0) > 1; r.shares {
		r.rows.most = maxBuffer
	}
	r.plan()
	return r, nil
}

// plan settles once what is done for every row. It may be called again when there are more columns.
func (r *csvReader) plan() {
	if r.put == nil {
		r.put = r.newPutter()
	}
	r.put.details.dates.order = r.dates.order
	r.put.basis = r.basis
	r.put.plan(r.at, r.extra)
}

func (r *csvReader) newPutter() *csvPutter {
	return &csvPutter{o: r.o, times: timeline{coarsest: 9}, details: newDetailPutter(r.o.Fields, &calendar{})}
}

// readHeader learns which column stands where.
func (r *csvReader) readHeader(none bool) error {
	for i := range r.at {
		r.at[i] = -1
	}
	if none {
		for i := range defaultColumns {
			r.at[i] = i
		}
		r.width, r.rows.width = defaultColumns, defaultColumns
		r.notes = append(r.notes, "no header: the columns are taken for "+strings.Join(columnNames[:defaultColumns], ", "))
		return nil
	}
	if _, _, err := r.rows.next(false); err != nil {
		return fmt.Errorf("the header: %w", err)
	}
	r.width = len(r.rows.cells)
	var found []string
	for i := range r.rows.cells {
		name := r.rows.cell(i)
		found = append(found, string(name))
		if c, ok := columnOf(name); ok && r.at[c] < 0 {
			r.at[c] = i
		} else if r.o.Fields == (event.Set{}) && len(bytes.TrimSpace(name)) > 0 {
			r.extra = append(r.extra, csvPut{cell: i, how: putExtra, name: string(name)})
		}
	}
	r.rows.width = r.width
	r.noteMissing(found)
	return nil
}

// noteMissing says which columns aren't there that attribution needs, and how to get them.
func (r *csvReader) noteMissing(found []string) {
	var names []string
	for c := range csvColumn(defaultColumns) {
		if r.at[c] < 0 && c != colResult && c != colDetail {
			names = append(names, columnNames[c])
		}
	}
	if len(names) == 0 {
		return
	}
	noun := "column"
	if len(names) > 1 {
		noun = "columns"
	}
	r.notes = append(r.notes, fmt.Sprintf(`no "%s" %s (found: %s). In Procmon: Options > Select Columns > %s, save again, or save as PML`,
		strings.Join(names, `", "`), noun, strings.Join(found, ", "), strings.Join(names, ", ")))
}

// maxSkips is how many rows are left out before Read comes up for air.
const maxSkips = 64 << 10

// atEnd adds to what is wrong with a row that it is the last: the file may have been cut off.
func (r *csvReader) atEnd(what string) string {
	if r.rows.last() {
		return what + "; the file ends here"
	}
	return what
}

// finish says what only the whole file shows.
func (r *csvReader) finish(b *event.Batch) {
	all := csvPutter{}
	strangers, operations, levels := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, p := range r.putters() {
		for c, n := range p.counts {
			all.counts[c] += n
		}
		all.total += p.total
		all.advanced = all.advanced || p.advanced
		maps.Copy(strangers, p.nets.strange)
		maps.Copy(operations, p.details.strange)
		maps.Copy(levels, p.strange)
	}
	if all.total == 0 {
		b.Note("no events: nothing but a header")
		return
	}
	r.noteTimes(b)
	list := func(m map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(m)), ", ") }
	if len(strangers) > 0 {
		b.Note("ports under names that stand for no port I know, or for several: " + list(strangers))
	}
	if len(operations) > 0 {
		b.Note("the Detail of operations I don't know isn't taken apart: " + list(operations))
	}
	if len(levels) > 0 {
		b.Note("integrity levels in a language I don't know, left as they are: " + list(levels))
	}
	if all.advanced {
		b.Note("saved with advanced output: event.action has the usual names of operations, procmon.operation those in the file")
	}
	if r.at[colOperation] >= 0 && all.counts[classNetwork] == 0 {
		b.Note(fmt.Sprintf(`no network events (%s): Procmon's "Show Network Activity" was off while recording or saving`, all.shares()))
	}
}

func (r *csvReader) putters() (all []*csvPutter) {
	if r.put != nil {
		all = append(all, r.put)
	}
	for _, a := range r.ahead {
		all = append(all, a.put)
	}
	return all
}

// noteTimes says how far the times can be relied on.
func (r *csvReader) noteTimes(b *event.Batch) {
	t := &r.times
	if r.basis == event.BasisTimeOfDay && r.at[colDate] >= 0 && r.dates.text != "" {
		b.Note(fmt.Sprintf("the date %q could be read in two ways or in none: only the time of day is used", r.dates.text))
	}
	switch {
	case t.hourless:
		b.Note("times have no hour (44:57.9), as Excel shows them: hours are counted from the first event. Save again from Procmon, or as PML")
	case t.twelve && !t.wide:
		b.Note("times have 12 hours without AM or PM: hours are counted on from the first event, which may be off by 12")
	}
	if t.strange != "" {
		b.Note(fmt.Sprintf("the word %q beside the times is none for AM or PM that I know", t.strange))
	}
	if t.seen && t.coarsest < 3 {
		b.Note(fmt.Sprintf("decimals of a second: %d, where Procmon writes 7; clocks can be compared no more exactly", t.coarsest))
	}
}

// shares says what part of the events each class is, the largest first.
func (p *csvPutter) shares() string {
	names := [len(classNames)]string{
		classProcess: "process", classRegistry: "registry", classFile: "file", classProfiling: "profiling", classNetwork: "network",
	}
	left := p.counts
	var parts []string
	for {
		best := 0
		for c, n := range left {
			if n > left[best] {
				best = c
			}
		}
		n := left[best]
		if n == 0 || best == 0 {
			return strings.Join(parts, ", ")
		}
		left[best] = 0
		share := "<1"
		if p := (n*200 + p.total) / (2 * p.total); p > 0 {
			share = fmt.Sprint(p)
		}
		parts = append(parts, fmt.Sprintf("%s %s%%", names[best], share))
	}
}
