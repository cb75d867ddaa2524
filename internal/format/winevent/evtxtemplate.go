package winevent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Tokens of BinXML. With more set an element has attributes, a value or attribute is followed by another.
const (
	tokenEnd          = 0x00
	tokenOpen         = 0x01
	tokenCloseStart   = 0x02
	tokenCloseEmpty   = 0x03
	tokenCloseElement = 0x04
	tokenValue        = 0x05
	tokenAttribute    = 0x06
	tokenCDATA        = 0x07
	tokenCharRef      = 0x08
	tokenEntityRef    = 0x09
	tokenPITarget     = 0x0a
	tokenPIData       = 0x0b
	tokenTemplate     = 0x0c
	tokenSubst        = 0x0d
	tokenOptional     = 0x0e
	tokenFragment     = 0x0f

	moreSet = 0x40
)

const (
	maxElements = 64   // how deep elements may be nested in one template
	maxLeaves   = 2048 // how many texts and attributes one template may have
)

// A template is a piece of BinXML compiled: its texts and attributes in their order, each with the place it goes to.
type template struct {
	guid     [16]byte
	leaves   []leaf
	parts    []part
	bytes    []byte // constant text of the parts, end to end
	elements int
	suspect  bool  // a name's hash doesn't fit it: the name was overwritten, or damaged
	damage   error // the first element that could not be read; it was left out
}

// A leaf is an element's text or an attribute.
type leaf struct {
	path     string // Event.System.EventID, Event.System.Provider@Name
	aim      aim
	slot     slot   // for aimSlot and aimKeywords
	name     string // for aimExtra: the field's name; before that the name a <Data> has
	unnamed  bool   // <Data> without a name: it gets a number
	from, n  int    // its parts
	constant []byte // its text, when all of it is constant
	subst    int    // the only part, when it is a substitution; -1 otherwise
	nameFrom int    // parts of <Data Name="">, where that is no constant
	nameN    int    //
	inner    uint16 // the place that BinXML in its value stands at
}

// A part is a constant, or the number of a substitution.
type part struct {
	subst    int  // -1 for a constant
	optional bool // without a value there is no element
	from, to int  // in template.bytes
}

// A compiler turns BinXML into templates. It belongs to one chunk at a time.
type compiler struct {
	d      []byte // the chunk
	places *places
	names  map[string]string

	t      *template
	at     int
	end    int
	from   int  // where the token at hand stands, behind its first byte
	failed int  // where the element at hand ends, while it is not open yet
	deps   bool // elements have a dependency identifier: all but those in a substitution
	open   []element
}

type element struct {
	name     string
	path     string
	from     int // leaves of its attributes begin here
	parts    int // parts of its text begin here
	dataName string
	end      int // where it ends, as it says itself
	hasName  bool
	flushed  bool // its text has a leaf
	nameFrom int
	nameN    int
}

var (
	errCut     = errors.New("ends inside its BinXML")
	errNesting = errors.New("has more than 64 elements inside each other")
	errLarge   = errors.New("has a template of more than 2,048 values")
)

// compile compiles the BinXML between at and end into t, which it empties first, and gives where it ended. place is where in
// the document it stands.
func (c *compiler) compile(t *template, at, end int, place uint16, deps bool) (int, error) {
	*t = template{guid: t.guid, leaves: t.leaves[:0], parts: t.parts[:0], bytes: t.bytes[:0]}
	c.t, c.at, c.end, c.deps = t, at, end, deps
	c.open = append(c.open[:0], element{path: c.places.path(place)})
	for c.at < c.end {
		token := c.d[c.at]
		c.at++
		c.from, c.failed = c.at, 0
		if token == tokenEnd {
			break
		}
		if err := c.token(token); err != nil && !c.resume(err) {
			return c.at, err
		}
		if len(t.leaves) > maxLeaves || len(t.parts) > maxLeaves {
			return c.at, errLarge
		}
	}
	if len(c.open) > 1 && t.damage == nil {
		return c.at, errCut
	}
	return c.at, nil
}

