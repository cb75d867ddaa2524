package procmon

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"time"

	"culprit/internal/event"
)

// The events of an XML have the local time of the machine that saved it, the process list has UTC. An event that the list
// dates shows the zone, and the day where the events have none: a process's start (some microseconds after its CreateTime),
// its exit (its FinishTime) or the loading of a module (its Timestamp). Zones are a multiple of a quarter of an hour from
// UTC, so that what the two times differ by beyond that says whether they are of one moment.
const (
	quarter     = 15 * minute
	startDelay  = second // of a process's start or end
	loadDelay   = 1000   // of a module, in ns
	zoneAhead   = 32 << 20
	maxXMLLoads = 1 << 19
)

// A xmlZone learns how far the events' clock is from UTC.
type xmlZone struct {
	starts map[uint32]int64 // of processes, by index
	ends   map[uint32]int64
	loads  map[xmlLoad]int64 // of modules
	seed   maphash.Seed
	path   []byte // scratch

	solved   bool
	how      string // what event told, for the note
	at       int64  // its time, UTC
	shift    int64  // what to add to local time
	first    int64  // what was to be added then
	steps    int    // how often that changed
	lastStep int64  // event of the last change
}

// A xmlLoad is a module of a process. Of its path a hash is kept: a wrong match would have to be wrong by whole quarters of
// an hour too.
type xmlLoad struct {
	process uint32
	path    uint64
}

func newXMLZone() xmlZone {
	return xmlZone{starts: map[uint32]int64{}, ends: map[uint32]int64{}, loads: map[xmlLoad]int64{}, seed: maphash.MakeSeed()}
}

// full says that no more modules are taken.
func (z *xmlZone) full() bool { return len(z.loads) >= maxXMLLoads }

func (z *xmlZone) learn(p *pmlProcess) {
	if p.start != 0 {
		z.starts[p.index] = p.start
	}
	if p.end != 0 {
		z.ends[p.index] = p.end
	}
}

func (z *xmlZone) load(process uint32, path []byte, filetime uint64) {
	if t, ok := pmlTime(filetime); ok && !z.full() {
		z.loads[z.key(process, path)] = t
	}
}

func (z *xmlZone) key(process uint32, path []byte) xmlLoad {
	z.path = append(z.path[:0], path...)
	for i, c := range z.path {
		if c >= 'A' && c <= 'Z' {
			z.path[i] = c | 0x20
		}
	}
	return xmlLoad{process, maphash.Bytes(z.seed, z.path)}
}

// solve looks ahead: for the order of the dates' numbers, then for the first event that tells the zone.
func (x *xmlReader) solve() {
	r := &x.rows
	r.basis = event.BasisTimeOfDay
	var d dateSigns
	var parts []detailPart
	x.ahead(lookAhead, func() bool {
		first := d.firstDate == nil
		if parts = r.dateRow(&d, r.rows, parts[:0]); first && d.firstDate != nil { // they die with the event
			d.firstDate, d.firstClock = bytes.Clone(d.firstDate), bytes.Clone(d.firstClock)
		}
		return true
	})
	r.settleDates(&d)
	dates := r.dates
	x.ahead(zoneAhead, func() bool {
		row := x.row(0)
		if r.localTime(&row); row.timed {
			x.zone.solved = x.adjust(row.t)
			x.zone.first = x.zone.shift
		}
		return !x.zone.solved
	})
	r.times, r.dates = timeline{coarsest: 9}, dates
	if x.zone.solved {
		x.zone.shift = x.zone.first
		r.toUTC = x.toUTC
	}
}

// ahead takes events apart for look, which may end it, and goes back to the first.
func (x *xmlReader) ahead(limit int, look func() bool) {
	x.scan.hold()
	for x.scan.held < limit {
		kind, _, body, err := x.scan.next()
		if err != nil || kind != xmlEvent || x.split(body) == nil && !look() {
			break
		}
	}
	x.scan.rewind()
}

// toUTC gives the UTC of the local time of the event at hand. Another zone than the one before is daylight saving's: it began
// or ended, and this event is the first to show it.
func (x *xmlReader) toUTC(local int64) int64 {
	before := x.zone.shift
	if x.adjust(local) && x.zone.shift != before {
		x.zone.steps++
		x.zone.lastStep = x.number
	}
	return local + x.zone.shift
}

// adjust takes over the zone if the event at hand, of a local time, shows it.
func (x *xmlReader) adjust(local int64) bool {
	utc, late, ok := x.anchor()
	if !ok {
		return false
	}
	shift, ok := quarters(utc, local, late)
	if !ok {
		return false
	}
	x.zone.shift = shift
	if x.zone.how == "" {
		x.zone.how = fmt.Sprintf("%s of %s (%s)", x.cell(colOperation), x.cell(colProcess), x.cell(colPID))
		x.zone.at = utc
	}
	return true
}

// anchor gives the UTC time that the process list has for the event at hand, and how much later it may show.
func (x *xmlReader) anchor() (utc, late int64, ok bool) {
	op := x.cell(colOperation)
	if !x.known || len(op) < 10 || op[0] != 'P' && op[0] != 'L' {
		return 0, 0, false
	}
	switch string(op) {
	case "Process Start":
		utc, ok = x.zone.starts[x.process]
		return utc, startDelay, ok
	case "Process Exit":
		utc, ok = x.zone.ends[x.process]
		return utc, startDelay, ok
	case "Load Image":
		utc, ok = x.zone.loads[x.zone.key(x.process, x.cell(colPath))]
		return utc, loadDelay, ok
	}
	return 0, 0, false
}

// cell gives a column of the event at hand, nothing when it isn't displayed.
func (x *xmlReader) cell(c csvColumn) []byte {
	if x.rows.at[c] < 0 {
		return nil
	}
	return x.rows.rows.cell(x.rows.at[c])
}

// quarters gives what to add to a local time to have UTC, if both are of one moment.
func quarters(utc, local, late int64) (shift int64, ok bool) {
	d := utc - local
	shift = (d + sign(d)*quarter/2) / quarter * quarter
	off := d - shift
	return shift, off <= late && off >= -late
}

func sign(v int64) int64 {
	if v < 0 {
		return -1
	}
	return 1
}

// note says how the times are known.
func (z *xmlZone) note(b *event.Batch, r *csvReader) {
	switch {
	case z.solved:
		// Without a date a local time has the first of January 1970, and the rest of the shift is days.
		ahead := -z.first % day
		for ahead > 14*hour {
			ahead -= day
		}
		for ahead < -12*hour {
			ahead += day
		}
		b.Note(fmt.Sprintf("times are UTC: the process list has the %s at %s UTC, so the clock shown was at UTC%+03d:%02d",
			z.how, time.Unix(0, z.at).UTC().Format("2006-01-02 15:04:05"), ahead/hour, max(ahead, -ahead)%hour/minute))
		if z.steps > 0 {
			b.Note(fmt.Sprintf("the clock shown was set, as for daylight saving: last before event %d, in all: %d; events between that and the event that shows it may be off by as much",
				z.lastStep, z.steps))
		}
	case r.basis != "":
		b.Note("the zone of the times isn't known: the process list has no UTC time of any of the first events")
	}
}
