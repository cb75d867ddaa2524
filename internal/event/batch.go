package event

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"net/netip"
)

const (
	// MaxLen is how many events a batch holds at most.
	MaxLen = 2048
	// maxBytes is how much text a batch takes on before it calls itself full, so that huge records don't pile up.
	maxBytes = 16 << 20
	// maxNames is how many names of extra fields are kept from one batch to the next.
	maxNames = 1 << 14
	// maxBad is how many bad records of one batch are kept with their text; the rest are only counted.
	maxBad = 64
)

// A Batch holds up to MaxLen events in columns. A reader fills it, whoever asked for it looks at it, Reset empties it and
// keeps its memory. It is not safe for concurrent use.
//
// Every slice a Batch or Column hands out points into the batch and dies at the next Reset.
type Batch struct {
	Source string // the source as the user gave it: log.file.path of every event
	Len    int    // events in the batch

	// Skipped events were read but left out, because Options said nobody wants them. First and Last are the earliest and
	// latest @timestamp of all events read, these included; both zero when none had a time.
	Skipped     int
	First, Last int64
	Packets     int // packets read, by a capture's reader: its events are flows and names

	Bad     []Bad    // records that could not be used, at most maxBad of them
	BadMore int      // further ones
	Notes   []string // what a person should know of the source: a column that is missing, packets that were dropped

	cols    [NumFields]*Column
	used    []Field
	extra   []byte
	extraAt [MaxLen]span
	names   []string
	nameIDs map[string]int
	bytes   int
	seen    bool
	order   []*placed // the used fields as JSON wants them, found when ordered of them were used
	ordered int
}

// Bad is a record that could not be used, or only in part.
type Bad struct {
	Record int64  // its number, from 1; 0 when unknown
	Offset int64  // its byte offset in the decompressed source
	Err    string // what is wrong with it
}

type span struct{ from, to uint32 }

// A Column holds one field's values of a batch's events.
type Column struct {
	used  bool // some event of the batch has a value
	valid [MaxLen / 64]uint64
	ints  []int64
	addrs [][16]byte
	at    []span
	data  []byte
}

// Reset empties the batch and keeps its memory. Everything the batch handed out dies here.
func (b *Batch) Reset() {
	for _, f := range b.used {
		c := b.cols[f]
		c.used = false
		c.valid = [MaxLen / 64]uint64{}
		c.data = c.data[:0]
	}
	b.used = b.used[:0]
	b.extra = b.extra[:0]
	clear(b.extraAt[:b.Len])
	if len(b.names) > maxNames { // a source that names every event's fields differently must not grow us for ever
		b.names, b.nameIDs = nil, nil
	}
	b.Len, b.bytes, b.Skipped, b.Packets, b.BadMore = 0, 0, 0, 0, 0
	b.First, b.Last, b.seen = 0, 0, false
	b.order, b.ordered = b.order[:0], 0
	b.Bad, b.Notes = b.Bad[:0], b.Notes[:0]
}

// Full says whether the batch should be handed on before another event begins.
func (b *Batch) Full() bool { return b.Len >= MaxLen || b.bytes >= maxBytes }

// Next begins an event; fields not put into it are null. It must not be called on a batch of MaxLen events.
func (b *Batch) Next() {
	if b.Len >= MaxLen {
		panic("event: Next on a full batch")
	}
	b.Len++
}

// Skip counts an event that was read at time t but is left out.
func (b *Batch) Skip(t int64) {
	b.Skipped++
	b.Saw(t)
}

// Saw widens First and Last to t: something of the source happened then that is no event of its own, a packet say.
func (b *Batch) Saw(t int64) {
	if !b.seen {
		b.First, b.Last, b.seen = t, t, true
		return
	}
	b.First, b.Last = min(b.First, t), max(b.Last, t)
}

// AddBad counts a record that could not be used. off and record say where it stands, 0 for an unknown record number.
func (b *Batch) AddBad(record, off int64, err string) {
	if len(b.Bad) >= maxBad {
		b.BadMore++
		return
	}
	b.Bad = append(b.Bad, Bad{record, off, err})
}

// Note tells the person something about the source. A reader says each thing once.
func (b *Batch) Note(s string) { b.Notes = append(b.Notes, s) }

