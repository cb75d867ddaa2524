package winevent

import (
	"encoding/binary"
	"errors"
	"fmt"

	"culprit/internal/format/text"
)

const (
	maxTemplates = 4096      // templates kept from one chunk to the next
	maxCompiled  = 1 << 20   // bytes of templates compiled for one chunk
	maxInner     = 16        // how deep BinXML may stand in values of BinXML
	maxWork      = 24 << 10  // values and leaves of one record, and eighths of its bytes
	maxText      = 256 << 10 // text of one record: a chunk has 64 KiB, and UTF-16 grows by half at most
)

// A decoder reads the BinXML of records into the slots of a reader.
type decoder struct {
	r *reader
	c compiler

	d        []byte // the chunk
	intact   bool   // its checksums hold: its templates may serve other chunks
	slack    bool   // the record is a left-over: what it refers to may have been overwritten
	local    map[localKey]*template
	shared   map[sharedKey]*template
	byID     map[idKey]*template
	compiled int
	subs     []value
	raw      [maxInner + 1]*template // of BinXML that stands without a template, by depth
	work     int
	params   int
	only     bool // only what tells whether the event matters
	bad      string
}

type (
	localKey struct {
		at    uint32
		place uint16
	}
	sharedKey struct {
		guid  [16]byte
		place uint16
	}
	idKey struct {
		id    uint32
		place uint16
	}
)

// A value is a substitution's: its type and where it stands in the chunk.
type value struct {
	kind     byte
	from, to int
}

var (
	errInner = errors.New("has BinXML more than 16 times inside BinXML")
	errWork  = errors.New("has more values than a record can, or 256 KiB of text")
)

func newEVTXDecoder(r *reader) *decoder {
	p := newPlaces()
	return &decoder{
		r: r, c: compiler{places: p, names: make(map[string]string)}, local: make(map[localKey]*template),
		shared: make(map[sharedKey]*template), byID: make(map[idKey]*template),
	}
}

// chunk makes d the chunk that records stand in.
func (x *decoder) chunk(d []byte, intact bool) {
	x.d, x.c.d, x.intact, x.compiled = d, d, intact, 0
	clear(x.local)
	if len(x.shared) > maxTemplates || len(x.c.places.paths) >= maxNames || len(x.c.names) >= maxNames {
		clear(x.shared)
		clear(x.byID)
		x.c.places, x.c.names = newPlaces(), make(map[string]string)
	}
}

// record loads the BinXML of a record that stands between at and end.
func (x *decoder) record(at, end int, slack, only bool) error {
	x.slack, x.only = slack, only
	x.subs, x.work, x.params, x.bad = x.subs[:0], 0, 0, ""
	return x.fragment(at, end, 0, 0)
}

// fragment reads BinXML that is a template with its values, or stands without one.
func (x *decoder) fragment(at, end int, place uint16, depth int) error {
	if depth > maxInner {
		return errInner
	}
	if x.work += max(0, end-at) / 8; x.work > maxWork { // a value may be named by many leaves
		return errWork
	}
	for at < end {
		switch x.d[at] {
		case tokenEnd:
			return nil
		case tokenFragment:
			if end-at < 4 {
				return errCut
			}
			at += 4
		case tokenTemplate:
			next, err := x.instance(at+1, end, place, depth)
			if err != nil {
				return err
			}
			at = next
		default:
			return x.plain(at, end, place, depth)
		}
	}
	return nil
}

// plain reads BinXML without a template.
func (x *decoder) plain(at, end int, place uint16, depth int) error {
	t := x.raw[depth]
	if t == nil {
		t = new(template)
		x.raw[depth] = t
	}
	if _, err := x.c.compile(t, at, end, place, x.c.numbered(at, end, depth == 0)); err != nil {
		return err
	}
	return x.run(t, nil, depth)
}

// instance reads a template's values and puts them where the template says; it gives where they end.
func (x *decoder) instance(at, end int, place uint16, depth int) (int, error) {
	if end-at < 13 {
		return 0, errCut
	}
	le := binary.LittleEndian
	id, def := le.Uint32(x.d[at+1:]), le.Uint32(x.d[at+5:])
	at += 9
	if int(def) == at { // the template stands here, where it is used first
		if end-at < 24 {
			return 0, errCut
		}
		size := int64(le.Uint32(x.d[at+20:]))
		if size > int64(end-at-24-4) {
			return 0, fmt.Errorf("has a template of %d bytes where %d are left", size, max(0, end-at-28))
		}
		at += 24 + int(size)
	}
	count := int64(le.Uint32(x.d[at:]))
	at += 4
	if count*4 > int64(end-at) {
		return 0, fmt.Errorf("announces %d values where %d bytes are left", count, end-at)
	}
	if x.work += int(count); x.work > maxWork {
		return 0, errWork
	}
	base := len(x.subs)
	next := at + 4*int(count)
	for ; count > 0; count-- {
		size := int(le.Uint16(x.d[at:]))
		if size > end-next {
			return 0, fmt.Errorf("has a value of %d bytes where %d are left", size, end-next)
		}
		x.subs = append(x.subs, value{x.d[at+2], next, next + size})
		at, next = at+4, next+size
	}
	t, err := x.template(id, def, place)
	if err == nil {
		err = x.run(t, x.subs[base:], depth)
	}
	x.subs = x.subs[:base]
	return next, err
}

