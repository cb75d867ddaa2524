package winevent

import (
	"encoding/binary"
	"hash/crc32"
	"unicode/utf16"
)

// A node is a piece of BinXML to write: an element, a text, or a substitution.
type node struct {
	name  string
	attrs []node
	kids  []node
	text  string
	subst int // number + 1
	opt   bool
	kind  byte
}

func el(name string, kids ...node) node { return node{name: name, kids: kids} }
func tx(s string) node                  { return node{text: s} }
func sub(i int, kind byte) node         { return node{subst: i + 1, kind: kind} }
func opt(i int, kind byte) node         { return node{subst: i + 1, kind: kind, opt: true} }

// with gives an element attributes: name, value, name, value.
func (n node) with(pairs ...any) node {
	for i := 0; i < len(pairs); i += 2 {
		v, ok := pairs[i+1].(node)
		if !ok {
			v = tx(pairs[i+1].(string))
		}
		n.attrs = append(n.attrs, node{name: pairs[i].(string), kids: []node{v}})
	}
	return n
}

// A val is a value: its type, its bytes, or a template with its own values.
type val struct {
	kind byte
	data []byte
	tmpl *tmpl
	vals []val
}

// A tmpl is a template: the first four bytes of its GUID, and what it says.
type tmpl struct {
	id   uint32
	root node
}

// A chunkWriter writes one chunk of a log.
type chunkWriter struct {
	b           []byte
	names       map[string]int
	tmpls       map[uint32]int
	first, last uint64
	n           int
}

func newChunkWriter() *chunkWriter {
	return &chunkWriter{b: make([]byte, chunkHeaderSize, chunkSize), names: map[string]int{}, tmpls: map[uint32]int{}}
}

func utf16le(s string) (b []byte) {
	for _, c := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}

func (c *chunkWriter) u8(v ...byte)  { c.b = append(c.b, v...) }
func (c *chunkWriter) u16(v int)     { c.b = binary.LittleEndian.AppendUint16(c.b, uint16(v)) }
func (c *chunkWriter) u32(v int)     { c.b = binary.LittleEndian.AppendUint32(c.b, uint32(v)) }
func (c *chunkWriter) u64(v uint64)  { c.b = binary.LittleEndian.AppendUint64(c.b, v) }
func (c *chunkWriter) set(at, v int) { binary.LittleEndian.PutUint32(c.b[at:], uint32(v)) }

func (c *chunkWriter) name(s string) {
	if at, ok := c.names[s]; ok {
		c.u32(at)
		return
	}
	at := len(c.b) + 4
	c.names[s] = at
	c.u32(at)
	c.u32(0)
	c.u16(int(nameHash(utf16le(s))))
	c.u16(len(utf16le(s)) / 2)
	c.b = append(c.b, utf16le(s)...)
	c.u16(0)
}

func (c *chunkWriter) node(n node, deps bool) {
	switch {
	case n.subst > 0:
		token := byte(tokenSubst)
		if n.opt {
			token = tokenOptional
		}
		c.u8(token)
		c.u16(n.subst - 1)
		c.u8(n.kind)
		return
	case n.name == "":
		c.u8(tokenValue, typeString)
		c.u16(len(utf16le(n.text)) / 2)
		c.b = append(c.b, utf16le(n.text)...)
		return
	}
	token := byte(tokenOpen)
	if len(n.attrs) > 0 {
		token |= moreSet
	}
	c.u8(token)
	if deps {
		c.u16(0xffff)
	}
	size := len(c.b)
	c.u32(0)
	c.name(n.name)
	if len(n.attrs) > 0 {
		at := len(c.b)
		c.u32(0)
		for i, a := range n.attrs {
			token := byte(tokenAttribute)
			if i+1 < len(n.attrs) {
				token |= moreSet
			}
			c.u8(token)
			c.name(a.name)
			c.node(a.kids[0], deps)
		}
		c.set(at, len(c.b)-at-4)
	}
	if len(n.kids) == 0 {
		c.u8(tokenCloseEmpty)
	} else {
		c.u8(tokenCloseStart)
		for _, k := range n.kids {
			c.node(k, deps)
		}
		c.u8(tokenCloseElement)
	}
	c.set(size, len(c.b)-size-4)
}

