// Package pmc reads Process Monitor's configuration files: the filter that a capture was made or looked at with.
//
// A PMC file, which File > Export Configuration writes, is records one after the other, little endian, an option each:
//
//	 0  u32  size of the record
//	 4  u32  16, the size of these four numbers
//	 8  u32  the same and the name's size
//	12  u32  size of the data
//	16  name, UTF-16 with a final zero
//	    data
//
// Most data are one u32 or a text in UTF-16. FilterRules and HighlightRules are a byte (1), u32 number of rules, and for each
// rule u32 column, u32 relation, u8 action (0 exclude, 1 include), u32 size of the value, the value in UTF-16 with a final
// zero, u32 the value as a number, u32 unknown. Whether a rule was ticked is not known to be in there.
//
// Learnt from the format's description in procmon-parser (github.com/eronnen/procmon-parser, docs/PMC Format.md), whose
// reader and writer give back a real file byte for byte.
package pmc

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"culprit/internal/event"
	"culprit/internal/format"
)

// Format is Process Monitor's configuration.
var Format = &format.Format{
	Name:  "procmon-pmc",
	Doc:   "Process Monitor's configuration, PMC: its filter and highlight rules, and the filter as a query",
	Exts:  []string{".pmc"},
	Match: match,
	Open: func(src *format.Source, o format.Options) (format.Reader, error) {
		return &reader{o: o, in: bufio.NewReader(src.Stream())}, nil
	},
}

const headSize = 16

// maxRecord is how large an option may be: with thousands of rules they are some hundred kilobytes.
const maxRecord = 16 << 20

var le = binary.LittleEndian

// A head is the four numbers a record begins with.
type head struct{ size, named, data uint32 }

func parseHead(b []byte) (h head, ok bool) {
	h = head{le.Uint32(b), le.Uint32(b[8:]), le.Uint32(b[12:])}
	return h, le.Uint32(b[4:]) == headSize && h.named > headSize && h.named%2 == 0 && h.size <= maxRecord && uint64(h.named)+uint64(h.data) == uint64(h.size)
}

