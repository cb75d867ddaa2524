package procmon

import (
	"bytes"
	"io"
	"time"

	"culprit/internal/event"
)

// A CSVWriter writes events as Process Monitor exports them on an English Windows: UTF-8 with a byte order mark, CRLF, every
// cell in quotes.
type CSVWriter struct {
	Rows    int64 // events written
	Foreign int64 // events left out that are none of Procmon's

	w     io.Writer
	cells cellWriter
	buf   []byte
}

// NewCSVWriter begins a CSV of the columns named as Procmon names them: none for the seven it displays by default, "all" for all.
// Times that are known in UTC are written in zone, nil for UTC, as Procmon has them in the zone of the machine it runs on.
func NewCSVWriter(w io.Writer, columns []string, zone *time.Location) (*CSVWriter, error) {
	chosen, err := chosenColumns(columns)
	if err != nil {
		return nil, err
	}
	c := &CSVWriter{w: w, cells: newCellWriter(chosen, zone), buf: []byte(utf8BOM)}
	for i, col := range chosen {
		c.buf = appendQuotedCell(c.buf, i, func(dst []byte) []byte { return append(dst, columnNames[col]...) })
	}
	c.buf = append(c.buf, "\r\n"...)
	return c, nil
}

// Write writes the events of b that Procmon displays; rows of its tables are none.
func (c *CSVWriter) Write(b *event.Batch) error {
	for i := range b.Len {
		if !isEvent(b, i) {
			c.Foreign += foreign(b, i)
			continue
		}
		c.Rows++
		c.cells.begin(b, i)
		for n, col := range c.cells.columns {
			c.buf = appendQuotedCell(c.buf, n, func(dst []byte) []byte { return c.cells.append(dst, col, b, i) })
		}
		c.buf = append(c.buf, "\r\n"...)
		if len(c.buf) >= writeAt {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeAt is how many bytes are gathered before they are written.
const writeAt = 256 << 10

// foreign counts an event that is neither displayed nor a row of a table of Procmon's.
func foreign(b *event.Batch, i int) int64 {
	if bytes.HasPrefix(b.Str(event.EventDataset, i), []byte("procmon.")) {
		return 0
	}
	return 1
}

// appendQuotedCell appends cell n of a row, which text appends, in quotes.
func appendQuotedCell(dst []byte, n int, text func(dst []byte) []byte) []byte {
	if n > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	from := len(dst)
	dst = text(dst)
	if quotes := bytes.Count(dst[from:], []byte{'"'}); quotes > 0 {
		dst = doubleQuotes(dst, from, quotes)
	}
	return append(dst, '"')
}

// doubleQuotes doubles the quotes behind from, from the end so that it can be done in place.
func doubleQuotes(b []byte, from, quotes int) []byte {
	r := len(b) - 1
	b = append(b, make([]byte, quotes)...)
	for w := len(b) - 1; r >= from; r-- {
		b[w] = b[r]
		w--
		if b[r] == '"' {
			b[w] = '"'
			w--
		}
	}
	return b
}

func (c *CSVWriter) flush() error {
	_, err := c.w.Write(c.buf)
	c.buf = c.buf[:0]
	return err
}

// Close writes what is left. It doesn't close the writer below.
func (c *CSVWriter) Close() error { return c.flush() }
