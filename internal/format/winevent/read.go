package winevent

import (
	"bytes"
	"io"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/text"
)

type reader struct {
	o     format.Options
	all   bool // fields outside the vocabulary are wanted
	in    *text.Objects
	inner text.Fields // of event data that is a text of JSON

	// The event at hand.
	b       *event.Batch
	offset  int64 // where it stands in the source
	record  int64
	created struct { // when Windows wrote it, from who knows it as a number
		at int64
		ok bool
	}
	vals    [numSlots]text.Value
	has     [numSlots]bool
	loaded  []slot     // in the order they came
	ecs     []ecsValue // members with the name of one of our fields
	rest    []extra    // the others
	flat    bool       // the event's data stand beside the header
	scratch []byte

	names    map[string]string // names of the data with their prefix, so that it is put before only once
	datasets map[string]string // by channel
	noted    struct{ zone, local bool }
}

type ecsValue struct {
	f event.Field
	v text.Value
}

type extra struct {
	name []byte
	v    text.Value
	data bool   // a value of the event's data, its prefix taken off
	full string // the name to put it under, from who knows it beforehand
}

// maxNames bounds what a hostile source can make the reader remember.
const maxNames = 4096

func newReader(r io.Reader, o format.Options) *reader {
	d := newDecoder(o)
	d.in = text.NewObjects(r)
	return d
}

// newDecoder gives a reader without a text: who has events in another form loads them with reset and set, and calls event.
func newDecoder(o format.Options) *reader {
	return &reader{o: o, all: wantsAll(o.Fields), names: make(map[string]string), datasets: make(map[string]string)}
}

// Read implements format.Reader.
func (r *reader) Read(b *event.Batch) error {
	r.b = b
	for !b.Full() {
		bad, err := r.in.Next()
		if err != nil {
			return err
		}
		if bad != "" {
			b.AddBad(r.in.Line, r.in.Offset, bad)
			continue
		}
		r.offset, r.record = r.in.Offset, r.in.Line
		r.load()
		if !r.has[eventID] && !r.has[eventCode] || !r.has[logChannel] && !r.has[logProvider] {
			b.AddBad(r.in.Line, r.in.Offset, "is no Windows event: it has no event ID, or neither channel nor provider")
			continue
		}
		r.event()
	}
	return nil
}

// reset forgets the event before.
func (r *reader) reset() {
	for _, s := range r.loaded {
		r.has[s] = false
	}
	r.loaded, r.ecs, r.rest, r.scratch = r.loaded[:0], r.ecs[:0], r.rest[:0], r.scratch[:0]
	r.flat, r.created.ok = false, false
}

// load sorts the members of the object into slots.
func (r *reader) load() {
	r.reset()
	for i := range r.in.List {
		f := &r.in.List[i]
		if f.Kind == text.Null {
			continue
		}
		switch t, ok := known[string(f.Name)]; {
		case !ok:
			r.rest = append(r.rest, extra{name: f.Name, v: f.Value})
		case t.drop:
		case t.slot != noSlot:
			r.set(t.slot, f.Value)
			if t.slot == eventID && string(f.Name) == "EventID" {
				r.flat = true
			}
		default:
			r.ecs = append(r.ecs, ecsValue{t.field, f.Value})
		}
	}
	if r.has[eventData] {
		r.flat = false
		r.loadText(r.text(eventData))
	}
}

func (r *reader) set(s slot, v text.Value) {
	if !r.has[s] {
		r.has[s] = true
		r.loaded = append(r.loaded, s)
	}
	r.vals[s] = v
}

// loadText loads event data that came as one text, of JSON or XML.
func (r *reader) loadText(d []byte) {
	d = bytes.TrimLeft(d, " \t\r\n")
	if len(d) > 0 && d[0] == '{' {
		_, _ = r.inner.Parse(d) // of broken data, what can be read
		for _, f := range r.inner.List {
			r.data(f.Name, f.Value)
		}
		return
	}
	for {
		open := bytes.Index(d, []byte(`<Data Name="`))
		if open < 0 {
			return
		}
		d = d[open+len(`<Data Name="`):]
		quote := bytes.IndexByte(d, '"')
		if quote < 0 {
			return
		}
		name := d[:quote]
		d = d[quote+1:]
		begin, end := bytes.IndexByte(d, '>'), bytes.Index(d, []byte("</Data>"))
		if begin < 0 {
			return
		}
		if begin > 0 && d[begin-1] == '/' || end < begin { // <Data Name="X"/>
			continue
		}
		r.data(name, text.Value{Raw: r.entities(d[begin+1 : end]), Kind: text.Plain})
		d = d[end:]
	}
}

// data loads one value of the event's data by its name alone.
func (r *reader) data(name []byte, v text.Value) {
	if v.Kind == text.Null {
		return
	}
	if s, ok := dataNames[string(name)]; ok {
		r.set(s, v)
		return
	}
	r.rest = append(r.rest, extra{name: name, v: v, data: true})
}

// entities takes the five named entities of XML out of v.
func (r *reader) entities(v []byte) []byte {
	if bytes.IndexByte(v, '&') < 0 {
		return v
	}
	from := len(r.scratch)
next:
	for len(v) > 0 {
		if v[0] == '&' {
			for _, e := range [...]struct{ name, text string }{{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", `"`}, {"&apos;", "'"}, {"&amp;", "&"}} {
				if bytes.HasPrefix(v, []byte(e.name)) {
					r.scratch = append(r.scratch, e.text...)
					v = v[len(e.name):]
					continue next
				}
			}
		}
		r.scratch = append(r.scratch, v[0])
		v = v[1:]
	}
	return r.scratch[from:len(r.scratch):len(r.scratch)]
}

// text gives the text of a slot and takes the slot: it will not become an extra. nil when there is none; "-", which Windows
// writes for none, is none.
func (r *reader) text(s slot) []byte {
	if !r.has[s] {
		return nil
	}
	r.has[s] = false
	v := r.vals[s].Text(&r.scratch)
	if len(v) == 0 || len(v) == 1 && v[0] == '-' {
		return nil
	}
	return v
}

// peek is text for a slot that others will want too.
func (r *reader) peek(s slot) []byte {
	v := r.text(s)
	if v != nil {
		r.has[s] = true
	}
	return v
}

// first gives the text of the first of the slots that has one, and takes them all.
func (r *reader) first(slots ...slot) (v []byte) {
	for _, s := range slots {
		if t := r.text(s); v == nil {
			v = t
		}
	}
	return v
}

// int gives the number in a slot, decimal or 0x.
func (r *reader) int(slots ...slot) (int64, bool) { return text.Int(r.first(slots...)) }

func (r *reader) putStr(f event.Field, v []byte) {
	if v != nil && r.o.Fields.Has(f) {
		r.b.PutStr(f, v)
	}
}

func (r *reader) putInt(f event.Field, slots ...slot) {
	if n, ok := r.int(slots...); ok {
		r.b.PutInt(f, n)
	}
}

func (r *reader) putAddr(f event.Field, v []byte) {
	if a, ok := text.Addr(v); ok {
		r.b.PutAddr(f, a)
	}
}

// got says whether the event at hand has the field already.
func (r *reader) got(f event.Field) bool { return r.b.Has(f, r.b.Len-1) }
