package winevent

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

const (
	fileHeaderSize  = 4096
	chunkSize       = 64 << 10
	chunkHeaderSize = 512
	recordHeader    = 24
	minRecord       = recordHeader + 4 // and the copy of its size
)

var (
	fileMagic   = []byte("ElfFile\x00")
	chunkMagic  = []byte("ElfChnk\x00")
	recordMagic = []byte("**\x00\x00")
)

// A chunkHeader is what a chunk says of itself.
type chunkHeader struct {
	magic  bool // begins as a chunk should
	intact bool // both checksums hold
	free   int  // where its unused space begins; the end of the chunk when what it says can't be
}

// readChunkHeader reads the header of a chunk, which may be cut off.
func readChunkHeader(d []byte) chunkHeader {
	h := chunkHeader{magic: bytes.HasPrefix(d, chunkMagic), free: len(d)}
	if len(d) < chunkHeaderSize || !h.magic {
		return h
	}
	le := binary.LittleEndian
	if free := int64(le.Uint32(d[48:])); free >= chunkHeaderSize && free <= int64(len(d)) {
		h.free = int(free)
		sum := crc32.Update(crc32.ChecksumIEEE(d[:120]), crc32.IEEETable, d[128:chunkHeaderSize])
		h.intact = sum == le.Uint32(d[124:]) && crc32.ChecksumIEEE(d[chunkHeaderSize:free]) == le.Uint32(d[52:])
	}
	return h
}

// A rawRecord is a record as it stands in its chunk.
type rawRecord struct {
	at, end int // in the chunk, its header and the copy of its size included
	id      uint64
	written uint64 // FILETIME
	slack   bool   // it stands in space the chunk calls unused, or among newer records
	damaged bool   // its size can't be, or the copy of it differs: end is where the next record, or nothing, begins
}

// A scanner finds the records of a chunk, live ones first to last and then what is left of older ones in its unused space.
//
// A chunk of a log that was not closed may have records behind where it says its unused space begins: they go on with the
// numbers, unless its checksums say that all is as it should be. Where numbers go back, what follows is left over from before.
type scanner struct {
	d    []byte
	free int
	sure bool // the chunk's checksums hold: free is right
	pos  int
	last uint64 // the highest record number so far
	any  bool
}

func newScanner(d []byte, h chunkHeader) scanner {
	return scanner{d: d, free: h.free, sure: h.intact, pos: min(chunkHeaderSize, len(d))}
}

// next finds the next record. skipped says which bytes before it, of those that should be records, are none.
func (s *scanner) next() (rec rawRecord, skipped [2]int, ok bool) {
	from := s.pos
	for {
		if !s.fits(s.pos) {
			next := s.find(s.pos)
			if next < 0 {
				s.pos = len(s.d)
				return rec, s.gap(from, len(s.d)), false
			}
			s.pos = next
		}
		rec = s.record(s.pos)
		if rec.damaged && rec.at >= s.free { // in unused space only what is whole is worth looking at
			s.pos++
			continue
		}
		s.pos = rec.end
		return rec, s.gap(from, rec.at), true
	}
}

// gap gives the part of a range that should have been records, unless it is empty or all zeros.
func (s *scanner) gap(from, to int) [2]int {
	to = min(to, s.free)
	if from >= to || len(bytes.Trim(s.d[from:to], "\x00")) == 0 {
		return [2]int{}
	}
	return [2]int{from, to}
}

func (s *scanner) fits(at int) bool {
	return len(s.d)-at >= minRecord && bytes.HasPrefix(s.d[at:], recordMagic)
}

// find looks for the next beginning of a record.
func (s *scanner) find(at int) int {
	if at >= len(s.d) {
		return -1
	}
	n := bytes.Index(s.d[at:], recordMagic)
	if n < 0 || !s.fits(at+n) {
		return -1
	}
	return at + n
}

// record reads the record at a place that fits.
func (s *scanner) record(at int) rawRecord {
	le := binary.LittleEndian
	r := rawRecord{at: at, id: le.Uint64(s.d[at+8:]), written: le.Uint64(s.d[at+16:])}
	size := int64(le.Uint32(s.d[at+4:]))
	if size >= minRecord && size <= int64(len(s.d)-at) && int64(le.Uint32(s.d[at+int(size)-4:])) == size {
		r.end = at + int(size)
	} else {
		r.damaged = true
		if r.end = at + recordHeader; at < s.free {
			r.end = s.whole(r.end)
		}
	}
	switch {
	case s.any && r.id <= s.last:
		r.slack = true
	case at >= s.free:
		r.slack = s.sure || !s.any || r.id != s.last+1
	}
	if !r.slack && !r.damaged {
		s.last, s.any = r.id, true
	}
	return r
}

// whole finds the next record whose size and its copy agree; the end of the chunk when there is none.
func (s *scanner) whole(at int) int {
	le := binary.LittleEndian
	for {
		if at = s.find(at); at < 0 {
			return len(s.d)
		}
		size := int64(le.Uint32(s.d[at+4:]))
		if size >= minRecord && size <= int64(len(s.d)-at) && int64(le.Uint32(s.d[at+int(size)-4:])) == size {
			return at
		}
		at++
	}
}
