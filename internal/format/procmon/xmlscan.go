package procmon

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// A xmlScanner cuts Procmon's XML into processes and events, and those into elements. What it reads is a few levels of
// elements without attributes, so it is no general parser; unlike one it takes any bytes inside an element, control characters
// of registry data included, and goes on behind what is damaged. It copies nothing: records and elements point into its
// buffer.
type xmlScanner struct {
	r        io.Reader
	buf      []byte
	pos, end int   // the unread part of buf
	base     int64 // offset of buf[0] in the source
	err      error // of r: io.EOF, or what broke
	held     int   // bytes in front of pos that must stay, for rewind
	holding  bool
	closed   bool // </procmon> was read
}

// A xmlKind says what a record is.
type xmlKind uint8

const (
	xmlNothing xmlKind = iota
	xmlProcess
	xmlEvent
)

var (
	endOfProcess = []byte("</process>")
	endOfEvent   = []byte("</event>")

	errCutOff  = errors.New("the file ends inside it")
	errTooLong = errors.New("it has more than 16 MiB")
)

const maxTag = 256 // bytes of a tag; Procmon's longest has 20

func newXMLScanner(r io.Reader) *xmlScanner { return &xmlScanner{r: r, buf: make([]byte, 1<<20)} }

// next gives the next process or event: its number of bytes into the source and what stands between its tags, valid until the
// next call. The error is io.EOF at the end, errCutOff (body is what is there) or errTooLong, after which reading goes on, or
// the stream's.
func (s *xmlScanner) next() (kind xmlKind, off int64, body []byte, err error) {
	for {
		if err := s.seekTag(); err != nil {
			return xmlNothing, s.base + int64(s.pos), nil, err
		}
		off = s.base + int64(s.pos)
		tag := s.tag()
		switch string(tag) {
		case "<process>":
			body, err = s.until(len(tag), endOfProcess)
			return xmlProcess, off, body, err
		case "<event>":
			body, err = s.until(len(tag), endOfEvent)
			return xmlEvent, off, body, err
		}
		s.pass(tag)
	}
}

// pass moves past a tag that isn't a record's.
func (s *xmlScanner) pass(tag []byte) {
	s.closed = s.closed || string(tag) == "</procmon>"
	s.move(len(tag))
}

// seekTag moves to the next '<' that begins no comment.
func (s *xmlScanner) seekTag() error {
	for {
		if i := bytes.IndexByte(s.buf[s.pos:s.end], '<'); i >= 0 {
			s.move(i)
			if string(s.tag()) != "" && !bytes.HasPrefix(s.buf[s.pos:s.end], []byte("<!--")) {
				return nil
			}
			if err := s.skipComment(); err != nil {
				return err
			}
			continue
		}
		s.move(s.end - s.pos)
		if s.err != nil {
			return s.err
		}
		s.fill()
	}
}

// skipComment moves behind a comment, or past a '<' that begins no tag.
func (s *xmlScanner) skipComment() error {
	if !bytes.HasPrefix(s.buf[s.pos:s.end], []byte("<!--")) {
		s.move(1)
		return nil
	}
	for {
		w := s.buf[s.pos:s.end]
		if i := bytes.Index(w, []byte("-->")); i >= 0 {
			s.move(i + 3)
			return nil
		}
		s.move(max(0, len(w)-2))
		if s.err != nil {
			s.move(s.end - s.pos)
			return s.err
		}
		s.fill()
	}
}

// tag gives the tag at pos; nothing when it doesn't end soon. A comment's is its beginning.
func (s *xmlScanner) tag() []byte {
	for {
		w := s.buf[s.pos:min(s.end, s.pos+maxTag)]
		if i := bytes.IndexByte(w, '>'); i >= 0 {
			return w[:i+1]
		}
		if len(w) == maxTag || s.err != nil {
			return nil
		}
		s.fill()
	}
}

// until takes a record off that begins with a tag of size bytes and ends with a closing tag.
func (s *xmlScanner) until(size int, closing []byte) ([]byte, error) {
	from := size
	for {
		w := s.buf[s.pos:min(s.end, s.pos+maxRow)]
		if i := bytes.Index(w[from:], closing); i >= 0 {
			s.move(from + i + len(closing))
			return w[size : from+i], nil
		}
		from = max(size, len(w)-len(closing)+1)
		switch {
		case len(w) >= maxRow:
			s.move(size) // what follows is no record's beginning until one begins
			return nil, errTooLong
		case s.err == io.EOF:
			s.move(len(w))
			return w[size:], errCutOff
		case s.err != nil:
			return w[size:], s.err
		}
		s.fill()
	}
}

func (s *xmlScanner) move(n int) {
	s.pos += n
	if s.holding {
		s.held += n
	}
}

// hold keeps what is read from now on until rewind.
func (s *xmlScanner) hold() { s.holding, s.held = true, 0 }

// rewind goes back to where hold was called.
func (s *xmlScanner) rewind() {
	s.pos -= s.held
	s.holding, s.held, s.closed = false, 0, false
}

// fill reads more behind the unread part, which it moves to the front of the buffer if it must.
func (s *xmlScanner) fill() {
	if keep := s.pos - s.held; keep > 0 {
		copy(s.buf, s.buf[keep:s.end])
		s.base += int64(keep)
		s.end -= keep
		s.pos = s.held
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err != nil {
			s.err = err
			return
		}
		if n > 0 {
			return
		}
	}
	s.err = io.ErrNoProgress
}

// A xmlElement is a leaf, <name>text</name>, or the opening or closing tag of what holds others.
type xmlElement struct {
	name []byte
	text []byte // of a leaf, still escaped
	kind xmlTag
	raw  bool // the text stood in a CDATA section: nothing of it is escaped
}

