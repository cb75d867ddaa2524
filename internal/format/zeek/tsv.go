package zeek

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"culprit/internal/event"
	"culprit/internal/format/text"
)

// tsv reads a tab-separated log.
type tsv struct {
	d  *decoder
	in *text.Lines

	prefix, sep  []byte // as the header says
	empty, unset []byte
	log          *log
	columns      []column
	headed       bool // a separator line was seen
	complained   bool
	yes, no      []byte // truth as JSON logs write it
}

// A column is where the values of one field go.
type column struct {
	slot slot
	name string // when it has no slot
	kind kind
}

// A kind is what the type of a column asks of its values.
type kind uint8

const (
	plain kind = iota
	list       // a set or vector
	truth
	decimal
	decimals // a set or vector of them
)

func kindOf(zeekType []byte) kind {
	switch t := string(zeekType); {
	case strings.HasSuffix(t, "[interval]"), strings.HasSuffix(t, "[double]"), strings.HasSuffix(t, "[time]"):
		return decimals
	case strings.HasPrefix(t, "set["), strings.HasPrefix(t, "vector["), strings.HasPrefix(t, "table["):
		return list
	case t == "bool":
		return truth
	case t == "time", t == "interval", t == "double":
		return decimal
	}
	return plain
}

func newTSV(r io.Reader, d *decoder) *tsv {
	t := &tsv{d: d, in: text.NewLines(r), prefix: []byte("#"), yes: []byte("true"), no: []byte("false")}
	t.begin([]byte("\t"))
	return t
}

// begin starts over with the settings that a header may leave out.
func (t *tsv) begin(sep []byte) {
	t.sep, t.d.setSep, t.empty, t.unset = sep, []byte(","), []byte("(empty)"), []byte("-")
	t.columns = t.columns[:0]
	t.log = t.d.logOf(t.d.fileLog)
}

// Read implements format.Reader.
func (t *tsv) Read(b *event.Batch) error {
	t.d.b = b
	for !b.Full() {
		line, err := t.in.Next()
		if err == io.EOF {
			t.d.end()
		}
		if err != nil {
			return err
		}
		if t.in.Number == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		switch {
		case len(line) == 0:
		case bytes.HasPrefix(line, t.prefix) || !t.headed && isSeparator(line):
			t.header(line)
		case len(t.columns) == 0:
			if !t.complained {
				b.AddBad(t.in.Number, t.in.Offset, "stands before any #fields line: nothing says what its columns are")
			}
			t.complained = true
		default:
			t.row(line)
		}
	}
	return nil
}

func isSeparator(line []byte) bool {
	_, _, ok := separatorLine(line)
	return ok
}

// header reads a line that says how the log is written. Comments and lines of later versions are passed over.
func (t *tsv) header(line []byte) {
	if prefix, sep, ok := separatorLine(line); ok && len(sep) > 0 && (!t.headed || bytes.Equal(prefix, t.prefix)) {
		t.prefix, t.headed = bytes.Clone(prefix), true
		t.begin(sep)
		return
	}
	name, rest, _ := bytes.Cut(line[len(t.prefix):], t.sep)
	switch string(name) {
	case "set_separator":
		t.d.setSep = appendUnescaped(nil, rest)
	case "empty_field":
		t.empty = bytes.Clone(rest)
	case "unset_field":
		t.unset = bytes.Clone(rest)
	case "path":
		t.log = t.d.logOf(logName(string(rest)))
	case "fields":
		t.fields(rest)
	case "types":
		i := 0
		for kind := range bytes.SplitSeq(rest, t.sep) {
			if i < len(t.columns) {
				t.columns[i].kind = kindOf(kind)
			}
			i++
		}
	}
}

func (t *tsv) fields(names []byte) {
	t.columns = t.columns[:0]
	for n := range bytes.SplitSeq(names, t.sep) {
		c := column{slot: slotNames[string(n)]}
		taken := slices.ContainsFunc(t.columns, func(o column) bool { return o.slot == c.slot })
		if c.slot == noSlot || c.slot == pathName || taken { // taken: notice has src beside id.orig_h
			c.slot, c.name = noSlot, strings.ToValidUTF8(string(n), "\ufffd")
		}
		t.columns = append(t.columns, c)
		if len(t.columns) > maxNames {
			return
		}
	}
}

// row reads the columns of a line.
func (t *tsv) row(line []byte) {
	d := t.d
	d.begin(t.in.Number, t.in.Offset)
	rest, i := line, 0
	for ; i < len(t.columns); i++ {
		cell, last := rest, true
		if n := t.nextSep(rest); n >= 0 {
			cell, rest, last = rest[:n], rest[n+len(t.sep):], false
		}
		if !bytes.Equal(cell, t.unset) && !bytes.Equal(cell, t.empty) && len(cell) > 0 {
			c := &t.columns[i]
			d.load(c.slot, c.name, t.value(c, cell))
		}
		if last {
			i++
			break
		}
		if i == len(t.columns)-1 {
			i += 1 + bytes.Count(rest, t.sep) + 1
			break
		}
	}
	if i != len(t.columns) {
		d.b.AddBad(t.in.Number, t.in.Offset, t.wrongColumns(i))
		return
	}
	d.event(t.log)
}

func (t *tsv) nextSep(v []byte) int {
	if len(t.sep) == 1 {
		return bytes.IndexByte(v, t.sep[0])
	}
	return bytes.Index(v, t.sep)
}

func (t *tsv) wrongColumns(n int) string {
	if t.in.Open && n < len(t.columns) {
		return fmt.Sprintf("is cut off: it ends in column %d of %d", n, len(t.columns))
	}
	return fmt.Sprintf("has %d columns, the header %d", n, len(t.columns))
}

func (t *tsv) value(c *column, cell []byte) value {
	switch {
	case c.kind == list:
		return value{text.Value{Raw: cell, Kind: text.Plain}, true}
	case c.kind == decimals:
		return value{text.Value{Raw: cell, Kind: text.Number}, true}
	case c.kind == truth && string(cell) == "T":
		return value{text.Value{Raw: t.yes, Kind: text.True}, false}
	case c.kind == truth && string(cell) == "F":
		return value{text.Value{Raw: t.no, Kind: text.False}, false}
	case c.kind == decimal:
		return value{text.Value{Raw: cell, Kind: text.Number}, false}
	}
	return value{text.Value{Raw: t.d.unescape(cell), Kind: text.Plain}, false}
}
