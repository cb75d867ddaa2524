package text

import (
	"bufio"
	"bytes"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

var utf8BOM = []byte("\xef\xbb\xbf")

// An Encoding is how a text is written.
type Encoding uint8

const (
	UTF8 Encoding = iota
	UTF16LE
	UTF16BE
)

// EncodingOf tells by a byte order mark, or by where the zero bytes of the first characters stand: TCPView writes UTF-16
// without a mark.
func EncodingOf(head []byte) Encoding {
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return UTF16LE
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return UTF16BE
	case len(head) < 4 || head[0] != 0 && head[1] != 0:
		return UTF8
	case head[0] != 0 && head[1] == 0 && head[3] == 0:
		return UTF16LE
	case head[0] == 0 && head[1] != 0 && head[2] == 0:
		return UTF16BE
	}
	return UTF8
}

// AnyLines reads a log line by line as UTF-8, whatever it is written in, and knows where in the source each stands.
type AnyLines struct {
	Offset, Number int64 // of the line that Next gave
	Open           bool  // the line has no end: the last of a source, which may be cut off in it
	Torn           bool  // the source ended inside a character

	plain *Lines
	wide  *bufio.Reader
	big   bool
	at    int64
	buf   []byte
}

// maxWide is how long a line in UTF-16 may be, in bytes of UTF-8. A longer one comes in pieces.
const maxWide = 1 << 20

// NewAnyLines begins to read r, which is written in e.
func NewAnyLines(r io.Reader, e Encoding) *AnyLines {
	if e == UTF8 {
		return &AnyLines{plain: NewLines(r)}
	}
	return &AnyLines{wide: bufio.NewReaderSize(r, 64<<10), big: e == UTF16BE}
}

// Next gives a line without its end and without a byte order mark, valid until the next call.
func (l *AnyLines) Next() ([]byte, error) {
	if l.plain != nil {
		line, err := l.plain.Next()
		l.Offset, l.Number, l.Open = l.plain.Offset, l.plain.Number, l.plain.Open
		if l.Number == 1 {
			line = bytes.TrimPrefix(line, utf8BOM)
		}
		return line, err
	}
	l.buf, l.Offset = l.buf[:0], l.at
	l.Number++
	for len(l.buf) < maxWide {
		c, err := l.unit()
		if err == io.EOF && len(l.buf) > 0 {
			l.Open = true
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
		if c != 0xfeff || l.Offset > 0 || len(l.buf) > 0 {
			l.buf = utf8.AppendRune(l.buf, c)
		}
	}
	return bytes.TrimSuffix(l.buf, []byte{'\r'}), nil
}

func (l *AnyLines) unit() (rune, error) {
	a, err := l.wide.ReadByte()
	if err != nil {
		return 0, err
	}
	b, err := l.wide.ReadByte()
	if err != nil {
		l.Torn = err == io.EOF
		return 0, err
	}
	l.at += 2
	if l.big {
		return rune(a)<<8 | rune(b), nil
	}
	return rune(b)<<8 | rune(a), nil
}

// FirstLine gives the first line of a source's head as UTF-8; whole is false if the head ends inside it.
func FirstLine(head []byte) (line []byte, whole bool) {
	e := EncodingOf(head)
	if e == UTF8 {
		line, _, whole = bytes.Cut(head, []byte{'\n'})
		return bytes.TrimSuffix(bytes.TrimPrefix(line, utf8BOM), []byte{'\r'}), whole
	}
	l := NewAnyLines(bytes.NewReader(head[:min(len(head), 8<<10)]), e)
	line, err := l.Next()
	return line, err == nil
}
