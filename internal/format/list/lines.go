package list

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// maxLine is how long a line may be, in bytes as stored.
const maxLine = 1 << 20

// errLong says that the beginning of an overlong line was given and its rest dropped.
var errLong = errors.New("the line is longer than 1 MB: its rest was left out")

// lines cuts a list into lines. PowerShell writes UTF-16, so that is decoded too.
type lines struct {
	r      *bufio.Reader
	wide   int   // 1 UTF-8, 2 UTF-16 little-endian, -2 big-endian; 0 not looked yet
	number int64 // of the line given last, from 1
	off    int64 // of the line to come
	buf    []byte
	text   []byte
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, 64<<10)} }

// next gives a line without its end, its byte offset, and io.EOF after the last. With errLong the text is good as far as it
// goes.
func (l *lines) next() (text string, off int64, err error) {
	if l.wide == 0 {
		l.sniff()
	}
	off = l.off
	long, err := l.raw()
	if len(l.buf) == 0 && !long && err != nil {
		return "", off, err
	}
	if err != nil && err != io.EOF {
		return "", off, err
	}
	l.number++
	t := string(l.decode())
	if long {
		return t, off, errLong
	}
	return t, off, nil
}

func (l *lines) sniff() {
	l.wide = 1
	switch bom, _ := l.r.Peek(2); string(bom) {
	case "\xff\xfe":
		l.wide = 2
	case "\xfe\xff":
		l.wide = -2
	}
}

// raw reads a line into l.buf, with its end, and says whether some of it was dropped.
func (l *lines) raw() (long bool, err error) {
	l.buf = l.buf[:0]
	for {
		piece, err := l.r.ReadSlice('\n')
		l.off += int64(len(piece))
		if room := maxLine - len(l.buf); len(piece) > room {
			l.buf, long = append(l.buf, piece[:room]...), true
		} else {
			l.buf = append(l.buf, piece...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil || l.wide == 1 {
			return long, err
		}
		if done, err := l.endWide(); done {
			return long, err
		}
	}
}

// endWide says whether the 0x0a just read ends a UTF-16 line; it may be half of another character.
func (l *lines) endWide() (bool, error) {
	if l.wide == -2 {
		return l.off%2 == 0 && len(l.buf) >= 2 && l.buf[len(l.buf)-2] == 0 || len(l.buf) >= maxLine, nil
	}
	if l.off%2 == 0 {
		return false, nil // the high byte of a character
	}
	c, err := l.r.ReadByte()
	if err != nil {
		return true, err
	}
	l.off++
	l.buf = append(l.buf, c)
	return c == 0, nil
}

// decode gives the line as UTF-8.
func (l *lines) decode() []byte {
	if l.wide == 1 {
		return bytes.TrimRight(l.buf, "\r\n")
	}
	l.text = l.text[:0]
	at := func(i int) rune {
		if l.wide == 2 {
			return rune(l.buf[i]) | rune(l.buf[i+1])<<8
		}
		return rune(l.buf[i+1]) | rune(l.buf[i])<<8
	}
	for i := 0; i+1 < len(l.buf); i += 2 {
		r := at(i)
		if utf16.IsSurrogate(r) && i+3 < len(l.buf) {
			if pair := utf16.DecodeRune(r, at(i+2)); pair != utf8.RuneError {
				r = pair
				i += 2
			}
		}
		l.text = utf8.AppendRune(l.text, r)
	}
	return bytes.TrimRight(l.text, "\r\n")
}
