// Package list reads lists of addresses, ranges, names and hashes the way people paste them, and finds what is in them.
//
// A list is text. It is read word by word, so that a vendor's web page, a firewall's export, a PowerShell array or a line of
// a report can be used as it is: blanks, quotes, commas, brackets and comments (# ; //) don't count, defanged addresses
// (1[.]2[.]3[.]4, hxxp://) are understood, ranges are never expanded. docs/formats/list.md says the rest.
package list

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"culprit/internal/event"
	"culprit/internal/format"
)

// Format is the list as a format: one event an entry.
var Format = &format.Format{
	Name:  "list",
	Doc:   "addresses, ranges, names and hashes as pasted from a web page, a firewall or a report",
	Exts:  []string{".txt", ".lst", ".list", ".csv", ".netset", ".ipset"},
	Match: match,
	Open: func(src *format.Source, _ format.Options) (format.Reader, error) {
		return &reader{lines: newLines(src.Stream())}, nil
	},
}

// match claims text nearly all of whose words are entries. Logs in text have addresses too, but many other words beside.
func match(head []byte) bool {
	if len(head) == 0 || bytes.HasPrefix(head, []byte("#separator")) || bytes.HasPrefix(head, []byte("#fields")) || head[0] == '{' {
		return false
	}
	if head[0] != 0xff && head[0] != 0xfe && bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	if i := bytes.LastIndexByte(head, '\n'); len(head) >= format.HeadSize && i > 0 {
		head = head[:i]
	}
	var p parser
	entries, others := 0, 0
	for lr := newLines(bytes.NewReader(head)); ; {
		text, _, err := lr.next()
		if err != nil {
			break
		}
		was := entries
		for _, it := range p.line(text) {
			if it.entry != nil {
				entries++
			} else {
				others++
			}
		}
		if entries > was {
			others += p.prose // a line of prose alone counted as one
		}
	}
	return entries > 0 && others*9 <= entries
}

type reader struct {
	lines   *lines
	parser  parser
	pending []item // of the last line, not in a batch yet
	off     int64
}

func (r *reader) Read(b *event.Batch) error {
	for {
		for len(r.pending) > 0 {
			if b.Full() {
				return nil
			}
			r.put(b, r.pending[0])
			r.pending = r.pending[1:]
		}
		text, off, err := r.lines.next()
		if errors.Is(err, errLong) {
			b.AddBad(r.lines.number, off, err.Error())
			err = nil
		}
		if err == io.EOF {
			return err
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", r.lines.number+1, err)
		}
		r.off, r.pending = off, r.parser.line(text)
	}
}

func (r *reader) put(b *event.Batch, it item) {
	if it.entry == nil {
		b.AddBad(r.lines.number, r.off, it.bad)
		return
	}
	b.Next()
	b.PutText(event.EventKind, "state")
	b.PutText(event.EventDataset, "list.entries")
	b.PutText(event.EventProvider, "list")
	b.PutInt(event.LogOffset, r.off)
	b.PutInt(event.Record, r.lines.number)
	b.PutText(event.ListType, it.entry.Kind.String())
	b.PutText(event.ListValue, strings.ToValidUTF8(it.entry.Text, "\ufffd"))
}
