package procmon

import (
	"fmt"

	"culprit/internal/event"
)

// A capture that Process Monitor could not close (a crash, a full disk, a copy of the file of a running capture) has no
// offset table, and no names. Its events still stand one after the other, so they are found by looking: every place from
// the header on is tried, and an event is believed in when all that can be checked of it fits. Run over seven
// whole files whose tables were ignored this finds each of their 98,729 events, and one that its file's table leaves out.

// A pmlScan looks for events.
type pmlScan struct {
	pos, end int64
	first    uint64 // FILETIME of the first event
	found    int64
	strange  int64 // bytes that belong to no event
}

const pmlScanSpan = 30 * 24 * 3600 * 10_000_000 // no capture lasts longer: 30 days in 100 ns

func newPMLScan(r *pmlReader) *pmlScan {
	s := &pmlScan{pos: pmlHeaderSize, end: r.size}
	if h := &r.header; h.offsets >= pmlHeaderSize {
		s.end = min(s.end, h.offsets)
	}
	return s
}

// next gives the next place that holds an event.
func (s *pmlScan) next(r *pmlReader) (int64, bool) {
	begun := s.pos // an event is expected right here
	for s.end-s.pos >= pmlEventSize {
		head, ok := r.win.get(s.pos, int(min(s.end-s.pos, windowMin)))
		if !ok {
			break
		}
		i := 0
		for ; i+pmlEventSize <= len(head); i++ {
			if c := le.Uint32(head[i+8:]); c < classProcess || c > classNetwork {
				continue
			}
			e := decodePMLEvent(s.pos+int64(i), head[i:])
			if s.fits(&e) && (r.plausible(&e) || e.off == begun && r.endsInside(&e)) {
				s.believe(r, &e, begun)
				return e.off, true
			}
			if head, ok = r.win.get(s.pos, len(head)); !ok { // plausible may have read elsewhere
				break
			}
		}
		s.pos += int64(i)
	}
	s.strange += s.end - begun
	s.pos = s.end
	return 0, false
}

// fits says whether the fixed part can be an event's.
func (s *pmlScan) fits(e *pmlEvent) bool {
	const from, to = 0x01bf53eb << 32, 0x02307fd3 << 32 // 2000 to 2100
	if int(e.code) >= len(fileOperations) || e.frames > pmlStackMax || e.size > recordMax/2 || e.filetime < from || e.filetime > to {
		return false
	}
	return s.found == 0 || e.filetime+pmlScanSpan > s.first && e.filetime < s.first+pmlScanSpan
}

func (s *pmlScan) believe(r *pmlReader, e *pmlEvent, begun int64) {
	if s.found == 0 {
		s.first = e.filetime
	}
	s.found++
	s.strange += e.off - begun
	s.pos = e.off + e.detailsAt(r.header.is64) + int64(e.size)
	if e.result != 0 && e.off+int64(e.result) == s.pos { // the result blob stands right behind
		if n, ok := r.win.get(s.pos, 2); ok {
			s.pos += 2 + int64(le.Uint16(n))
		}
	}
	s.pos = min(s.pos, s.end)
}

// endsInside says whether the file, or what there is of its events, ends inside this event.
func (r *pmlReader) endsInside(e *pmlEvent) bool {
	return e.off+e.detailsAt(r.header.is64)+int64(e.size) > r.scan.end
}

// plausible says whether the details can be those of such an event.
func (r *pmlReader) plausible(e *pmlEvent) bool {
	at := e.detailsAt(r.header.is64)
	if e.result != 0 && int64(e.result) < at || r.endsInside(e) {
		return false
	}
	d, ok := r.win.get(e.off+at, int(e.size))
	if !ok {
		return false
	}
	switch e.class {
	case classFile:
		if len(d) < r.fileNameAt()+4 {
			return false
		}
		_, _, ok = detailText(d, r.fileNameAt()+4, le.Uint16(d[r.fileNameAt():]))
	case classRegistry:
		op := operationOf(e.class, e.code, false)
		if int(e.code) >= len(registryOperations) || len(d) < int(op.path) {
			return false
		}
		_, _, ok = detailText(d, int(op.path), le.Uint16(d))
	case classNetwork:
		ok = int(e.code) < len(networkOperations[0]) && len(d) >= pmlNetSize && le.Uint16(d) < 8
	case classProcess:
		ok = int(e.code) < len(processOperations) && len(d) >= 4
	case classProfiling:
		ok = int(e.code) < len(profilingOperations)
	}
	return ok
}

// finish tells what the scan found, and what it can't know.
func (s *pmlScan) finish(r *pmlReader, b *event.Batch) {
	h := &r.header
	names := "no process, host or port names are there"
	switch {
	case len(r.processes) > 0:
		names = fmt.Sprintf("its process table is there (%d processes)", len(r.processes))
	case r.learnt > 0:
		names = fmt.Sprintf("it has no process table, names are known of the %d processes that started meanwhile", r.learnt)
	}
	if h.offsets == 0 {
		b.Note(fmt.Sprintf("the capture was not closed by Process Monitor: found %d events by scanning; %s", s.found, names))
	} else {
		b.AddBad(0, r.size, fmt.Sprintf("the file ends at byte %d, its event offset table should be at %d: found %d of %d events by scanning; %s", r.size, h.offsets, s.found, h.count, names))
	}
	if s.strange >= pmlEventSize && s.found > 0 { // a few bytes between events are usual
		b.Note(fmt.Sprintf("%d bytes among the events belong to none", s.strange))
	}
}
