package winevent

// EVTX, the files of Windows' event log since Vista. What is known of them was learnt from libyal's description of the
// format, from Microsoft's of BinXML ([MS-EVEN6], sections 2.2.12 to 2.2.19), and from files; all numbers are little-endian.
//
// File: a header of 4,096 bytes, then chunks of 65,536. The header begins "ElfFile\0"; at 24 the next record number, at 42
// how many chunks there are, at 120 flags (1: was not closed), at 124 a CRC-32 of its first 120 bytes. Count and flags of a
// log that was not closed are stale, so chunks are read to the end of the file whatever the header says.
//
// Chunk: "ElfChnk\0"; at 24 and 40 the numbers of its first and last record, at 48 where its unused space begins, at 52 a
// CRC-32 of its records, at 120 flags, at 124 a CRC-32 of the header but these eight bytes. From 128 on two hash tables, of
// names and templates; from 512 on records. A chunk stands for itself: places are counted from its beginning. Its unused
// space may hold records of the log as it was before it was cleared or turned over.
//
// Record: "**\0\0", its size (4 bytes), its number (8), when it was written (FILETIME, 8), BinXML, its size again.
//
// BinXML: tokens. 0F begins a fragment (3 more bytes: version), 0C a template instance: a byte, the template's identifier (4
// bytes: the first of its GUID), where it stands (4); if that is just here, the template: next of the same hash (4), GUID,
// size (4), BinXML; then how many values there are (4), size (2), type and a zero byte of each, and the values. In a
// template, 0D and 0E stand for a value by its number (2) and type (1). 01 opens an element: dependency identifier (2, only
// outside of values), size (4), place of its name (4), and with bit 40 set the size of its attributes (4); 06 begins an
// attribute: place of its name (4). A name: next of the same hash (4), hash (2), characters (2), UTF-16, a null; it stands
// where it is used first. 05 is a constant: type, for text the number of characters (2), UTF-16. 02, 03, 04 end a start tag,
// an element without content, an element; 00 the fragment. 07 is CDATA, 08 a character, 09 a named entity, 0A and 0B a
// processing instruction.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/text"
)

// EVTX is Windows' own event log files.
var EVTX = &format.Format{
	Name:  "evtx",
	Doc:   "Windows event log files (EVTX) of any channel, those of running and crashed machines and damaged ones included",
	Exts:  []string{".evtx"},
	Match: matchEVTX,
	Open:  openEVTX,
}

// matchEVTX claims a log by its header or, should that be damaged, by its first chunk; and chunks found without a file.
func matchEVTX(head []byte) bool {
	return bytes.HasPrefix(head, fileMagic) || bytes.HasPrefix(head, chunkMagic) ||
		len(head) > fileHeaderSize && bytes.HasPrefix(head[fileHeaderSize:], chunkMagic)
}

type evtxReader struct {
	src  io.ReaderAt
	size int64
	cut  error // the source could be read only in part

	d     *decoder
	o     format.Options
	buf   []byte
	at    int64 // where the chunk at hand stands, and the next
	next  int64
	scan  scanner
	in    bool // a chunk is at hand
	whole bool // it begins as a chunk does
	live  *liveIndex

	records                    int64
	chunks, broken, recovered  int
	announced                  int // chunks, by the file's header
	brokenAt                   int64
	dirty, badHeader, noHeader bool
}

func openEVTX(src *format.Source, o format.Options) (format.Reader, error) {
	at, size, err := src.ReaderAt()
	if at == nil {
		return nil, err
	}
	r := &evtxReader{src: at, size: size, cut: err, o: o, d: newEVTXDecoder(newDecoder(o)), buf: make([]byte, chunkSize)}
	return r, r.header()
}

// header reads the file's header. Nothing in it is needed.
func (r *evtxReader) header() error {
	head := r.buf[:128]
	n, err := r.src.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return fmt.Errorf("the file header: %w", err)
	}
	head = head[:n]
	if bytes.HasPrefix(head, chunkMagic) {
		r.noHeader = true
		return nil
	}
	r.next = fileHeaderSize
	if n < 128 {
		return nil
	}
	le := binary.LittleEndian
	r.announced = int(le.Uint16(head[42:]))
	r.dirty = le.Uint32(head[120:])&1 != 0
	r.badHeader = !bytes.HasPrefix(head, fileMagic) || crc32.ChecksumIEEE(head[:120]) != le.Uint32(head[124:])
	return nil
}

// Read implements format.Reader.
func (r *evtxReader) Read(b *event.Batch) error {
	r.d.r.b = b
	for !b.Full() {
		if !r.in {
			err := r.nextChunk(b)
			if err == io.EOF {
				r.end(b)
				if r.cut != nil {
					return r.cut
				}
			}
			if err != nil {
				return err
			}
			continue
		}
		rec, skipped, ok := r.scan.next()
		if skipped[1] > 0 {
			b.AddBad(0, r.at+int64(skipped[0]), fmt.Sprintf("%d bytes of chunk %d are no records", skipped[1]-skipped[0], r.chunks))
		}
		if !ok {
			r.in = false
			continue
		}
		r.record(b, rec)
	}
	return nil
}

