package procmon

import (
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"culprit/internal/event"
)

// Rows are read in two steps. Gathering finds the rows of what the buffer holds, their cells and their times, which need what
// came before. Putting turns a row into an event and needs that row only, so with a second processor to hand rows enough for
// several batches are put at the same time: the
// caller's batch gets the first, the others wait for the next calls of Read.

// A csvRow is a row that was gathered. Its text and cells are valid until the next gathering.
type csvRow struct {
	text      []byte // without its line end
	cells     []csvCell
	line, off int64
	t, clock  int64 // @timestamp, and the time since midnight
	timed     bool
	bad       string // why there is no event
}

// raw gives the text of cell i as it stands.
func (r *csvRow) raw(i int) []byte {
	c := r.cells[i]
	return r.text[c.from:c.to]
}

const (
	maxShares = 6 // batches put at once at most
	// maxShared is how many bytes are put at once at most, so that no batch calls itself full before it has its rows.
	maxShared = 8 << 20
	// fewRows are gathered at a time where one goroutine does it all: they stay in the processor's cache until they are put.
	fewRows = 64
)

// gather reads up to n rows, until the buffer holds no more of them. Rows gathered before stay as they are. It returns the
// stream's error once nothing is gathered.
func (r *csvReader) gather(n int) error {
	for n += len(r.gathered); len(r.gathered) < n; {
		line, off, err := r.rows.next(len(r.gathered) > 0)
		if err == errMore {
			return nil
		}
		row := csvRow{line: line, off: off}
		if err != nil {
			bad, ok := err.(*badRow)
			switch {
			case ok:
				row.bad = r.atEnd(bad.what)
				r.gathered = append(r.gathered, row)
				continue
			case len(r.gathered) > 0:
				return nil // it is told again
			case err != io.EOF:
				return fmt.Errorf("line %d: %w", line, err)
			}
			return err
		}
		if !plainASCII(r.rows.row) && !utf8.Valid(r.rows.row) {
			r.decode(line)
		}
		row.text, row.cells = r.rows.row, r.rows.cells
		if r.check(&row) {
			r.rows.keep()
			r.gathered = append(r.gathered, row)
		}
	}
	return nil
}

// drop forgets the rows gathered, which are all put.
func (r *csvReader) drop() {
	r.gathered, r.next = r.gathered[:0], 0
	r.rows.release()
	r.decoded = r.decoded[:0]
}

// check finds what is wrong with a row, and its time. It is false for a blank line.
func (r *csvReader) check(row *csvRow) bool {
	if len(row.cells) == r.width {
		r.time(row)
		return true
	}
	if len(row.cells) == 1 && row.cells[0].from == row.cells[0].to {
		return false
	}
	row.bad = r.atEnd(fmt.Sprintf("%d cells where the header has %d", len(row.cells), r.width))
	return true
}

// decode makes the scanner's row, which isn't UTF-8, UTF-8.
func (r *csvReader) decode(line int64) {
	if r.page.enc == nil {
		r.page = guessCodePage(r.rows.row)
		r.notes = append(r.notes, fmt.Sprintf("text that isn't UTF-8 (first in line %d) is taken for %s: if names look wrong, save again from Procmon",
			line, r.page.name))
	}
	from := len(r.decoded)
	r.decoded = r.page.decode(r.decoded, r.rows.row)
	r.rows.resplit(r.decoded[from:len(r.decoded):len(r.decoded)])
}

// Read implements format.Reader.
func (r *csvReader) Read(b *event.Batch) error {
	if r.hand(b) {
		return nil
	}
	for !b.Full() && b.Skipped < maxSkips {
		if r.next == len(r.gathered) {
			r.drop()
			n := fewRows
			if r.shares {
				n = event.MaxLen
			}
			err := r.gather(n)
			if err == nil && r.share(b) {
				r.tell(b)
				return nil
			}
			r.tell(b)
			if err == io.EOF {
				r.finish(b)
			}
			if err != nil {
				return err
			}
		}
		r.next += r.put.rows(b, r.gathered[r.next:])
	}
	return nil
}

// tell hands on the notes that were made.
func (r *csvReader) tell(b *event.Batch) {
	for _, n := range r.notes {
		b.Note(n)
	}
	r.notes = r.notes[:0]
}

// A csvBatch is a batch that is filled before the caller asks for it, and what fills it.
type csvBatch struct {
	put   *csvPutter
	batch *event.Batch
	full  bool
}

// share puts a batch of rows into b while it gathers more, and those into batches of our own, if there is enough of it.
// Nothing of it runs on when it returns.
func (r *csvReader) share(b *event.Batch) bool {
	if !r.shares || b.Len > 0 || b.Skipped > 0 || len(r.gathered) < event.MaxLen || r.rows.end > maxShared {
		return false
	}
	var wg sync.WaitGroup
	batch, put, rows := b, r.put, r.gathered
	for i := range maxShares {
		from := len(r.gathered)
		err := io.EOF
		if i < maxShares-1 {
			err = r.gather(event.MaxLen)
		}
		if err != nil || len(r.gathered) == from {
			put.rows(batch, rows) // the last
			break
		}
		share, to, by := rows, batch, put
		wg.Go(func() { by.rows(to, share) })
		if i == len(r.ahead) {
			r.ahead = append(r.ahead, &csvBatch{put: r.put.clone(), batch: new(event.Batch)})
		}
		a := r.ahead[i]
		a.batch.Reset()
		a.full = true
		batch, put, rows = a.batch, a.put, r.gathered[from:]
	}
	wg.Wait()
	r.next = len(r.gathered)
	return true
}

// hand gives the next batch that was filled before.
func (r *csvReader) hand(b *event.Batch) bool {
	for _, a := range r.ahead {
		if !a.full {
			continue
		}
		a.full = false
		a.batch.Source = b.Source
		*b, *a.batch = *a.batch, *b
		return true
	}
	return false
}

// clip shortens what is shown of a cell.
func clip(b []byte) []byte { return b[:min(len(b), 60)] }