// template gives the template at def, whose identifier the record says is id: compiled before, for this chunk or another,
// or now. A template that was overwritten may be known from another chunk.
func (x *decoder) template(id, def uint32, place uint16) (*template, error) {
	key := localKey{def, place}
	if t := x.local[key]; t != nil && binary.LittleEndian.Uint32(t.guid[:]) == id {
		return t, nil
	}
	var guid [16]byte
	there := int64(def) >= chunkHeaderSize && int64(def)+24 <= int64(len(x.d))
	if there {
		copy(guid[:], x.d[def+4:])
	}
	fits := there && binary.LittleEndian.Uint32(guid[:]) == id
	if fits {
		if t := x.shared[sharedKey{guid, place}]; t != nil {
			x.local[key] = t
			return t, nil
		}
	}
	err := errors.New("it was overwritten")
	if fits {
		var t *template
		if t, err = x.compile(def, guid, place); err == nil {
			if other := x.byID[idKey{id, place}]; other != nil && t.suspect {
				t = other
			}
			x.local[key] = t
			return t, nil
		}
	}
	if t := x.byID[idKey{id, place}]; t != nil {
		return t, nil
	}
	if there && !fits && !x.slack {
		if t, err := x.compile(def, guid, place); err == nil {
			return t, nil
		}
	}
	return nil, fmt.Errorf("the template it needs, at byte %d of its chunk, can't be read: %w", def, err)
}

func (x *decoder) compile(def uint32, guid [16]byte, place uint16) (*template, error) {
	size := int64(binary.LittleEndian.Uint32(x.d[def+20:]))
	from := int64(def) + 24
	size = min(size, int64(len(x.d))-from) // it has an end of its own
	if x.compiled += int(size); x.compiled > maxCompiled {
		return nil, errors.New("the chunk has more than 1 MiB of templates")
	}
	t := &template{guid: guid}
	if _, err := x.c.compile(t, int(from), int(from+size), place, true); err != nil {
		return nil, err
	}
	if t.elements == 0 {
		return nil, errors.New("there is none")
	}
	if x.slack && t.suspect {
		return nil, errors.New("its names were overwritten")
	}
	if x.intact && !x.slack && !t.suspect {
		x.shared[sharedKey{guid, place}] = t
		x.byID[idKey{binary.LittleEndian.Uint32(guid[:]), place}] = t
	}
	return t, nil
}

// run puts a template's leaves where they go.
func (x *decoder) run(t *template, subs []value, depth int) error {
	if t.damage != nil && x.bad == "" {
		x.bad = "only in part: its template " + t.damage.Error()
	}
	if x.work += len(t.leaves); x.work > maxWork {
		return errWork
	}
	for i := range t.leaves {
		l := &t.leaves[i]
		if x.only && !(l.aim == aimSlot && (l.slot == eventID || l.slot == logProvider || l.slot == logChannel) || l.aim == aimTime) {
			continue
		}
		if err := x.leaf(t, l, subs, depth); err != nil {
			return err
		}
		if len(x.r.scratch) > maxText {
			return errWork
		}
	}
	return nil
}

// leaf puts the text of a leaf where it goes.
func (x *decoder) leaf(t *template, l *leaf, subs []value, depth int) error {
	if l.constant != nil {
		return x.put(t, l, subs, l.constant)
	}
	if l.subst >= 0 {
		return x.substituted(t, l, subs, depth)
	}
	from := len(x.r.scratch)
	for _, p := range t.parts[l.from : l.from+l.n] {
		if p.subst < 0 {
			if l.aim != aimNowhere {
				x.r.scratch = append(x.r.scratch, t.bytes[p.from:p.to]...)
			}
			continue
		}
		if p.subst >= len(subs) {
			continue
		}
		v := subs[p.subst]
		switch {
		case v.kind == typeBinXML:
			if err := x.fragment(v.from, v.to, l.inner, depth+1); err != nil {
				return err
			}
			from = len(x.r.scratch)
		case l.aim == aimNowhere || l.aim == aimExtra && !x.r.all:
		default:
			x.append(v)
		}
	}
	return x.put(t, l, subs, x.r.scratch[from:len(x.r.scratch):len(x.r.scratch)])
}