// nextChunk reads the chunk after the one at hand.
func (r *evtxReader) nextChunk(b *event.Batch) error {
	if r.next >= r.size {
		if r.size < fileHeaderSize && !r.noHeader {
			r.next = r.size
			if r.chunks == 0 && r.size >= 0 {
				b.AddBad(0, 0, fmt.Sprintf("ends inside the file header (%d bytes announced, %d present)", fileHeaderSize, r.size))
				r.size, r.next = 0, fileHeaderSize
				r.chunks = -1
			}
		}
		return io.EOF
	}
	d, err := r.readChunk(r.buf, r.next)
	if err != nil {
		return err
	}
	r.at, r.next = r.next, r.next+chunkSize
	if len(bytes.Trim(d, "\x00")) == 0 { // room the log has not used yet
		return nil
	}
	r.chunks++
	if len(d) < chunkSize {
		b.AddBad(0, r.at, fmt.Sprintf("ends inside chunk %d (%d bytes announced, %d present)", r.chunks, chunkSize, len(d)))
	}
	h := readChunkHeader(d)
	if r.whole = h.magic; !h.magic {
		b.AddBad(0, r.at, fmt.Sprintf("chunk %d does not begin as one: what looks like records in it is read", r.chunks))
	}
	if h.magic && !h.intact && len(d) == chunkSize {
		if r.broken++; r.broken == 1 {
			r.brokenAt = r.at
		}
	}
	r.d.chunk(d, h.intact)
	r.scan = newScanner(d, h)
	if r.live != nil {
		r.live.work = 0
	}
	r.in = true
	return nil
}

// readChunk reads the chunk at at, or what there is of it.
func (r *evtxReader) readChunk(buf []byte, at int64) ([]byte, error) {
	n, err := r.src.ReadAt(buf[:min(chunkSize, r.size-at)], at)
	if err != nil && (err != io.EOF || n == 0) {
		return nil, fmt.Errorf("the chunk at %#x: %w", at, err)
	}
	return buf[:n], nil
}

// record puts an event into the batch.
func (r *evtxReader) record(b *event.Batch, rec rawRecord) {
	d := r.d.r
	off := r.at + int64(rec.at)
	end := rec.end - 4
	if rec.damaged {
		end = rec.end
	}
	if rec.slack && r.known(rec) {
		return
	}
	if !rec.slack {
		r.records++
	}
	if r.o.RolesOnly && r.skip(b, rec, end) {
		return
	}
	d.reset()
	err := r.d.record(rec.at+recordHeader, end, rec.slack, false)
	if err == nil && (!d.has[eventID] || !d.has[logChannel] && !d.has[logProvider]) {
		err = errors.New("is no Windows event: it has no event ID, or neither channel nor provider")
	}
	if err != nil {
		if !rec.slack { // what is left of older records may well be overwritten in part
			b.AddBad(r.records, off, err.Error())
		}
		return
	}
	r.put(b, rec, off)
}

// put puts the loaded event into the batch.
func (r *evtxReader) put(b *event.Batch, rec rawRecord, off int64) {
	d := r.d.r
	if rec.slack {
		r.records++
		r.recovered++
	}
	d.offset, d.record = off, r.records
	if !d.created.ok {
		d.created.at, d.created.ok = fromFileTime(rec.written)
	}
	n := b.Len
	d.event()
	if b.Len > n && rec.slack {
		b.AddText(event.Tags, "recovered")
	}
	if rec.damaged {
		b.AddBad(r.records, off, fmt.Sprintf("its size is said to be %d and differs from the copy at its end", binary.LittleEndian.Uint32(r.scan.d[rec.at+4:])))
	}
	if r.d.bad != "" {
		b.AddBad(r.records, off, r.d.bad)
	}
}

// skip counts a record that is nothing to attribution without reading it whole.
func (r *evtxReader) skip(b *event.Batch, rec rawRecord, end int) bool {
	if rec.slack || rec.damaged {
		return false
	}
	d := r.d.r
	d.reset()
	if r.d.record(rec.at+recordHeader, end, false, true) != nil || !d.has[eventID] || !d.has[logProvider] && !d.has[logChannel] {
		return false
	}
	id, _ := text.Int(d.header(eventID))
	if roleOf(d.family(), id) != "" {
		return false
	}
	if !d.created.ok {
		d.created.at, d.created.ok = fromFileTime(rec.written)
	}
	if d.created.ok {
		b.Skip(d.created.at)
	} else {
		b.Skipped++
	}
	return true
}

// end says what a person should know of the file.
func (r *evtxReader) end(b *event.Batch) {
	if r.chunks < 0 {
		return
	}
	if r.dirty {
		b.Note(fmt.Sprintf("the log was not closed (copied while in use, or the machine stopped): its header says %d chunks, %d have been read", r.announced, r.chunks))
	}
	if r.badHeader {
		b.Note("the file header is damaged, or of a log that was not closed: its checksum is wrong")
	}
	if r.broken > 0 {
		b.Note(fmt.Sprintf("chunks with a wrong checksum: %d of %d, the first at byte %d; their events are given nevertheless", r.broken, r.chunks, r.brokenAt))
	}
	if r.recovered > 0 {
		b.Note(fmt.Sprintf("events recovered from space the log no longer used, with the tag recovered: %d", r.recovered))
	}
	r.dirty, r.badHeader, r.broken, r.recovered = false, false, 0, 0
}
