package procmon

// A PML is Process Monitor's own log. Little endian throughout; nothing of it is documented by its makers. The layout here
// was learnt from the notes of the procmon-parser project, checked and completed against real files of versions 7 and 9,
// 32 and 64 bit, and the CSV that Process Monitor made of them.
//
//	header 0x3a8 bytes: 0 "PML_", 4 version, 8 64-bit system, 0xc computer name (16 UTF-16), 0x234 event count, then 8-byte
//	       offsets: 0x240 events, 0x248 event offset table, 0x250 processes, 0x258 strings, 0x260 icons, 0x398 size of the
//	       header, 0x3a0 hosts and ports. 0x274 Windows' major, minor and build number. Zero offsets: never closed.
//	events one after the other; the offset table has 5 bytes for each: a 40-bit offset (the fifth byte is 0 in every file
//	       seen; none was beyond 4 GiB). Version 7 writes events out of order, so offsets need not ascend.
//	event  52 bytes: 0 process index, 4 thread, 8 class, 0xc operation, 0x10 driver's sequence number, 0x14 duration in
//	       100 ns, 0x1c FILETIME (UTC), 0x24 NTSTATUS, 0x28 frames of the stack, 0x2c bytes of details, 0x30 offset of the
//	       result blob from the start of the event (0: none; u16 size first). Then the stack, 4 or 8 bytes a frame by the
//	       system's bitness, and the details. 0xe and 0x2a are whatever memory held.
//	text   in details: u16 with bit 15 for one byte a character and 15 bits for their number, the text itself further on.
//	tables pml_tables.go; details of each class pml_details.go; files without tables pml_scan.go.
//
// Sequence numbers are unique and ascend, network events in a range of their own from 0x20000000.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"

	"culprit/internal/event"
	"culprit/internal/format"
)

// PML reads Process Monitor's native log.
var PML = &format.Format{
	Name:  "procmon-pml",
	Doc:   "Process Monitor's own log (PML 5 to 9): all events in UTC, with the process and host tables",
	Exts:  []string{".pml"},
	Match: func(head []byte) bool { return len(head) >= 8 && string(head[:4]) == "PML_" },
	Open:  openPML,
}

const (
	pmlHeaderSize = 0x3a8
	pmlEventSize  = 52
	pmlOffsetSize = 5
	pmlStackMax   = 1 << 10 // frames; Process Monitor keeps 150 at most
	pmlPause      = 1 << 18 // events left out before Read returns, so that the caller can stop it
)

var le = binary.LittleEndian

type pmlHeader struct {
	version   uint32
	is64      bool
	computer  []byte
	windows   string // major.minor.build
	userMax   uint64 // highest address of user mode
	count     uint32
	events    int64
	offsets   int64
	processes int64
	strings   int64
	hosts     int64
}

// A pmlReader gives the process table, the host table, then the events.
type pmlReader struct {
	header pmlHeader
	o      format.Options
	detail bool // somebody looks at what is in the details of events
	texts  bool // at their Detail or one of its keys
	size   int64
	win    pmlWindow // events and tables
	table  pmlWindow // the event offset table

	every  []constField                       // what every event gets
	kinds  [len(classNames)][64]pmlKind       // by class and code
	stages []func(b *event.Batch) (done bool) // what is still to be read, first first
	next   int64                              // row or event of the stage that comes next, from 0

	batches    int           // times Read was called
	kindFields []event.Field // what putClass puts, as far as it is wanted

	processes []*pmlProcess // in the order of their table
	byIndex   map[uint32]*pmlProcess
	last      *pmlProcess // the process of the event before
	stranger  pmlProcess  // stands for a process no table has
	child     *pmlProcess // what the Process Create event at hand describes
	hosts     []*pmlHost
	hostOf    map[[16]byte]*pmlHost
	portNames map[pmlPort][]byte

	begun       bool     // first is set
	first       uint64   // FILETIME of the first event
	scan        *pmlScan // set when there is no offset table
	learnt      int      // processes known only from events
	learntBytes int
	unknown     int64 // events of processes nobody knows
	cutShort    error // why the source ends early
	early       []event.Bad
	notes       []string
	system      *pmlProcess // the kernel's, nil when the table has none
	modules     int         // read so far
	shownBy     int         // version of the Process Monitor that made the log, 351 for 3.51; 0 unknown
	frames      []pmlFrame  // cache, nil until a stack is wanted
	stacks      []pmlStack  // those of the batch at hand, by their hash
	seed        maphash.Seed
	stackFields []event.Field
	accounts    map[string][]byte // names by SID; nil until somebody asks
	out         []byte            // result blob of the event at hand, dies when the window moves
	outAt       int64             // where that blob stands
	detailAt    int64             // and the details
	path        []byte            // scratch, as are
	spare       []byte
	text        detailWriter
}