// substituted puts the text of a leaf that is one value.
func (x *decoder) substituted(t *template, l *leaf, subs []value, depth int) error {
	if l.subst >= len(subs) {
		return nil
	}
	v := &subs[l.subst]
	switch {
	case v.kind == typeBinXML:
		return x.fragment(v.from, v.to, l.inner, depth+1)
	case l.aim == aimParam:
		switch {
		case v.kind == typeNull && t.parts[l.from].optional:
			return nil
		case v.kind&arrayOf != 0:
			return x.paramArray(*v)
		}
	case v.from == v.to, l.aim == aimNowhere, l.aim == aimExtra && !x.r.all:
		return nil
	case l.aim == aimTime && v.kind == typeFileTime && v.to-v.from >= 8:
		x.r.created.at, x.r.created.ok = fromFileTime(binary.LittleEndian.Uint64(x.d[v.from:]))
		return nil
	}
	from := len(x.r.scratch)
	if v.kind == typeString {
		x.r.scratch = appendUTF16(x.r.scratch, trimNull(x.d[v.from:v.to]))
	} else {
		x.append(*v)
	}
	return x.put(t, l, subs, x.r.scratch[from:len(x.r.scratch):len(x.r.scratch)])
}

// append appends the text of a value to the scratch: of an array, its elements' with commas.
func (x *decoder) append(v value) {
	d := x.d[v.from:v.to]
	if v.kind&arrayOf == 0 {
		x.appendOne(v.kind, d)
		return
	}
	kind := v.kind &^ arrayOf
	for i := 0; len(d) > 0; i++ {
		n := elementSize(kind, d)
		if n == 0 {
			return
		}
		if i > 0 {
			x.r.scratch = append(x.r.scratch, ',')
		}
		x.appendOne(kind, d[:n])
		d = d[n:]
	}
}

func (x *decoder) appendOne(kind byte, d []byte) {
	if len(d) == 0 {
		return
	}
	var ok bool
	if x.r.scratch, ok = appendValue(x.r.scratch, kind, d); !ok && x.bad == "" {
		x.bad = fmt.Sprintf("has a value of type %#x that its %d bytes can't be: they are given in hexadecimal", kind, len(d))
	}
}

// paramArray puts the elements of an array as values without names: Windows shows a <Data> for each.
func (x *decoder) paramArray(v value) error {
	d, kind := x.d[v.from:v.to], v.kind&^arrayOf
	for len(d) > 0 {
		n := elementSize(kind, d)
		if n == 0 {
			return nil
		}
		if x.work++; x.work > maxWork {
			return errWork
		}
		from := len(x.r.scratch)
		x.appendOne(kind, d[:n])
		x.param(x.r.scratch[from:])
		d = d[n:]
	}
	return nil
}

// param puts a value without a name.
func (x *decoder) param(v []byte) {
	i := x.params
	x.params++
	if len(v) == 0 || !x.r.all {
		return
	}
	name := ""
	if i < len(paramNames) {
		name = paramNames[i]
	} else {
		name = paramName(i)
	}
	x.r.rest = append(x.r.rest, extra{v: text.Value{Raw: v, Kind: text.Plain}, full: name})
}

// put puts a leaf's text where it goes.
func (x *decoder) put(t *template, l *leaf, subs []value, v []byte) error {
	r := x.r
	if l.aim == aimParam {
		x.param(v)
		return nil
	}
	if len(v) == 0 || l.aim == aimNowhere {
		return nil
	}
	val := text.Value{Raw: v, Kind: text.Plain}
	switch l.aim {
	case aimTime:
		if at, zoned, ok := text.Time(v); ok && zoned {
			r.created.at, r.created.ok = at, true
		}
	case aimSlot:
		r.set(l.slot, val)
	case aimKeywords:
		r.set(l.slot, val)
		fallthrough
	case aimExtra:
		if r.all {
			r.rest = append(r.rest, extra{v: val, full: l.name})
		}
	case aimNamed:
		x.named(t, l, subs, val)
	}
	return nil
}

// named puts a value whose name is a value too.
func (x *decoder) named(t *template, l *leaf, subs []value, val text.Value) {
	from := len(x.r.scratch)
	for _, p := range t.parts[l.nameFrom : l.nameFrom+l.nameN] {
		switch {
		case p.subst < 0:
			x.r.scratch = append(x.r.scratch, t.bytes[p.from:p.to]...)
		case p.subst < len(subs) && subs[p.subst].kind != typeBinXML:
			x.append(subs[p.subst])
		}
	}
	name := x.r.scratch[from:len(x.r.scratch):len(x.r.scratch)]
	if len(name) == 0 {
		x.param(val.Raw)
		return
	}
	x.r.data(name, val)
}