// resume goes on behind the innermost element that could not be read and whose size can be: a damaged template serves many
// records, and each of its elements says where it ends.
func (c *compiler) resume(err error) bool {
	if errors.Is(err, errLarge) || errors.Is(err, errNesting) {
		return false
	}
	if c.failed > c.from { // in what an element says before it is open
		c.open = append(c.open, element{end: c.failed})
	}
	for n := len(c.open) - 1; n > 0; n-- {
		if end := c.open[n].end; end > c.from && end <= c.end {
			c.open = c.open[:n]
			c.open[n-1].parts = len(c.t.parts)
			c.at = end
			c.t.suspect = true
			if c.t.damage == nil {
				c.t.damage = err
			}
			return true
		}
	}
	return false
}

func (c *compiler) token(token byte) error {
	switch token &^ moreSet {
	case tokenFragment:
		return c.skip(3)
	case tokenOpen:
		return c.openElement(token&moreSet != 0)
	case tokenCloseStart:
		return nil
	case tokenCloseEmpty, tokenCloseElement:
		return c.closeElement()
	case tokenPITarget:
		_, err := c.name()
		return err
	case tokenPIData:
		return c.counted(false)
	}
	ok, err := c.text(token)
	if !ok && err == nil {
		err = fmt.Errorf("has the unknown token %#x at byte %d of its chunk", token, c.at-1)
	}
	return err
}

// numbered says whether the elements of BinXML without a template, the first of which is opened by the token at at, have
// dependency identifiers. Those in values have none, those of records should; but forwarded events, which the collector
// wrote, have none either. Where a name stands just behind what says so, or its hash fits, tells.
func (c *compiler) numbered(at, end int, usual bool) bool {
	le := binary.LittleEndian
	switch {
	case end-at >= 11 && int64(le.Uint32(c.d[at+7:])) == int64(at+11):
		return true
	case end-at >= 9 && int64(le.Uint32(c.d[at+5:])) == int64(at+9):
		return false
	case end-at >= 11 && c.isName(int64(le.Uint32(c.d[at+7:]))):
		return true
	case end-at >= 9 && c.isName(int64(le.Uint32(c.d[at+5:]))):
		return false
	}
	return usual
}

func (c *compiler) isName(at int64) bool {
	if at < chunkHeaderSize || at+8 > int64(len(c.d)) {
		return false
	}
	n := 2 * int(binary.LittleEndian.Uint16(c.d[at+6:]))
	text := c.d[at+8:]
	return n > 0 && len(text) >= n && nameHash(text[:n]) == binary.LittleEndian.Uint16(c.d[at+4:])
}

func (c *compiler) skip(n int) error {
	if c.end-c.at < n {
		return errCut
	}
	c.at += n
	return nil
}

func (c *compiler) u16() (int, error) {
	if err := c.skip(2); err != nil {
		return 0, err
	}
	return int(binary.LittleEndian.Uint16(c.d[c.at-2:])), nil
}

// text reads a token that stands for text; not ok when it is another.
func (c *compiler) text(token byte) (ok bool, err error) {
	switch token &^ moreSet {
	case tokenValue:
		if err = c.skip(1); err != nil {
			return true, err
		}
		return true, c.constant(c.d[c.at-1])
	case tokenCDATA:
		return true, c.counted(true)
	case tokenCharRef:
		n, err := c.u16()
		if err == nil {
			c.constText(string(rune(n)))
		}
		return true, err
	case tokenEntityRef:
		name, err := c.name()
		if err == nil {
			c.constText(entity(name))
		}
		return true, err
	case tokenSubst, tokenOptional:
		n, err := c.u16()
		if err == nil {
			err = c.skip(1)
		}
		c.t.parts = append(c.t.parts, part{subst: n, optional: token&^moreSet == tokenOptional})
		return true, err
	}
	return false, nil
}