// col gives f's column with the current row marked valid, and whether the row had a value already.
func (b *Batch) col(f Field) (c *Column, row int, had bool) {
	row = b.Len - 1
	c = b.cols[f]
	if c == nil {
		c = newColumn(f.Type())
		b.cols[f] = c
	}
	if !c.used {
		c.used = true
		b.used = append(b.used, f)
	}
	w, bit := row/64, uint64(1)<<(row%64)
	had = c.valid[w]&bit != 0
	c.valid[w] |= bit
	return c, row, had
}

func newColumn(t Type) *Column {
	c := new(Column)
	switch t {
	case Long, Date:
		c.ints = make([]int64, MaxLen)
	case IP:
		c.addrs = make([][16]byte, MaxLen)
	default:
		c.at = make([]span, MaxLen)
	}
	return c
}

// PutStr copies v into f, a keyword, of the current event. A later Put replaces it.
func (b *Batch) PutStr(f Field, v []byte) { put(b, f, v) }

// PutText is PutStr for text that is a string.
func (b *Batch) PutText(f Field, v string) { put(b, f, v) }

func put[T []byte | string](b *Batch, f Field, v T) {
	c, row, _ := b.col(f)
	from := uint32(len(c.data))
	c.data = append(c.data, v...)
	c.at[row] = span{from, uint32(len(c.data))}
	b.bytes += len(v)
}

// AddStr appends v to the values of f, a keyword[], of the current event. Values of one field must be added one after the
// other, before the next event begins.
func (b *Batch) AddStr(f Field, v []byte) { add(b, f, v) }

// AddText is AddStr for text that is a string.
func (b *Batch) AddText(f Field, v string) { add(b, f, v) }

func add[T []byte | string](b *Batch, f Field, v T) {
	c, row, had := b.col(f)
	if !had {
		c.at[row].from = uint32(len(c.data))
	}
	c.data = binary.AppendUvarint(c.data, uint64(len(v)))
	c.data = append(c.data, v...)
	c.at[row].to = uint32(len(c.data))
	b.bytes += len(v)
}

// PutInt sets f, a long.
func (b *Batch) PutInt(f Field, v int64) {
	c, row, _ := b.col(f)
	c.ints[row] = v
}

// AddInt appends v to f, a long[], as AddStr does for keywords.
func (b *Batch) AddInt(f Field, v int64) {
	c, row, had := b.col(f)
	if !had {
		c.at[row].from = uint32(len(c.data))
	}
	c.data = binary.LittleEndian.AppendUint64(c.data, uint64(v))
	c.at[row].to = uint32(len(c.data))
}

// PutTime sets f, a date, to ns nanoseconds since 1970-01-01 UTC.
func (b *Batch) PutTime(f Field, ns int64) {
	b.PutInt(f, ns)
	if f == Timestamp {
		b.Saw(ns)
	}
}

// PutAddr sets f, an ip. A zone of a link-local address is not kept.
func (b *Batch) PutAddr(f Field, v netip.Addr) {
	c, row, _ := b.col(f)
	c.addrs[row] = v.As16()
}

// AddAddr appends v to f, an ip[], as AddStr does for keywords.
func (b *Batch) AddAddr(f Field, v netip.Addr) {
	c, row, had := b.col(f)
	if !had {
		c.at[row].from = uint32(len(c.data))
	}
	a := v.As16()
	c.data = append(c.data, a[:]...)
	c.at[row].to = uint32(len(c.data))
}

// Repeat gives the current event the values that an earlier event of this batch, row, has in these fields, without copying
// text again: what a process's hundredth event says of the process is what the first one said.
func (b *Batch) Repeat(row int, fields []Field) {
	to := b.Len - 1
	w, bit := to/64, uint64(1)<<(to%64)
	for _, f := range fields {
		c := b.cols[f]
		if !c.Valid(row) {
			continue
		}
		c.valid[w] |= bit
		switch {
		case c.at != nil:
			c.at[to] = c.at[row]
		case c.ints != nil:
			c.ints[to] = c.ints[row]
		default:
			c.addrs[to] = c.addrs[row]
		}
	}
}