type xmlTag uint8

const (
	xmlLeaf xmlTag = iota
	xmlOpen
	xmlClose
)

// nextElement takes the next element off b; ok is false when there is none.
func nextElement(b []byte) (e xmlElement, rest []byte, ok bool) {
	for {
		i := bytes.IndexByte(b, '<')
		if i < 0 || i+2 >= len(b) {
			return e, nil, false
		}
		b = b[i+1:]
		if b[0] != '!' && b[0] != '?' {
			break
		}
		b = skipMarkup(b)
	}
	i := bytes.IndexByte(b, '>')
	if i <= 0 {
		return e, nil, false
	}
	e.name, rest = b[:i], b[i+1:]
	if e.name[0] == '/' {
		e.name, e.kind = e.name[1:], xmlClose
		return e, rest, true
	}
	empty := e.name[i-1] == '/'
	for j, c := range e.name {
		if c <= ' ' || c == '/' { // attributes, or an empty element
			e.name = e.name[:j]
			break
		}
	}
	if empty {
		return e, rest, true
	}
	return e.leaf(rest)
}

// leaf gives e its text when it holds no other elements.
func (e xmlElement) leaf(b []byte) (_ xmlElement, rest []byte, ok bool) {
	if t, found := bytes.CutPrefix(b, []byte("<![CDATA[")); found {
		if text, after, found := bytes.Cut(t, []byte("]]>")); found {
			e.text, e.raw = text, true
			b = after
		}
	}
	i := bytes.IndexByte(b, '<')
	n := i + 2 + len(e.name)
	if i < 0 || n >= len(b) || b[i+1] != '/' || !bytes.Equal(b[i+2:n], e.name) {
		e.kind, e.text = xmlOpen, nil
		return e, b, true
	}
	if !e.raw {
		e.text = b[:i]
	}
	if b[n] == '>' {
		return e, b[n+1:], true
	}
	_, rest, _ = bytes.Cut(b[n:], []byte{'>'})
	return e, rest, true
}

// skipMarkup drops a comment or an instruction whose '<' is gone already.
func skipMarkup(b []byte) []byte {
	end := []byte(">")
	if bytes.HasPrefix(b, []byte("!--")) {
		end = []byte("-->")
	}
	_, rest, _ := bytes.Cut(b, end)
	return rest
}

// append appends the element's text without its escapes. Procmon's XML has a LF of the text as CRLF.
func (e *xmlElement) append(dst []byte) []byte {
	t := e.text
	if e.raw || bytes.IndexByte(t, '&') < 0 && bytes.IndexByte(t, '\r') < 0 {
		return append(dst, t...)
	}
	for {
		i := bytes.IndexAny(t, "&\r")
		if i < 0 {
			return append(dst, t...)
		}
		dst = append(dst, t[:i]...)
		t = t[i:]
		if t[0] == '\r' {
			if len(t) == 1 || t[1] != '\n' {
				dst = append(dst, '\r')
			}
			t = t[1:]
			continue
		}
		r, n := entity(t)
		if n == 0 { // an ampersand that nobody escaped
			r, n = '&', 1
		}
		dst = utf8.AppendRune(dst, r)
		t = t[n:]
	}
}

// entity reads a character reference, &amp; or &#38; or &#x26;, and gives its length, 0 when it is none.
func entity(t []byte) (rune, int) {
	i := bytes.IndexByte(t[:min(len(t), 12)], ';')
	if i < 2 {
		return 0, 0
	}
	switch name := string(t[1:i]); name {
	case "amp":
		return '&', i + 1
	case "lt":
		return '<', i + 1
	case "gt":
		return '>', i + 1
	case "quot":
		return '"', i + 1
	case "apos":
		return '\'', i + 1
	default:
		if name[0] != '#' || len(name) < 2 {
			return 0, 0
		}
		digits, radix := name[1:], 10
		if digits[0] == 'x' || digits[0] == 'X' {
			digits, radix = digits[1:], 16
		}
		n, err := strconv.ParseUint(digits, radix, 32)
		if err != nil || n > unicode.MaxRune {
			return 0, 0
		}
		return rune(n), i + 1
	}
}

// ascii says whether b has no byte above 127.
func ascii(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if le.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// appendRepaired appends text whose UTF-8 was taken for a Western code page and made UTF-8 again, as some versions of Procmon
// do, as it was. It is false, and appends nothing, unless every character is one such a mistake gives, all of them make UTF-8
// again, and that holds a letter beyond ASCII: no real name has that.
func appendRepaired(dst, text []byte) ([]byte, bool) {
	from := len(dst)
	for rest := text; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		c, ok := westernByte(r)
		if !ok || r == utf8.RuneError {
			return dst[:from], false
		}
		dst = append(dst, c)
		rest = rest[n:]
	}
	once := dst[from:]
	letter := false
	for len(once) > 0 {
		r, n := utf8.DecodeRune(once)
		if r == utf8.RuneError && n <= 1 {
			return dst[:from], false
		}
		letter = letter || r >= utf8.RuneSelf && unicode.IsLetter(r)
		once = once[n:]
	}
	if !letter {
		return dst[:from], false
	}
	return dst, true
}

// westernByte gives the byte that Latin-1 or Windows-1252 has for a character.
func westernByte(r rune) (byte, bool) {
	if r < 0x100 {
		return byte(r), true
	}
	for i, w := range western {
		if r == w {
			return byte(0x80 + i), true
		}
	}
	return 0, false
}

// western are the characters of Windows-1252 from 0x80 to 0x9f; 0 where it has none.
var western = [32]rune{
	'€', 0, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0, 'Ž', 0,
	0, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0, 'ž', 'Ÿ',
}