func (c *chunkWriter) instance(t *tmpl, vals []val) {
	c.u8(tokenFragment, 1, 1, 0)
	if t.id == 0 { // without a template
		c.node(t.root, false)
		c.u8(tokenEnd)
		return
	}
	c.u8(tokenTemplate, 1)
	c.u32(int(t.id))
	if at, ok := c.tmpls[t.id]; ok {
		c.u32(at)
	} else {
		at := len(c.b) + 4
		c.tmpls[t.id] = at
		c.u32(at)
		c.u32(0)
		c.u32(int(t.id))
		c.u64(0x1122334455667788)
		c.u32(0x99aabbcc)
		size := len(c.b)
		c.u32(0)
		c.u8(tokenFragment, 1, 1, 0)
		c.node(t.root, true)
		c.u8(tokenEnd)
		c.set(size, len(c.b)-size-4)
	}
	c.u32(len(vals))
	table := len(c.b)
	c.b = append(c.b, make([]byte, 4*len(vals))...)
	for i, v := range vals {
		at := len(c.b)
		if v.tmpl != nil {
			c.instance(v.tmpl, v.vals)
		} else {
			c.b = append(c.b, v.data...)
		}
		binary.LittleEndian.PutUint16(c.b[table+4*i:], uint16(len(c.b)-at))
		c.b[table+4*i+2] = v.kind
	}
}

// record writes a record and gives where it stands.
func (c *chunkWriter) record(id, written uint64, t *tmpl, vals ...val) int {
	at := len(c.b)
	c.b = append(c.b, recordMagic...)
	c.u32(0)
	c.u64(id)
	c.u64(written)
	c.instance(t, vals)
	for (len(c.b)+4)%8 != 0 {
		c.u8(0)
	}
	c.set(at+4, len(c.b)+4-at)
	c.u32(len(c.b) + 4 - at)
	if c.n++; c.n == 1 {
		c.first = id
	}
	c.last = id
	return at
}

// finish writes the header for records up to free and gives the chunk.
func (c *chunkWriter) finish(free int) []byte {
	b := make([]byte, chunkSize)
	copy(b, c.b)
	le := binary.LittleEndian
	copy(b, chunkMagic)
	le.PutUint64(b[8:], c.first)
	le.PutUint64(b[16:], c.last)
	le.PutUint64(b[24:], c.first)
	le.PutUint64(b[32:], c.last)
	le.PutUint32(b[40:], 128)
	le.PutUint32(b[48:], uint32(free))
	le.PutUint32(b[52:], crc32.ChecksumIEEE(b[chunkHeaderSize:free]))
	le.PutUint32(b[124:], crc32.Update(crc32.ChecksumIEEE(b[:120]), crc32.IEEETable, b[128:chunkHeaderSize]))
	return b
}

// fileOf puts a file header before chunks.
func fileOf(flags uint32, announced int, chunks ...[]byte) []byte {
	b := make([]byte, fileHeaderSize)
	le := binary.LittleEndian
	copy(b, fileMagic)
	le.PutUint64(b[16:], uint64(announced-1))
	le.PutUint32(b[32:], 128)
	le.PutUint16(b[36:], 1)
	le.PutUint16(b[38:], 3)
	le.PutUint16(b[40:], fileHeaderSize)
	le.PutUint16(b[42:], uint16(announced))
	le.PutUint32(b[120:], flags)
	le.PutUint32(b[124:], crc32.ChecksumIEEE(b[:120]))
	for _, c := range chunks {
		b = append(b, c...)
	}
	return b
}