// constant reads a value that stands in the template.
func (c *compiler) constant(kind byte) error {
	switch kind {
	case typeString:
		return c.counted(true)
	case typeNull:
		return nil
	}
	n := valueSize(kind)
	if kind == typeBool {
		n = 4
	}
	if n == 0 || kind == typeSize || kind == typeSID || kind&arrayOf != 0 {
		return fmt.Errorf("has a constant of type %#x in its template", kind)
	}
	if err := c.skip(n); err != nil {
		return err
	}
	from := len(c.t.bytes)
	c.t.bytes, _ = appendValue(c.t.bytes, kind, c.d[c.at-n:c.at])
	c.t.parts = append(c.t.parts, part{subst: -1, from: from, to: len(c.t.bytes)})
	return nil
}

// counted reads UTF-16 text after the number of its characters.
func (c *compiler) counted(keep bool) error {
	n, err := c.u16()
	if err == nil {
		err = c.skip(2 * n)
	}
	if err == nil && keep {
		from := len(c.t.bytes)
		c.t.bytes = appendUTF16(c.t.bytes, c.d[c.at-2*n:c.at])
		c.t.parts = append(c.t.parts, part{subst: -1, from: from, to: len(c.t.bytes)})
	}
	return err
}

func (c *compiler) constText(s string) {
	from := len(c.t.bytes)
	c.t.bytes = append(c.t.bytes, s...)
	c.t.parts = append(c.t.parts, part{subst: -1, from: from, to: len(c.t.bytes)})
}

func entity(name string) string {
	switch name {
	case "lt":
		return "<"
	case "gt":
		return ">"
	case "amp":
		return "&"
	case "quot":
		return `"`
	case "apos":
		return "'"
	}
	return "&" + name + ";"
}