// PutExtra adds a field outside the vocabulary, under the tool's own name, to the current event. All extras of an event must
// be put before the next event begins.
func (b *Batch) PutExtra(name string, v []byte) {
	id, ok := b.nameIDs[name]
	if !ok {
		if b.nameIDs == nil {
			b.nameIDs = make(map[string]int)
		}
		id = len(b.names)
		b.names = append(b.names, name)
		b.nameIDs[name] = id
	}
	at := &b.extraAt[b.Len-1]
	if at.from == at.to {
		at.from = uint32(len(b.extra))
	}
	b.extra = binary.AppendUvarint(b.extra, uint64(id))
	b.extra = binary.AppendUvarint(b.extra, uint64(len(v)))
	b.extra = append(b.extra, v...)
	at.to = uint32(len(b.extra))
	b.bytes += len(v)
}

// Extras gives event i's fields outside the vocabulary, in the order they were put.
func (b *Batch) Extras(i int) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		d := b.extra[b.extraAt[i].from:b.extraAt[i].to]
		for len(d) > 0 {
			id, n := binary.Uvarint(d)
			d = d[n:]
			size, n := binary.Uvarint(d)
			d = d[n:]
			if !yield(b.names[id], d[:size:size]) {
				return
			}
			d = d[size:]
		}
	}
}

// Used gives the fields that some event of the batch has.
func (b *Batch) Used() []Field { return b.used }

// Column gives f's column, nil when no event of the batch has the field.
func (b *Batch) Column(f Field) *Column {
	c := b.cols[f]
	if c == nil || !c.used {
		return nil
	}
	return c
}

// Has says whether event i has field f.
func (b *Batch) Has(f Field, i int) bool { return b.cols[f].Valid(i) }

// Str gives the text of f, a keyword, of event i; nil when it has none.
func (b *Batch) Str(f Field, i int) []byte { return b.cols[f].Str(i) }

// Int gives the number or time of f, a long or date, of event i; 0 when it has none.
func (b *Batch) Int(f Field, i int) int64 { return b.cols[f].Int(i) }

// Addr gives f, an ip, of event i, IPv4 unmapped; the zero Addr when it has none.
func (b *Batch) Addr(f Field, i int) netip.Addr { return b.cols[f].Addr(i) }

// Strs gives the values of f, a keyword[], of event i.
func (b *Batch) Strs(f Field, i int) iter.Seq[[]byte] { return b.cols[f].Strs(i) }

// Ints gives the values of f, a long[], of event i.
func (b *Batch) Ints(f Field, i int) iter.Seq[int64] { return b.cols[f].Ints(i) }

// Addrs gives the values of f, an ip[], of event i, IPv4 unmapped.
func (b *Batch) Addrs(f Field, i int) iter.Seq[netip.Addr] { return b.cols[f].Addrs(i) }

// Valid says whether event i has a value. A nil column has none, as for all getters of Column.
func (c *Column) Valid(i int) bool { return c != nil && c.valid[i/64]>>(i%64)&1 != 0 }

// Count is how many events have a value.
func (c *Column) Count() int {
	n := 0
	if c != nil {
		for _, w := range c.valid {
			n += bits.OnesCount64(w)
		}
	}
	return n
}

// Str is Batch.Str on the column.
func (c *Column) Str(i int) []byte {
	if !c.Valid(i) {
		return nil
	}
	at := c.at[i]
	return c.data[at.from:at.to:at.to]
}

// Int is Batch.Int on the column.
func (c *Column) Int(i int) int64 {
	if !c.Valid(i) {
		return 0
	}
	return c.ints[i]
}

// Addr is Batch.Addr on the column.
func (c *Column) Addr(i int) netip.Addr {
	if !c.Valid(i) {
		return netip.Addr{}
	}
	return netip.AddrFrom16(c.addrs[i]).Unmap()
}

// Strs is Batch.Strs on the column.
func (c *Column) Strs(i int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for d := c.Str(i); len(d) > 0; {
			size, n := binary.Uvarint(d)
			d = d[n:]
			if !yield(d[:size:size]) {
				return
			}
			d = d[size:]
		}
	}
}

// Ints is Batch.Ints on the column.
func (c *Column) Ints(i int) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for d := c.Str(i); len(d) >= 8; d = d[8:] {
			if !yield(int64(binary.LittleEndian.Uint64(d))) {
				return
			}
		}
	}
}

// Addrs is Batch.Addrs on the column.
func (c *Column) Addrs(i int) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for d := c.Str(i); len(d) >= 16; d = d[16:] {
			if !yield(netip.AddrFrom16([16]byte(d)).Unmap()) {
				return
			}
		}
	}
}
