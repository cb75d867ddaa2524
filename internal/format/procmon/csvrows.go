package procmon

import (
	"fmt"
	"io"
	"runtime"
	"sync"
	"unicode/utf8"

	"culprit/internal/event"
)

// Rows are read in two steps. Gathering finds the rows of what the buffer holds, their cells and their times, which need what
// came before. Putting turns a row into an event and needs that row only, so with a second processor to hand rows enough for
// several batches are put at once: the caller's batch gets the first, the others wait for the next calls of Read.

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
	maxGathered = event.MaxLen * 4
	minShared   = event.MaxLen / 4 // fewer rows aren't worth a goroutine
	// maxShared is how many bytes are put at once at most, so that no batch calls itself full before it has its rows.
	maxShared = 8 << 20
)

// gather reads rows, until the buffer holds no more of them. It returns the stream's error once nothing was gathered.
func (r *csvReader) gather() error {
	r.gathered, r.next = r.gathered[:0], 0
	r.rows.release()
	r.decoded = r.decoded[:0]
	for len(r.gathered) < maxGathered {
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
	r.tell(b)
	if r.hand(b) {
		return nil
	}
	for !b.Full() && b.Skipped < maxSkips {
		if r.next == len(r.gathered) {
			err := r.gather()
			r.tell(b)
			if err == io.EOF {
				r.finish(b)
			}
			if err != nil {
				return err
			}
		}
		if b.Len == 0 && b.Skipped == 0 && r.share(b) {
			return nil
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

// share puts what was gathered into b and into batches of our own, at the same time, if there is enough of it. Nothing of it
// runs on when it returns.
func (r *csvReader) share(b *event.Batch) bool {
	rows := r.gathered[r.next:]
	if r.o.RolesOnly || len(rows) <= event.MaxLen+minShared || runtime.GOMAXPROCS(0) < 2 ||
		rows[len(rows)-1].off-rows[0].off > maxShared {
		return false
	}
	first := rows[:event.MaxLen]
	rows = rows[event.MaxLen:]
	var wg sync.WaitGroup
	for i := 0; len(rows) > 0; i++ {
		if i == len(r.ahead) {
			r.ahead = append(r.ahead, &csvBatch{put: r.put.clone(), batch: new(event.Batch)})
		}
		a, share := r.ahead[i], rows[:min(len(rows), event.MaxLen)]
		rows = rows[len(share):]
		wg.Go(func() {
			a.batch.Reset()
			a.put.rows(a.batch, share)
			a.full = true
		})
	}
	r.put.rows(b, first)
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