func openPML(src *format.Source, o format.Options) (format.Reader, error) {
	file, size, err := src.ReaderAt()
	if file == nil {
		return nil, err
	}
	r := &pmlReader{o: o, size: size, detail: wantsPMLDetails(&o.Fields), texts: wantsDetailText(&o.Fields), cutShort: err, byIndex: map[uint32]*pmlProcess{}}
	r.win.open(file, size)
	r.table.open(file, size)
	if err := r.readHeader(); err != nil {
		return nil, errors.Join(err, r.cutShort)
	}
	r.readTables()
	if h := &r.header; h.offsets == 0 || h.offsets > size-int64(h.count)*pmlOffsetSize {
		r.scan = newPMLScan(r)
	}
	for _, c := range []constField{
		{event.TimeBasis, event.BasisUTC},
		{event.EventKind, "event"},
		{event.EventProvider, "Procmon"},
		{event.EventDataset, "procmon.events"},
		{event.HostName, string(r.header.computer)},
	} {
		if c.v != "" && o.Fields.Has(c.f) {
			r.every = append(r.every, c)
		}
	}
	for _, f := range []event.Field{event.ProcmonEventClass, event.EventCategory, event.EventType} {
		if o.Fields.Has(f) {
			r.kindFields = append(r.kindFields, f)
		}
	}
	r.stackFields = []event.Field{event.ProcmonStack}
	r.stages = []func(*event.Batch) bool{r.readProcess, r.readHost, r.readEvent}
	return r, nil
}

func (r *pmlReader) readHeader() error {
	b, ok := r.win.get(0, pmlHeaderSize)
	if !ok {
		return fmt.Errorf("the PML header is cut off: %d bytes are here, it has %d", r.size, pmlHeaderSize)
	}
	at := func(off int) int64 { // beyond any file is far enough: sums must not overflow
		return int64(min(le.Uint64(b[off:]), math.MaxInt64/2))
	}
	h := pmlHeader{
		userMax: le.Uint64(b[0x268:]),
		version: le.Uint32(b[4:]), is64: le.Uint32(b[8:]) != 0, count: le.Uint32(b[0x234:]),
		events: at(0x240), offsets: at(0x248), processes: at(0x250), strings: at(0x258), hosts: at(0x3a0),
		windows: fmt.Sprintf("%d.%d.%d", le.Uint32(b[0x274:]), le.Uint32(b[0x278:]), le.Uint32(b[0x27c:])),
	}
	h.computer = appendUTF16(nil, untilNUL(b[0xc:0x2c]))
	r.header = h
	sane := at(0x398) == pmlHeaderSize && (h.events == 0 || h.events == pmlHeaderSize) && h.offsets <= h.processes && h.processes <= h.strings
	switch {
	case h.version == 7 || h.version == 9:
	case h.version >= 5 && h.version <= 9:
		r.notes = append(r.notes, fmt.Sprintf("PML version %d, read as if it were 9: no such file was ever tested", h.version))
	case sane:
		r.notes = append(r.notes, fmt.Sprintf("PML version %d is not known (5 to 9 are), but its header looks like version 9 and is read so", h.version))
	default:
		return fmt.Errorf("PML version %d: versions 5 to 9 can be read, and the header of this one looks different", h.version)
	}
	return nil
}

// Read implements format.Reader.
func (r *pmlReader) Read(b *event.Batch) error {
	for _, bad := range r.early {
		b.AddBad(bad.Record, bad.Offset, bad.Err)
	}
	r.early = nil
	r.batches++
	for !b.Full() && b.Skipped < pmlPause {
		if len(r.stages) == 0 {
			r.finish(b)
			return io.EOF
		}
		if done := r.stages[0](b); done {
			r.stages, r.next = r.stages[1:], 0
		}
	}
	return nil
}

// finish says what a person should know once everything was read.
func (r *pmlReader) finish(b *event.Batch) {
	if r.scan != nil {
		r.scan.finish(r, b)
	} else if r.header.count == 0 {
		b.Note("the log holds no events")
	}
	if r.unknown > 0 {
		b.Note(fmt.Sprintf("events of processes that no table and no event describes: %d; they have only a process index", r.unknown))
	}
	if r.cutShort != nil {
		b.AddBad(0, r.size, r.cutShort.Error())
	}
	for _, n := range r.notes {
		b.Note(n)
	}
}

// pmlTime turns a FILETIME into nanoseconds since 1970; false for 0 and for what int64 can't hold.
func pmlTime(filetime uint64) (int64, bool) {
	const epoch = 116444736000000000 // 1970-01-01 as FILETIME
	t := int64(filetime)
	if t <= 0 || t > epoch+math.MaxInt64/100 || t < epoch-math.MaxInt64/100 {
		return 0, false
	}
	return (t - epoch) * 100, true
}
