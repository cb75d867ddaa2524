package saved

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/text"
)

// Stack is the stack of one Procmon event, saved from its Properties window: Frame, Module, Location, Address, Path, every
// cell with quotes. It doesn't say which event it was.
var Stack = &format.Format{
	Name:  "procmon-stack",
	Doc:   "stack of one Process Monitor event, saved from its properties as CSV",
	Exts:  []string{".csv"},
	Match: func(head []byte) bool { line, _ := text.FirstLine(head); return isStack(line) },
	Open:  openStack,
}

var stackColumns = []string{"Frame", "Module", "Location", "Address", "Path"}

func isStack(line []byte) bool {
	var scratch []byte
	names, ok := cells(nil, line, &scratch)
	return ok && slices.EqualFunc(names, stackColumns, func(a []byte, b string) bool { return string(a) == b })
}

type stack struct {
	o       format.Options
	lines   *text.AnyLines
	cells   [][]byte
	scratch []byte
	begun   bool
}

func openStack(src *format.Source, o format.Options) (format.Reader, error) {
	head, err := src.Head()
	if err != nil {
		return nil, err
	}
	return &stack{o: o, lines: text.NewAnyLines(src.Stream(), text.EncodingOf(head))}, nil
}

func (r *stack) Read(b *event.Batch) error {
	for !b.Full() {
		line, err := r.lines.Next()
		if err == io.EOF {
			if r.lines.Torn {
				b.AddBad(r.lines.Number, r.lines.Offset, "ends inside a character of UTF-16")
			}
			return io.EOF
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", r.lines.Number, err)
		}
		if len(line) == 0 || !r.begun && isStack(line) {
			r.begun = true
			continue
		}
		var ok bool
		if r.cells, ok = cells(r.cells, line, &r.scratch); !ok || len(r.cells) != len(stackColumns) {
			b.AddBad(r.lines.Number, r.lines.Offset, fmt.Sprintf("is no frame of a stack: it has no %d whole cells", len(stackColumns)))
			continue
		}
		r.put(b)
	}
	return nil
}

func (r *stack) put(b *event.Batch) {
	if r.o.RolesOnly {
		b.Skipped++
		return
	}
	b.Next()
	b.PutInt(event.Record, r.lines.Number)
	b.PutInt(event.LogOffset, r.lines.Offset)
	b.PutText(event.EventKind, "state")
	b.AddText(event.EventCategory, "process")
	b.AddText(event.EventType, "info")
	b.PutText(event.EventProvider, "Procmon")
	b.PutText(event.EventDataset, "procmon.stack")
	b.PutText(event.EventAction, "stack frame")
	if n, ok := text.Int(r.cells[0]); ok {
		b.PutInt(event.EventSequence, n)
	}
	if len(r.cells[4]) > 0 {
		b.PutStr(event.DLLPath, r.cells[4])
	}
	b.PutStr(event.Message, r.cells[2])
	for i, name := range stackColumns[1:4] {
		if v := r.cells[i+1]; len(v) > 0 {
			b.PutExtra("procmon.stack."+strings.ToLower(name), v)
		}
	}
}