func (c *compiler) openElement(attributes bool) error {
	if len(c.open) > maxElements {
		return errNesting
	}
	c.flush() // text before a child is the parent's
	skip := 4
	if c.deps {
		skip = 6
	}
	if err := c.skip(skip); err != nil {
		return err
	}
	c.failed = c.at + int(min(int64(binary.LittleEndian.Uint32(c.d[c.at-4:])), chunkSize))
	name, err := c.name()
	if err != nil {
		return err
	}
	e := element{end: c.failed, name: name, path: join(c.open[len(c.open)-1].path, name), from: len(c.t.leaves)}
	if attributes {
		if err := c.skip(4); err != nil {
			return err
		}
		for c.at < c.end && c.d[c.at]&^moreSet == tokenAttribute {
			c.at++
			if err := c.attribute(&e); err != nil {
				return err
			}
		}
	}
	e.parts = len(c.t.parts)
	c.failed = 0
	c.t.elements++
	c.open = append(c.open, e)
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// attribute reads an attribute of e, whose token has been read.
func (c *compiler) attribute(e *element) error {
	name, err := c.name()
	if err != nil {
		return err
	}
	from := len(c.t.parts)
	for c.at < c.end {
		token := c.d[c.at]
		c.at++
		ok, err := c.text(token)
		if err != nil {
			return err
		}
		if !ok {
			c.at--
			break
		}
	}
	n := len(c.t.parts) - from
	switch {
	case name == "xmlns" || strings.HasPrefix(name, "xmlns:"):
	case name == "Name" && isData(e):
		e.hasName = n > 0
		if s, ok := c.constantText(from, n); ok {
			e.dataName = s
		} else {
			e.nameFrom, e.nameN = from, n
		}
	default:
		c.leaf(leaf{path: e.path + "@" + name, from: from, n: n})
	}
	return nil
}

func isData(e *element) bool { return e.name == "Data" || e.name == "ComplexData" }

// unnamed says whether it is a value of the event's data without a name.
func (e *element) unnamed() bool {
	return isData(e) && !e.hasName && strings.HasPrefix(e.path, "Event.EventData.")
}

// constantText gives the text of parts that are all constant.
func (c *compiler) constantText(from, n int) (string, bool) {
	var s []byte
	for _, p := range c.t.parts[from : from+n] {
		if p.subst >= 0 {
			return "", false
		}
		s = append(s, c.t.bytes[p.from:p.to]...)
	}
	return c.intern(s), true
}

// flush makes a leaf of the text so far of the innermost element.
func (c *compiler) flush() {
	e := &c.open[len(c.open)-1]
	n := len(c.t.parts) - e.parts
	if n == 0 {
		return
	}
	l := leaf{path: e.path, from: e.parts, n: n, name: e.dataName, nameFrom: e.nameFrom, nameN: e.nameN}
	l.unnamed = e.unnamed()
	c.leaf(l)
	e.parts, e.flushed = len(c.t.parts), true
}

func (c *compiler) closeElement() error {
	if len(c.open) < 2 {
		return errors.New("closes an element it never opened")
	}
	c.flush()
	if e := &c.open[len(c.open)-1]; e.unnamed() && !e.flushed { // it is empty, and counts
		c.t.leaves = append(c.t.leaves, leaf{path: e.path, aim: aimParam, subst: -1})
	}
	c.open = c.open[:len(c.open)-1]
	c.open[len(c.open)-1].parts = len(c.t.parts)
	return nil
}

// leaf adds a leaf and says where it goes.
func (c *compiler) leaf(l leaf) {
	if l.n == 0 {
		return
	}
	l.inner = c.places.of(l.path)
	l.subst = -1
	if l.n == 1 {
		l.subst = c.t.parts[l.from].subst
	}
	if s, ok := c.constantText(l.from, l.n); ok {
		if s == "" || strings.TrimSpace(s) == "" {
			return
		}
		l.constant = []byte(s)
	}
	l.setAim()
	c.t.leaves = append(c.t.leaves, l)
}

// name reads the place of a name in the chunk, and passes over the name when it stands here.
func (c *compiler) name() (string, error) {
	if err := c.skip(4); err != nil {
		return "", err
	}
	le := binary.LittleEndian
	at := int64(le.Uint32(c.d[c.at-4:]))
	if !c.isName(at) && c.isName(int64(c.at)) { // it stands here, and where it stands is damaged
		at, c.t.suspect = int64(c.at), true
	}
	if at < chunkHeaderSize || at+8 > int64(len(c.d)) {
		return "", fmt.Errorf("has a name at byte %d of its chunk, where none can be", at)
	}
	n := int(le.Uint16(c.d[at+6:]))
	text := c.d[at+8:]
	if len(text) < 2*n+2 {
		return "", fmt.Errorf("has a name at byte %d of its chunk that is cut off", at)
	}
	text = text[:2*n]
	if at == int64(c.at) {
		if err := c.skip(8 + 2*n + 2); err != nil {
			return "", err
		}
	}
	if nameHash(text) != le.Uint16(c.d[at+4:]) {
		c.t.suspect = true
	}
	var short [64]byte
	return c.intern(appendUTF16(short[:0], text)), nil
}

// nameHash is the hash Windows keeps beside every name.
func nameHash(text []byte) uint16 {
	var h uint32
	for i := 0; i+1 < len(text); i += 2 {
		h = h*65599 + uint32(binary.LittleEndian.Uint16(text[i:]))
	}
	return uint16(h)
}

// intern gives the string of a name, the same for every use.
func (c *compiler) intern(v []byte) string {
	if s, ok := c.names[string(v)]; ok {
		return s
	}
	s := string(v)
	if len(c.names) < maxNames {
		c.names[s] = s
	}
	return s
}

// places numbers the places in the document that BinXML can stand at: 0 is the top.
type places struct {
	paths []string
	ids   map[string]uint16
}

func newPlaces() *places { return &places{paths: []string{""}, ids: map[string]uint16{"": 0}} }

func (p *places) path(id uint16) string { return p.paths[id] }

// of gives the number of a place. When there are more than anyone needs, they all become the top.
func (p *places) of(path string) uint16 {
	id, ok := p.ids[path]
	if !ok && len(p.paths) < maxNames {
		id = uint16(len(p.paths))
		p.paths = append(p.paths, path)
		p.ids[path] = id
	}
	return id
}
