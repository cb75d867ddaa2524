// Package saved reads the tables that people save from the windows of tools beside Procmon: TCPView's connections, Wireshark's
// packet list, the stack of a Procmon event.
//
// They are text made to be looked at: without types, partly without headers, in the zone and manner of the machine that saved
// them. What a table doesn't say for sure is left out and said in a note.
package saved

import (
	"bufio"
	"bytes"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"culprit/internal/format/text"
)

var utf8BOM = []byte("\xef\xbb\xbf")

// An encoding is how a table's text is written.
type encoding uint8

const (
	inUTF8 encoding = iota
	inUTF16LE
	inUTF16BE
)

// encodingOf tells by a byte order mark, or by where the zero bytes of the first characters stand: TCPView writes UTF-16
// without a mark.
func encodingOf(head []byte) encoding {
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return inUTF16LE
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return inUTF16BE
	case len(head) < 4 || head[0] != 0 && head[1] != 0:
		return inUTF8
	case head[0] != 0 && head[1] == 0 && head[3] == 0:
		return inUTF16LE
	case head[0] == 0 && head[1] != 0 && head[2] == 0:
		return inUTF16BE
	}
	return inUTF8
}

// lines reads a table line by line as UTF-8, whatever it is written in, and knows where in the source each stands.
type lines struct {
	offset, number int64 // of the line that next gave
	torn           bool  // the source ended inside a character

	plain *text.Lines
	wide  *bufio.Reader
	big   bool
	at    int64
	buf   []byte
}

// maxWide is how long a line in UTF-16 may be, in bytes of UTF-8. A longer one comes in pieces.
const maxWide = 1 << 20

func newLines(r io.Reader, e encoding) *lines {
	if e == inUTF8 {
		return &lines{plain: text.NewLines(r)}
	}
	return &lines{wide: bufio.NewReaderSize(r, 64<<10), big: e == inUTF16BE}
}

// next gives a line without its end and without a byte order mark, valid until the next call.
func (l *lines) next() ([]byte, error) {
	if l.plain != nil {
		line, err := l.plain.Next()
		l.offset, l.number = l.plain.Offset, l.plain.Number
		if l.number == 1 {
			line = bytes.TrimPrefix(line, utf8BOM)
		}
		return line, err
	}
	l.buf, l.offset = l.buf[:0], l.at
	l.number++
	for len(l.buf) < maxWide {
		c, err := l.unit()
		if err == io.EOF && len(l.buf) > 0 {
			break
		}
		if err != nil {
			return nil, err
		}
		if c == '\n' {
			break
		}
		if utf16.IsSurrogate(c) {
			low, err := l.unit()
			if err != nil && err != io.EOF {
				return nil, err
			}
			c = utf16.DecodeRune(c, low)
		}
		if c != 0xfeff || l.offset > 0 || len(l.buf) > 0 {
			l.buf = utf8.AppendRune(l.buf, c)
		}
	}
	return bytes.TrimSuffix(l.buf, []byte{'\r'}), nil
}

func (l *lines) unit() (rune, error) {
	a, err := l.wide.ReadByte()
	if err != nil {
		return 0, err
	}
	b, err := l.wide.ReadByte()
	if err != nil {
		l.torn = err == io.EOF
		return 0, err
	}
	l.at += 2
	if l.big {
		return rune(a)<<8 | rune(b), nil
	}
	return rune(b)<<8 | rune(a), nil
}

// firstLine gives the first line of a source's head as UTF-8; whole is false if the head ends inside it.
func firstLine(head []byte) (line []byte, whole bool) {
	e := encodingOf(head)
	if e == inUTF8 {
		line, _, whole = bytes.Cut(head, []byte{'\n'})
		return bytes.TrimSuffix(bytes.TrimPrefix(line, utf8BOM), []byte{'\r'}), whole
	}
	l := newLines(bytes.NewReader(head[:min(len(head), 8<<10)]), e)
	line, err := l.next()
	return line, err == nil
}

// cells takes a line of CSV apart. Cells without quotes point into line, others into scratch. It is false if a quote is
// never closed.
func cells(dst [][]byte, line []byte, scratch *[]byte) ([][]byte, bool) {
	dst, *scratch = dst[:0], (*scratch)[:0]
	if cap(*scratch) < len(line) {
		*scratch = make([]byte, 0, len(line)) // never grows below, so cells stay where they are
	}
	for {
		if len(line) == 0 || line[0] != '"' {
			cell, rest, more := bytes.Cut(line, []byte{','})
			dst = append(dst, cell)
			if !more {
				return dst, true
			}
			line = rest
			continue
		}
		from := len(*scratch)
		line = line[1:]
		for {
			n := bytes.IndexByte(line, '"')
			if n < 0 {
				return append(dst, append((*scratch)[from:], line...)), false
			}
			*scratch = append(*scratch, line[:n]...)
			line = line[n+1:]
			if len(line) == 0 || line[0] != '"' {
				break
			}
			*scratch = append(*scratch, '"')
			line = line[1:]
		}
		dst = append(dst, (*scratch)[from:len(*scratch):len(*scratch)])
		if len(line) == 0 {
			return dst, true
		}
		if line[0] != ',' {
			return dst, false
		}
		line = line[1:]
	}
}
