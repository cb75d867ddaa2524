package text

import (
	"bytes"
	"errors"
	"iter"
	"unicode/utf16"
	"unicode/utf8"
)

// A Kind is what a JSON value is.
type Kind uint8

const (
	Absent Kind = iota
	String
	Number
	True
	False
	Null
	Array
	Object // only as an element of an array, and for {}
	Plain  // no JSON: text that needs no taking out of escapes, put in by who uses the package
)

// A Value is a JSON value, not decoded: of a String what stands between the quotes, of anything else its text.
type Value struct {
	Raw  []byte
	Kind Kind
}

// A Field is a member of an object. Members of inner objects have the path to them as name: {"a":{"b":1}} is a.b.
type Field struct {
	Name []byte
	Value
}

// Fields takes an object apart. It can be used again and again and keeps its memory.
type Fields struct {
	List []Field // in the order of the text; names and values point into it, or into memory that lasts until the next Parse

	d     []byte
	i     int
	names []byte
	lines bool // texts may not contain line ends: look for them
}

// errShort means that the text ends inside the object; errText that it ends, or a line does, inside a string.
var (
	errShort = errors.New("ends inside a JSON object")
	errText  = errors.New("ends inside a quoted text")
	errDeep  = errors.New("has more than 32 objects inside each other")
	errMany  = errors.New("has more than 65,536 members")
)

const (
	maxDepth  = 32      // how far objects may be nested
	maxFields = 1 << 16 // how many members an object may have, those of inner ones included
)

// Parse takes the object at the start of d apart and gives its length. On an error, List has the fields before it.
func (p *Fields) Parse(d []byte) (int, error) {
	p.List, p.names, p.d, p.i = p.List[:0], p.names[:0], d, 0
	if len(d) == 0 || d[0] != '{' {
		return 0, errors.New("is no JSON object")
	}
	err := p.object(nil, 0)
	return p.i, err
}

// object reads the object whose brace is at p.i.
func (p *Fields) object(path []byte, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	p.i++
	c, err := p.next()
	if err != nil {
		return err
	}
	if c == '}' {
		p.i++
		return nil
	}
	for {
		if c != '"' {
			return p.unexpected(c, "a name")
		}
		name, err := p.quoted()
		if err != nil {
			return err
		}
		if bytes.IndexByte(name, '\\') >= 0 || path != nil {
			name = p.join(path, name)
		}
		if c, err = p.next(); err != nil {
			return err
		}
		if c != ':' {
			return p.unexpected(c, "a colon")
		}
		p.i++
		if err := p.member(name, depth); err != nil {
			return err
		}
		if c, err = p.next(); err != nil {
			return err
		}
		p.i++
		if c == '}' {
			return nil
		}
		if c != ',' {
			p.i--
			return p.unexpected(c, "a comma")
		}
		if c, err = p.next(); err != nil {
			return err
		}
	}
}

// join makes a name of the path to its object and its own, which may have escapes.
func (p *Fields) join(path, name []byte) []byte {
	from := len(p.names)
	p.names = append(p.names, path...)
	if path != nil {
		p.names = append(p.names, '.')
	}
	p.names = AppendText(p.names, name)
	return p.names[from:len(p.names):len(p.names)]
}

// member reads a value and lists it, or its members.
func (p *Fields) member(name []byte, depth int) error {
	c, err := p.next()
	if err != nil {
		return err
	}
	if c == '{' {
		n := len(p.List)
		from := p.i
		if err := p.object(name, depth+1); err != nil {
			return err
		}
		if n == len(p.List) {
			p.List = append(p.List, Field{name, Value{p.d[from:p.i], Object}})
		}
		return nil
	}
	v, err := p.value(c)
	if len(p.List) >= maxFields {
		return errMany
	}
	if err == nil {
		p.List = append(p.List, Field{name, v})
	}
	return err
}

// value reads a value that begins with c at p.i and is no object, or is to be taken whole.
func (p *Fields) value(c byte) (Value, error) {
	from := p.i
	switch c {
	case '"':
		s, err := p.quoted()
		return Value{s, String}, err
	case '[':
		err := p.skip()
		return Value{p.d[from:p.i], Array}, err
	case '{':
		err := p.skip()
		return Value{p.d[from:p.i], Object}, err
	}
	for p.i < len(p.d) && word(p.d[p.i]) {
		p.i++
	}
	w := p.d[from:p.i]
	switch {
	case p.i == len(p.d):
		return Value{}, errShort
	case len(w) > 0 && (w[0] == '-' || w[0] >= '0' && w[0] <= '9'):
		return Value{w, Number}, nil
	case string(w) == "true":
		return Value{w, True}, nil
	case string(w) == "false":
		return Value{w, False}, nil
	case string(w) == "null":
		return Value{w, Null}, nil
	}
	p.i = from
	return Value{}, p.unexpected(c, "a value")
}

