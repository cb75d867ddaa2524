package winevent

// A liveIndex knows which records are live, to tell left-overs that still stand elsewhere in the log. Numbers alone don't
// say it: those of a cleared log begin at 1 again. So number and time must agree.
type liveIndex struct {
	runs []run
	buf  []byte
	at   int64 // the chunk in buf; -1 for none
	d    []byte
	h    chunkHeader
	work int  // records looked at for the left-overs of one chunk
	full bool // there were more runs than are kept: nothing is certain any more
}

// A run is consecutive numbers of one chunk.
type run struct {
	first, last uint64
	chunk       int64
}

const (
	maxRuns     = 1 << 20
	maxLiveWork = 1 << 22 // no log comes near it that wasn't made to
)

// known says whether a left-over is a copy of a live record, or was met before.
func (r *evtxReader) known(rec rawRecord) bool {
	if r.live == nil {
		r.live = &liveIndex{buf: make([]byte, chunkSize), at: -1}
		r.indexLive()
	}
	if r.live.full {
		return true
	}
	for _, run := range r.live.runs {
		if r.live.work++; r.live.work > maxLiveWork {
			return true
		}
		if rec.id >= run.first && rec.id <= run.last && r.isLive(run.chunk, rec) {
			return true
		}
	}
	return false
}

// indexLive walks over all records of the file once.
func (r *evtxReader) indexLive() {
	start := int64(fileHeaderSize)
	if r.noHeader {
		start = 0
	}
	for at := start; at < r.size; at += chunkSize {
		s, ok := r.scanAt(at)
		if !ok {
			return
		}
		from := len(r.live.runs)
		for {
			rec, _, ok := s.next()
			if !ok {
				break
			}
			if rec.slack {
				continue
			}
			if n := len(r.live.runs); n > from && r.live.runs[n-1].last+1 == rec.id {
				r.live.runs[n-1].last++
				continue
			}
			if len(r.live.runs) == maxRuns {
				r.live.full = true
				return
			}
			r.live.runs = append(r.live.runs, run{rec.id, rec.id, at})
		}
	}
}

// isLive says whether the chunk at at has a live record of the same number and time.
func (r *evtxReader) isLive(at int64, left rawRecord) bool {
	s, ok := r.scanAt(at)
	for ok {
		var rec rawRecord
		r.live.work++
		if rec, _, ok = s.next(); ok && !rec.slack && rec.id == left.id && rec.written == left.written {
			return true
		}
	}
	return false
}

func (r *evtxReader) scanAt(at int64) (scanner, bool) {
	l := r.live
	if l.at != at {
		d, err := r.readChunk(l.buf, at)
		if err != nil {
			return scanner{}, false
		}
		l.d, l.at, l.h = d, at, readChunkHeader(d)
	}
	return newScanner(l.d, l.h), true
}
