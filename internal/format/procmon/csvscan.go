package procmon

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

const (
	csvBuffer = 1 << 20 // bytes asked of a long stream at a time
	maxBuffer = 4 << 20 // where rows are wanted enough for several batches
	minBuffer = 64 << 10
	maxRow    = 16 << 20
	maxCells  = 512

	// A quote that is never closed, or only by the next row's, spoils no more than its line: reading goes on with the line
	// behind it. It sends the search for its end through everything that follows, so searches that came to nothing may
	// cost minSearch each and searchPerByte for every byte read since: a file full of such quotes is still read in linear
	// time.
	minSearch     = 4 << 10
	searchPerByte = 4
	lineCost      = 64 // what a line costs besides its bytes
	// maxReopen is how often a row is taken apart again because a quote inside it turned out not to close anything.
	maxReopen = 4
)

// A csvScanner cuts a stream into rows and rows into cells. A row ends at a LF or CRLF outside quotes; a bare CR is text,
// because Procmon writes the lines of an environment block as CR and a semicolon. It reads minimal quoting as well as
// Procmon's own, in which every cell is quoted, and it copies nothing: cells point into its buffer.
type csvScanner struct {
	r     io.Reader
	sep   byte
	width int // cells a row has; 0 while nobody knows

	buf      []byte
	most     int   // bytes buf may grow to for speed's sake
	pos, end int   // the unread part of buf
	base     int64 // offset of buf[0] in the source
	line     int64 // number of the line at pos, from 1
	err      error // of r: io.EOF, or what broke
	hold     bool  // nothing may be read
	short    bool  // closing would have had to

	budget int64 // bytes the next search for a closing quote may look through

	utf16 bool // the stream was UTF-16 in the source, where pos is at raw
	raw   int64

	row   []byte    // the row next gave, without its line end
	cells []csvCell // its cells, the end of all
	all   []csvCell // those of the rows that are kept, and cells
	kept  int
	text  []byte // an unescaped cell
}

// A csvCell is a part of the row: what stands between its quotes, if it has any.
type csvCell struct {
	from, to uint32
	escaped  bool // it holds quotes that are doubled
}

func newCSVScanner(r io.Reader, sep byte) *csvScanner {
	return &csvScanner{r: r, sep: sep, buf: make([]byte, minBuffer), line: 1, budget: maxRow, most: csvBuffer}
}

// A badRow is a row that can't be used. Reading goes on behind it.
type badRow struct{ what string }

func (e *badRow) Error() string { return e.what }

var (
	errLongLine = errors.New("the line doesn't end") // found by lineEnd, told by skipLine
	errMore     = errors.New("more must be read")
)

// next reads a row and gives its first line's number and its offset. The row and its cells are valid until the next call.
// The error is a *badRow, or the stream's, which is io.EOF at the end. With hold, next reads no more than the buffer has, so
// that the rows before stay where they are, and gives errMore if the buffer doesn't have the row's end; rows that are kept
// keep their cells as well.
func (s *csvScanner) next(hold bool) (line, off int64, err error) {
	s.hold = hold
	line, off = s.line, s.offset()
	n, err := s.lineEnd(0)
	switch {
	case hold && err != nil && err != io.EOF:
		return line, off, errMore
	case err == errLongLine:
		return line, off, s.skipLine()
	case n == 0:
		return line, off, err
	case err != nil && err != io.EOF:
		s.take(n, 1)
		return line, off, err
	}
	if s.split(n) {
		s.take(n, 1)
		return line, off, nil
	}
	open := len(s.cells)
	m, lines, ok := s.closing(n, err)
	if s.short {
		return line, off, errMore
	}
	if ok && (s.width == 0 || len(s.cells) == s.width) {
		s.take(m, lines)
		return line, off, nil
	}
	s.budget = minSearch
	s.take(n, 1)
	return line, off, &badRow{fmt.Sprintf("the quote opened in cell %d is never closed", open)}
}

// offset is where in the source the unread part begins.
func (s *csvScanner) offset() int64 {
	if s.utf16 {
		return s.raw
	}
	return s.base + int64(s.pos)
}

// keep keeps the cells of the row next gave, until release.
func (s *csvScanner) keep() { s.kept = len(s.all) }

func (s *csvScanner) release() { s.all, s.kept = s.all[:0], 0 }

// closing looks for the end of a row whose first n bytes, a line, end inside quotes; err is what lineEnd gave with n. It
// gives the row's bytes and lines.
func (s *csvScanner) closing(n int, err error) (int, int64, bool) {
	lines, limit := int64(1), int64(n)+s.budget
	s.short = false
	for tries := 0; err == nil && tries < maxReopen && int64(n)+lines*lineCost < limit; {
		m := 0
		m, err = s.lineEnd(n)
		if err == errMore {
			s.short = true
			break
		}
		if m == n || err != nil && err != io.EOF {
			break
		}
		odd := bytes.Count(s.buf[s.pos+n:s.pos+m], []byte{'"'})&1 == 1
		n = m
		lines++
		if !odd {
			continue
		}
		if s.split(n) {
			return n, lines, true
		}
		tries++
	}
	return 0, 0, false
}

// take moves past n bytes and the lines they are.
func (s *csvScanner) take(n int, lines int64) {
	if s.utf16 {
		s.raw += utf16Bytes(s.buf[s.pos : s.pos+n])
	}
	s.pos += n
	s.line += lines
	if s.budget < maxRow {
		s.budget += searchPerByte * int64(n)
	}
}

