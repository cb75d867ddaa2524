package text

import (
	"bytes"
	"io"
)

// Lines reads a log line by line, whatever their length up to maxLine.
type Lines struct {
	Offset int64 // where the line stands that Next gave
	Number int64 // its number, from 1
	Open   bool  // it has no line end: the last of a source, which may be cut off in it

	r        io.Reader
	buf      []byte
	pos, end int
	base     int64 // offset of buf[0]
	err      error
}

// maxLine is how long a line may be. A longer one comes in pieces.
const maxLine = 16 << 20

// NewLines begins to read r.
func NewLines(r io.Reader) *Lines { return &Lines{r: r, buf: make([]byte, bufferSize)} }

// Next gives the next line without its end, valid until the next call. err is io.EOF at the end, anything else is the
// source's.
func (l *Lines) Next() ([]byte, error) {
	seen := 0
	for {
		if n := bytes.IndexByte(l.buf[l.pos+seen:l.end], '\n'); n >= 0 {
			return l.take(seen+n, 1), nil
		}
		seen = l.end - l.pos
		if seen >= maxLine {
			return l.take(seen, 0), nil
		}
		if l.err == io.EOF && seen > 0 {
			l.Open = true
			return l.take(seen, 0), nil
		}
		if l.err != nil {
			return nil, l.err
		}
		l.fill()
	}
}

func (l *Lines) take(n, end int) []byte {
	line := l.buf[l.pos : l.pos+n]
	l.Offset = l.base + int64(l.pos)
	l.Number++
	l.pos += n + end
	return bytes.TrimSuffix(line, []byte{'\r'})
}

func (l *Lines) fill() {
	if l.pos > 0 {
		l.base += int64(l.pos)
		l.end = copy(l.buf, l.buf[l.pos:l.end])
		l.pos = 0
	}
	if l.end == len(l.buf) {
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	n, err := l.r.Read(l.buf[l.end:])
	l.end += n
	l.err = err
}