func word(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+' || c == '.'
}

// skip passes over the array or object at p.i by its brackets.
func (p *Fields) skip() error {
	depth := 0
	for p.i < len(p.d) {
		switch p.d[p.i] {
		case '"':
			if _, err := p.quoted(); err != nil {
				return err
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		p.i++
		if depth == 0 {
			return nil
		}
	}
	return errShort
}

// quoted reads the string whose quote is at p.i. A quote ends it unless an odd number of backslashes stands before.
func (p *Fields) quoted() ([]byte, error) {
	from := p.i + 1
	for i := from; ; i++ {
		n := bytes.IndexByte(p.d[i:], '"')
		if n < 0 {
			if p.lines && bytes.IndexByte(p.d[from:], '\n') < 0 {
				return nil, errShort
			}
			return nil, errText
		}
		i += n
		back := i
		for back > from && p.d[back-1] == '\\' {
			back--
		}
		if (i-back)%2 == 0 {
			s := p.d[from:i:i]
			if p.lines && bytes.IndexByte(s, '\n') >= 0 {
				return nil, errText
			}
			p.i = i + 1
			return s, nil
		}
	}
}

// next passes over white space and gives the byte behind it.
func (p *Fields) next() (byte, error) {
	for p.i < len(p.d) {
		switch c := p.d[p.i]; c {
		case ' ', '\t', '\r', '\n':
			p.i++
		default:
			return c, nil
		}
	}
	return 0, errShort
}

type unexpectedError struct {
	c    byte
	want string
	at   int
}

func (p *Fields) unexpected(c byte, want string) error { return &unexpectedError{c, want, p.i} }

func (e *unexpectedError) Error() string {
	return "is no JSON: " + e.want + " was due at byte " + string(appendInt(nil, e.at+1)) + " of it, not " + string(quoteByte(e.c))
}

func appendInt(dst []byte, n int) []byte {
	if n >= 10 {
		dst = appendInt(dst, n/10)
	}
	return append(dst, byte('0'+n%10))
}

func quoteByte(c byte) []byte {
	if c > ' ' && c < 0x7f {
		return []byte{'\'', c, '\''}
	}
	const hex = "0123456789abcdef"
	return []byte{'0', 'x', hex[c>>4], hex[c&15]}
}

// Text gives the text of a value: of a String without its escapes, in scratch if there are any; of a number, true, false,
// array or object as it stands; nothing of null.
func (v Value) Text(scratch *[]byte) []byte {
	switch v.Kind {
	case Null, Absent:
		return nil
	case String:
		if bytes.IndexByte(v.Raw, '\\') < 0 {
			return v.Raw
		}
		from := len(*scratch)
		*scratch = AppendText(*scratch, v.Raw)
		return (*scratch)[from:len(*scratch):len(*scratch)]
	}
	return v.Raw
}

// AppendText appends what a quoted string says. An escape that JSON doesn't know stands for itself; half a surrogate pair
// becomes U+FFFD.
func AppendText(dst, s []byte) []byte {
	for {
		n := bytes.IndexByte(s, '\\')
		if n < 0 || n+1 >= len(s) {
			return append(dst, s...)
		}
		dst = append(dst, s[:n]...)
		c := s[n+1]
		s = s[n+2:]
		switch c {
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'u':
			r := unit(s)
			if r < 0 {
				dst = append(dst, '\\', 'u')
				continue
			}
			s = s[4:]
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
					low = unit(s[2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					s = s[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, '\\', c)
		}
	}
}

// unit reads four hexadecimal digits, -1 if there are none.
func unit(s []byte) rune {
	if len(s) < 4 {
		return -1
	}
	var r rune
	for _, c := range s[:4] {
		d := hexDigit(c)
		if d < 0 {
			return -1
		}
		r = r<<4 | rune(d)
	}
	return r
}

// Elements gives the elements of an array; of anything else the value itself, because tools write a list of one thing as
// that thing.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind != Array {
			if v.Kind != Null && v.Kind != Absent {
				yield(v)
			}
			return
		}
		p := Fields{d: v.Raw, i: 1, lines: true}
		for {
			c, err := p.next()
			if c == ',' {
				p.i++
				continue
			}
			if err != nil || c == ']' {
				return
			}
			e, err := p.value(c)
			if err != nil || !yield(e) {
				return
			}
		}
	}
}
