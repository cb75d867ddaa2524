package text

import (
	"bytes"
	"errors"
	"io"
)

// Objects reads the JSON objects of a log one after the other: one a line, as nearly all logs have them, or spread over
// lines, or as the elements of one array. It holds one object in memory at a time, and at least bufferSize.
type Objects struct {
	Fields       // of the object that Next found; valid until the next call
	Offset int64 // where it stands
	Line   int64 // the line it begins in, from 1

	r        io.Reader
	buf      []byte
	pos, end int
	base     int64 // offset of buf[0]
	line     int64 // line of buf[pos]
	err      error // of the source; io.EOF at its end
	spread   bool  // objects stand over several lines
	wasted   int64 // bytes looked at in vain for the end of an object
	begun    bool
}

const (
	bufferSize = 1 << 20
	// maxObject is how long an object may be. A longer one is passed over.
	maxObject = 64 << 20
	// patience bounds what is wasted on looking for the ends of objects that have none.
	patience = 16 << 20
)

// NewObjects begins to read r.
func NewObjects(r io.Reader) *Objects {
	return &Objects{r: r, buf: make([]byte, bufferSize), line: 1}
}

// Next finds the next object. When what stands there can't be used, bad says why, Offset and Line where, and the next call
// goes on behind it. err is io.EOF at the end, anything else is the source's.
func (o *Objects) Next() (bad string, err error) {
	if err := o.seek(); err != nil {
		return "", err
	}
	o.Offset, o.Line = o.base+int64(o.pos), o.line
	if o.buf[o.pos] != '{' {
		return o.passLine("is no JSON object")
	}
	if !o.spread {
		done, bad, err := o.oneLine()
		if done {
			return bad, err
		}
		if o.wasted > patience+8*(o.base+int64(o.pos)) {
			return o.passLine("is cut off: the line ends inside a JSON object")
		}
	}
	return o.several()
}

// seek goes to the next byte that is not between objects.
func (o *Objects) seek() error {
	for {
		for ; o.pos < o.end; o.pos++ {
			switch o.buf[o.pos] {
			case '\n':
				o.line++
			case ' ', '\t', '\r', ',', '[', ']':
			case 0xef: // the byte order mark that Windows tools begin a file with
				for !o.begun && o.end-o.pos < 3 && o.fill() == nil {
				}
				if o.begun || !bytes.HasPrefix(o.buf[o.pos:o.end], []byte("\xef\xbb\xbf")) {
					return nil
				}
				o.pos += 2
			default:
				o.begun = true
				return nil
			}
		}
		if err := o.fill(); err != nil {
			return err
		}
	}
}

// fill gets more bytes behind buf[end], having moved what is left to the front or, if that is all there is, made room.
func (o *Objects) fill() error {
	if o.err != nil {
		return o.err
	}
	if o.pos > 0 {
		o.base += int64(o.pos)
		o.end = copy(o.buf, o.buf[o.pos:o.end])
		o.pos = 0
	}
	if o.end == len(o.buf) {
		o.buf = append(o.buf, make([]byte, len(o.buf))...)
	}
	n, err := o.r.Read(o.buf[o.end:])
	o.end += n
	if err != nil {
		o.err = err
	}
	if n > 0 || err == nil {
		return nil
	}
	return o.err
}

// oneLine reads an object that ends in the line it begins in. It is not done if the object doesn't.
func (o *Objects) oneLine() (done bool, bad string, err error) {
	seen := 0
	for {
		n := bytes.IndexByte(o.buf[o.pos+seen:o.end], '\n')
		if n >= 0 {
			seen += n
			break
		}
		seen = o.end - o.pos
		if seen >= bufferSize {
			return false, "", nil
		}
		if err := o.fill(); err == io.EOF {
			break
		} else if err != nil {
			return true, "", err
		}
	}
	o.lines = false
	n, err := o.Parse(o.buf[o.pos : o.pos+seen])
	switch {
	case err == nil:
		o.pos += n
		return true, "", nil
	case errors.Is(err, errShort) && o.pos+seen < o.end:
		return false, "", nil
	case errors.Is(err, errShort), errors.Is(err, errText):
		bad = "is cut off: it ends after " + string(appendInt(nil, seen)) + " bytes inside a JSON object"
		o.pos += seen
		return true, bad, nil
	}
	o.pos += seen
	return true, err.Error(), nil
}

// several reads an object that may go over several lines.
func (o *Objects) several() (bad string, err error) {
	o.lines = true
	for {
		n, err := o.Parse(o.buf[o.pos:o.end])
		if err == nil {
			lines := int64(bytes.Count(o.buf[o.pos:o.pos+n], []byte{'\n'}))
			o.spread = lines > 0 // the next one surely does too; if not, oneLine will be tried again then
			o.line += lines
			o.pos += n
			return "", nil
		}
		o.wasted += int64(o.i)
		if !errors.Is(err, errShort) {
			o.spread = false
			return o.passObject(err.Error())
		}
		if o.end-o.pos >= maxObject {
			return o.passObject("is longer than 64 MiB")
		}
		if err := o.more(); err == io.EOF {
			o.spread = false
			return o.passObject("is cut off: the source ends inside a JSON object")
		} else if err != nil {
			return "", err
		}
	}
}

// more at least doubles what is held, unless the source ends, so that reading a long object over and over costs no more than
// twice its length.
func (o *Objects) more() error {
	had := o.end - o.pos
	for o.end-o.pos < max(2*had, 64<<10) {
		if err := o.fill(); err != nil && o.end-o.pos == had {
			return err
		} else if err != nil {
			return nil
		}
	}
	return nil
}

// passLine passes over the rest of the line.
func (o *Objects) passLine(why string) (string, error) {
	for {
		if n := bytes.IndexByte(o.buf[o.pos:o.end], '\n'); n >= 0 {
			o.pos += n
			return why, nil
		}
		o.pos = o.end
		if err := o.fill(); err == io.EOF {
			return why, nil
		} else if err != nil {
			return "", err
		}
	}
}

// passObject passes over an object that can't be used: to the next line that begins with another. Lines of one object begin
// with a quote or a bracket that closes.
func (o *Objects) passObject(why string) (string, error) {
	o.pos++
	for {
		if _, err := o.passLine(why); err != nil {
			return "", err
		}
		for {
			if o.pos == o.end {
				if err := o.fill(); err == io.EOF {
					return why, nil
				} else if err != nil {
					return "", err
				}
				continue
			}
			c := o.buf[o.pos]
			if c == '\n' {
				o.line++
			} else if c == '{' {
				return why, nil
			} else if c != ' ' && c != '\t' && c != '\r' && c != ',' && c != '[' {
				break
			}
			o.pos++
		}
	}
}