// match looks for a record whose name is a word.
func match(b []byte) bool {
	if len(b) < headSize {
		return false
	}
	h, ok := parseHead(b)
	if !ok || h.named-headSize > 128 || len(b) < int(h.named) {
		return false
	}
	name := text(b[headSize:h.named])
	for _, c := range []byte(name) {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// text decodes UTF-16 up to its end or a zero.
func text(b []byte) string {
	var out []byte
	for len(b) >= 2 {
		c := rune(le.Uint16(b))
		b = b[2:]
		if c == 0 {
			break
		}
		if utf16.IsSurrogate(c) && len(b) >= 2 {
			c = utf16.DecodeRune(c, rune(le.Uint16(b)))
			if c != utf8.RuneError {
				b = b[2:]
			}
		}
		out = utf8.AppendRune(out, c)
	}
	return string(out)
}

type reader struct {
	o       format.Options
	in      *bufio.Reader
	off     int64
	number  int64
	queue   []item // of the record at hand, not given yet
	filters []rule
	drops   bool // filtered events are not recorded
	done    bool
}

// An item is an event to give: a rule, or an option.
type item struct {
	off           int64
	dataset       string
	rule          *rule
	option, value string
}

// Read implements format.Reader.
func (r *reader) Read(b *event.Batch) error {
	for {
		for len(r.queue) > 0 {
			if b.Full() {
				return nil
			}
			r.put(b, &r.queue[0])
			r.queue = r.queue[1:]
		}
		if r.done {
			return io.EOF
		}
		if err := r.record(b); err != nil {
			return err
		}
	}
}

// record reads the next option into the queue.
func (r *reader) record(b *event.Batch) error {
	var buf [headSize]byte
	n, err := io.ReadFull(r.in, buf[:])
	switch {
	case err == io.EOF:
		r.finish(b)
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		b.AddBad(0, r.off, fmt.Sprintf("ends inside the head of an option (%d bytes announced, %d present)", headSize, n))
		r.finish(b)
		return nil
	case err != nil:
		return fmt.Errorf("option at byte %d: %w", r.off, err)
	}
	h, ok := parseHead(buf[:])
	if !ok {
		b.AddBad(0, r.off, "is no option: its sizes don't fit, and nothing says where the next begins")
		r.finish(b)
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(r.in, int64(h.size)-headSize))
	if err != nil {
		return fmt.Errorf("option at byte %d: %w", r.off, err)
	}
	off := r.off
	r.off += headSize + int64(len(body))
	if len(body) < int(h.size)-headSize {
		b.AddBad(0, off, fmt.Sprintf("ends inside an option (%d bytes announced, %d present)", h.size, headSize+len(body)))
		r.finish(b)
		return nil
	}
	r.option(b, off, text(body[:h.named-headSize]), body[h.named-headSize:], off+int64(h.named))
	return nil
}

// paths are the options whose data are text.
var paths = map[string]bool{"DbgHelpPath": true, "Logfile": true, "SourcePath": true, "SymbolPath": true}

// option queues what an option says. Sizes and colours of the window are left out.
func (r *reader) option(b *event.Batch, off int64, name string, data []byte, dataOff int64) {
	switch {
	case name == "FilterRules", name == "HighlightRules":
		dataset := map[bool]string{true: "procmon.filter", false: "procmon.highlight"}[name == "FilterRules"]
		rules, bad := parseRules(data, dataOff)
		if bad != "" {
			b.AddBad(0, off, name+" "+bad)
		}
		for i := range rules {
			r.queue = append(r.queue, item{off: rules[i].off, dataset: dataset, rule: &rules[i]})
		}
		if dataset == "procmon.filter" {
			r.filters = append(r.filters, rules...)
		}
	case name == "HighlightFG", name == "HighlightBG", name == "ColumnCount":
	case paths[name]:
		if v := text(data); v != "" {
			r.queue = append(r.queue, item{off: off, dataset: "procmon.option", option: name, value: v})
		}
	case len(data) == 4:
		v := le.Uint32(data)
		r.drops = r.drops || name == "DestructiveFilter" && v != 0
		r.queue = append(r.queue, item{off: off, dataset: "procmon.option", option: name, value: fmt.Sprint(v)})
	}
}

func (r *reader) finish(b *event.Batch) {
	r.done = true
	q, left := query(r.filters)
	if q != "" {
		b.Note("its filter as a query: " + q)
	}
	if left > 0 {
		b.Note(fmt.Sprintf("rules whose column or relation is not known, and so not in a query: %d", left))
	}
	if r.drops {
		b.Note("Drop Filtered Events is on: a capture with this configuration lacks whatever the filter leaves out")
	}
}

func (r *reader) put(b *event.Batch, it *item) {
	r.number++
	if r.o.RolesOnly {
		b.Skipped++
		return
	}
	b.Next()
	b.PutInt(event.Record, r.number)
	b.PutInt(event.LogOffset, it.off)
	b.PutText(event.EventKind, "state")
	b.AddText(event.EventCategory, "configuration")
	b.AddText(event.EventType, "info")
	b.PutText(event.EventProvider, "Procmon")
	b.PutText(event.EventDataset, it.dataset)
	if it.rule == nil {
		b.PutText(event.EventAction, "option")
		b.PutText(event.Message, it.option+": "+it.value)
		b.PutExtra("procmon.option.name", []byte(it.option))
		b.PutExtra("procmon.option.value", []byte(it.value))
		return
	}
	b.PutText(event.EventAction, it.rule.action())
	b.PutText(event.Message, it.rule.String())
	b.PutExtra("procmon.filter.column", []byte(it.rule.columnName()))
	b.PutExtra("procmon.filter.relation", []byte(it.rule.relationName()))
	b.PutExtra("procmon.filter.value", []byte(it.rule.value))
	b.PutExtra("procmon.filter.action", []byte(it.rule.action()))
}
