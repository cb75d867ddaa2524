package zeek

import (
	"io"

	"culprit/internal/event"
	"culprit/internal/format/text"
)

// jsonReader reads a log of JSON objects.
type jsonReader struct {
	d  *decoder
	in *text.Objects
}

// Read implements format.Reader.
func (r *jsonReader) Read(b *event.Batch) error {
	r.d.b = b
	for !b.Full() {
		bad, err := r.in.Next()
		if err == io.EOF {
			r.d.end()
		}
		if err != nil {
			return err
		}
		if bad != "" {
			b.AddBad(r.in.Line, r.in.Offset, bad)
			continue
		}
		r.d.begin(r.in.Line, r.in.Offset)
		for i := range r.in.List {
			f := &r.in.List[i]
			if f.Kind == text.Null {
				continue
			}
			r.d.loadBytes(slotNames[string(f.Name)], f.Name, value{f.Value, false})
		}
		r.d.event(r.d.jsonLog())
	}
	return nil
}

// jsonLog finds the log a row belongs to: by the name in it, the name of the file, or its fields.
func (d *decoder) jsonLog() *log {
	if d.has[pathName] {
		d.has[pathName] = false
		v := d.vals[pathName].Text(&d.scratch)
		if l, ok := d.logs[string(v)]; ok {
			return l
		}
		if n := logName(string(v)); n != "" {
			return d.logOf(n)
		}
	}
	if d.fileLog != "" && d.knownFile {
		return d.logOf(d.fileLog)
	}
	switch {
	case d.has[connState], d.has[origPkts] && d.has[respPkts]:
		return d.logOf("conn")
	case d.has[transID] && (d.has[query] || d.has[rcodeName]), d.has[query] && d.has[qtypeName]:
		return d.logOf("dns")
	case d.has[method] && d.has[uri], d.has[statusCode] && d.has[origH]:
		return d.logOf("http")
	case d.has[serverName] && d.has[origH]:
		return d.logOf("ssl")
	}
	return d.logOf(d.fileLog)
}