// lineEnd gives how many unread bytes there are up to and with the first LF at or behind from. At the end of the stream it
// gives all that is left, and the stream's error.
func (s *csvScanner) lineEnd(from int) (int, error) {
	for {
		w := s.buf[s.pos:s.end]
		if i := bytes.IndexByte(w[from:], '\n'); i >= 0 {
			return from + i + 1, nil
		}
		from = len(w)
		switch {
		case from >= maxRow:
			return from, errLongLine
		case s.err != nil:
			return from, s.err
		case s.hold:
			return from, errMore
		}
		s.fill()
	}
}

// peek gives the unread part, of size bytes if there are so many.
func (s *csvScanner) peek(size int) []byte {
	for s.end-s.pos < size && s.err == nil {
		s.fill()
	}
	return s.buf[s.pos:min(s.end, s.pos+size)]
}

// fill reads more, behind the unread part, which it moves to the front of the buffer if it must.
func (s *csvScanner) fill() {
	if s.end == len(s.buf) && len(s.buf) < s.most { // there may be much more
		buf := make([]byte, 4*len(s.buf))
		copy(buf[s.pos:], s.buf[s.pos:s.end])
		s.buf = buf
	}
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.base += int64(s.pos)
		s.end -= s.pos
		s.pos = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err != nil {
			s.err = err
			return
		}
		if n > 0 {
			return
		}
	}
	s.err = io.ErrNoProgress
}

// last says whether nothing follows the row next gave. It may have to read for that, into a new buffer: rows may be kept.
func (s *csvScanner) last() bool {
	if s.pos == s.end && s.err == nil {
		s.base += int64(s.pos)
		s.buf, s.pos, s.end = make([]byte, len(s.buf)), 0, 0
		s.fill()
	}
	return s.pos == s.end && s.err == io.EOF
}

// skipLine drops a line that is longer than maxRow.
func (s *csvScanner) skipLine() error {
	size := 0
	for {
		n := s.end - s.pos
		i := bytes.IndexByte(s.buf[s.pos:s.end], '\n')
		if i >= 0 {
			n = i + 1
		}
		size += n
		if s.utf16 {
			s.raw += utf16Bytes(s.buf[s.pos : s.pos+n])
		}
		s.pos += n
		if i >= 0 || s.err != nil {
			s.line++
			return &badRow{fmt.Sprintf("a line of %d bytes: the longest I take is %d", size, maxRow)}
		}
		s.base += int64(s.pos)
		s.pos, s.end = 0, 0
		s.fill()
	}
}

// split takes the first n unread bytes apart as one row. It is false if they end inside quotes; then cells ends with the
// cell that was open.
func (s *csvScanner) split(n int) bool {
	row := s.buf[s.pos : s.pos+n]
	if len(row) > 0 && row[len(row)-1] == '\n' {
		row = row[:len(row)-1]
		if len(row) > 0 && row[len(row)-1] == '\r' {
			row = row[:len(row)-1]
		}
	}
	return s.resplit(row)
}

// resplit makes row the row, and takes it apart.
func (s *csvScanner) resplit(row []byte) bool {
	all, closed := splitRow(s.all[:s.kept], row, s.sep)
	s.row, s.all, s.cells = row, all, all[s.kept:]
	return closed
}

// splitRow appends the cells of a row. A quote inside quotes that is neither doubled nor in front of a separator stands for
// itself. Cells beyond maxCells are not told apart.
func splitRow(cells []csvCell, row []byte, sep byte) ([]csvCell, bool) {
	most := len(cells) + maxCells
	for i := 0; ; {
		if i >= len(row) || row[i] != '"' {
			n := bytes.IndexByte(row[i:], sep)
			if n < 0 || len(cells) >= most {
				return append(cells, csvCell{uint32(i), uint32(len(row)), false}), true
			}
			cells = append(cells, csvCell{uint32(i), uint32(i + n), false})
			i += n + 1
			continue
		}
		i++
		end, escaped := quotedEnd(row, i, sep)
		if end < 0 {
			return append(cells, csvCell{uint32(i), uint32(len(row)), escaped}), false
		}
		cells = append(cells, csvCell{uint32(i), uint32(end), escaped})
		if end+1 == len(row) || len(cells) > most {
			return cells, true
		}
		i = end + 2
	}
}

// quotedEnd finds the quote that closes the cell whose text begins at i, -1 if none does.
func quotedEnd(row []byte, i int, sep byte) (end int, escaped bool) {
	for {
		i = nextQuote(row, i)
		if i < 0 {
			return -1, escaped
		}
		if i+1 == len(row) || row[i+1] == sep {
			return i, escaped
		}
		escaped = true
		if row[i+1] == '"' {
			i++
		}
		i++
	}
}

// nextQuote finds the first quote at or behind i, -1 if there is none. Cells are so short that eight bytes at a time without
// a call are faster than bytes.IndexByte.
func nextQuote(b []byte, i int) int {
	const (
		ones   = 0x0101010101010101
		highs  = ones << 7
		quotes = ones * '"'
	)
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:]) ^ quotes
		if m := (x - ones) &^ x & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		if b[i] == '"' {
			return i
		}
	}
	return -1
}

// cell gives the text of cell i; it is valid until the next call of cell or next.
func (s *csvScanner) cell(i int) []byte {
	c := s.cells[i]
	t := s.row[c.from:c.to]
	if !c.escaped {
		return t
	}
	s.text = appendUnescaped(s.text[:0], t)
	return s.text
}

// appendUnescaped appends t with its doubled quotes made single.
func appendUnescaped(dst, t []byte) []byte {
	for {
		i := bytes.IndexByte(t, '"')
		if i < 0 {
			return append(dst, t...)
		}
		dst = append(dst, t[:i+1]...)
		t = t[i+1:]
		if len(t) > 0 && t[0] == '"' {
			t = t[1:]
		}
	}
}
