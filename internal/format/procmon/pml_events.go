package procmon

import (
	"fmt"
	"math"
	"strconv"

	"culprit/internal/event"
)

// A pmlEvent is the fixed part of an event.
type pmlEvent struct {
	number   int64 // from 1
	off      int64
	process  uint32
	thread   uint32
	class    uint32
	code     uint16
	sequence uint32
	duration uint64
	filetime uint64
	status   uint32
	frames   uint16
	size     uint32 // of the details
	result   uint32 // offset of the result blob from off, 0 for none
}

func decodePMLEvent(off int64, b []byte) pmlEvent {
	_ = b[pmlEventSize-1]
	return pmlEvent{
		off: off, process: le.Uint32(b), thread: le.Uint32(b[4:]), class: le.Uint32(b[8:]), code: le.Uint16(b[0xc:]),
		sequence: le.Uint32(b[0x10:]), duration: le.Uint64(b[0x14:]), filetime: le.Uint64(b[0x1c:]), status: le.Uint32(b[0x24:]),
		frames: le.Uint16(b[0x28:]), size: le.Uint32(b[0x2c:]), result: le.Uint32(b[0x30:]),
	}
}

// detailsAt is where the details begin, from the start of the event.
func (e *pmlEvent) detailsAt(is64 bool) int64 {
	if is64 {
		return pmlEventSize + 8*int64(e.frames)
	}
	return pmlEventSize + 4*int64(e.frames)
}

// readEvent reads events until one is put, or enough were left out.
func (r *pmlReader) readEvent(b *event.Batch) (done bool) {
	for b.Skipped < pmlPause {
		off, ok := r.nextOffset(b)
		if !ok {
			return true
		}
		r.next++
		head, ok := r.win.get(off, pmlEventSize)
		if !ok || off < pmlHeaderSize {
			b.AddBad(r.next, off, fmt.Sprintf("event %d should begin at byte %d, where the file, of %d bytes, has no event", r.next, off, r.size))
			continue
		}
		if !r.begun {
			r.begun, r.first = true, le.Uint64(head[0x1c:])
		}
		if r.o.RolesOnly {
			class, code := le.Uint32(head[8:]), le.Uint16(head[0xc:])
			if !mayHaveRole(class, code) && !(class == classProcess && code == opProcessCreate) {
				skipAt(b, le.Uint64(head[0x1c:]))
				continue
			}
		}
		e := decodePMLEvent(off, head)
		e.number = r.next
		if r.decode(b, &e) {
			return false
		}
	}
	return false
}

// nextOffset gives the offset of the next event, from the table or by looking for it.
func (r *pmlReader) nextOffset(b *event.Batch) (int64, bool) {
	if r.scan != nil {
		return r.scan.next(r)
	}
	if r.next >= int64(r.header.count) {
		return 0, false
	}
	t, ok := r.table.get(r.header.offsets+r.next*pmlOffsetSize, pmlOffsetSize)
	if !ok {
		b.AddBad(r.next+1, r.header.offsets+r.next*pmlOffsetSize, fmt.Sprintf("the event offset table can't be read: %d events are left out", int64(r.header.count)-r.next))
		return 0, false
	}
	return int64(le.Uint32(t)) | int64(t[4])<<32, true
}

func skipAt(b *event.Batch, filetime uint64) {
	if t, ok := pmlTime(filetime); ok {
		b.Skip(t)
		return
	}
	b.Skipped++
}

// decode puts an event into the batch; false when Options leave it out.
func (r *pmlReader) decode(b *event.Batch, e *pmlEvent) bool {
	d, bad := r.details(e)
	var n pmlNet
	op := operationOf(e.class, e.code, false)
	role := op.role
	switch {
	case e.class == classNetwork && len(d) < pmlNetSize:
		role = ""
		if bad == "" {
			bad = fmt.Sprintf("its details have %d bytes, a network event's have %d", len(d), pmlNetSize)
		}
	case e.class == classNetwork:
		n = decodePMLNet(d)
		op = operationOf(e.class, e.code, n.tcp)
	}
	subject := r.newcomer(e, d)
	if r.o.RolesOnly && role == "" {
		skipAt(b, e.filetime)
		return false
	}
	p := r.processOf(subject)
	if p.blank {
		r.unknown++
	}
	b.Next()
	r.putHeader(b, e, p)
	if role != "" {
		b.PutText(event.Role, role)
	}
	name := op.name
	if e.class == classFile && len(d) > 0 {
		if name = op.sub(d[0]); r.o.Display {
			name = r.displayName(e, d[0], name)
		}
	}
	r.putText(b, event.EventAction, name)
	r.putClass(b, e, op)
	if e.class == classNetwork && len(d) >= pmlNetSize {
		r.putNet(b, e, &n)
	} else if r.detail && bad == "" {
		bad = r.putDetails(b, e, op, d)
	}
	r.putStack(b, e, p)
	if bad != "" {
		b.AddBad(e.number, e.off, fmt.Sprintf("event %d, %s: %s", e.number, name, bad))
	}
	return true
}

// newcomer learns of the process that a Process Create or Process Defined event describes, and gives the index of the process
// whose event it is.
func (r *pmlReader) newcomer(e *pmlEvent, d []byte) uint32 {
	if e.class != classProcess || e.code != opProcessCreate && e.code != opProcessDefined {
		return e.process
	}
	r.child = nil
	if r.o.RolesOnly && e.code == opProcessCreate && len(d) >= 4 && r.byIndex[le.Uint32(d)] != nil {
		return e.process
	}
	r.child = decodePMLCreate(d)
	if r.child == nil {
		return e.process
	}
	r.learn(r.child)
	if e.code == opProcessDefined {
		return r.child.index
	}
	return e.process
}

// details gives the details of an event and in r.out its result blob, as far as anybody wants them.
func (r *pmlReader) details(e *pmlEvent) (d []byte, bad string) {
	r.out, r.outAt, r.detailAt = nil, 0, e.off+e.detailsAt(r.header.is64)
	if e.size == 0 || !r.detail && e.class != classNetwork && e.class != classProcess {
		return nil, ""
	}
	at := e.detailsAt(r.header.is64)
	if e.frames > pmlStackMax || int64(e.size) > recordMax-at {
		return nil, fmt.Sprintf("it claims a stack of %d frames and %d bytes of details", e.frames, e.size)
	}
	if e.result != 0 && r.detail {
		if d := r.withResult(e, at); d != nil {
			return d, ""
		}
	}
	if d, ok := r.win.get(e.off+at, int(e.size)); ok {
		return d, ""
	}
	return nil, fmt.Sprintf("the file ends inside it (%d bytes announced, %d present)", at+int64(e.size), max(0, r.size-e.off))
}

// withResult gives the details with the result blob in r.out; nil when the file doesn't have both. What the window gives
// dies at its next use, so the two come in one piece where they stand together, and else the details are copied.
func (r *pmlReader) withResult(e *pmlEvent, at int64) []byte {
	end, result := at+int64(e.size), int64(e.result)
	r.outAt = e.off + result + 2
	if result >= end && result < end+64 {
		b, ok := r.win.get(e.off, int(result)+2)
		if !ok {
			return nil
		}
		n := int(le.Uint16(b[result:]))
		if b, ok = r.win.get(e.off, int(result)+2+n); !ok {
			return nil
		}
		r.out = b[result+2:]
		return b[at:end:end]
	}
	d, ok := r.win.get(e.off+at, int(e.size))
	if !ok {
		return nil
	}
	r.spare = append(r.spare[:0], d...)
	b, ok := r.win.get(e.off+result, 2)
	if !ok {
		return nil
	}
	if b, ok = r.win.get(e.off+result+2, int(le.Uint16(b))); !ok {
		return nil
	}
	r.out = b
	return r.spare
}

// putHeader puts what the fixed part says, and the process.
func (r *pmlReader) putHeader(b *event.Batch, e *pmlEvent, p *pmlProcess) {
	b.PutInt(event.Record, e.number)
	b.PutInt(event.LogOffset, e.off)
	if t, ok := pmlTime(e.filetime); ok {
		b.PutTime(event.Timestamp, t)
	}
	if r.o.Fields.Has(event.ProcmonRelativeTime) {
		r.putRelative(b, e)
	}
	r.putInt(b, event.EventSequence, int64(e.sequence))
	if e.status != statusPending && e.duration <= math.MaxInt64/100 {
		r.putInt(b, event.EventDuration, int64(e.duration)*100)
	}
	if e.class != classNetwork || e.thread != 0 { // network events come without their thread
		r.putInt(b, event.ProcessThreadID, int64(e.thread))
	}
	if name := statusName(e.status); name != "" {
		r.putText(b, event.ProcmonResult, name)
	}
	r.putSubject(b, p)
}

// putRelative puts the time since the first event of the log, 00:00:01.2345678.
func (r *pmlReader) putRelative(b *event.Batch, e *pmlEvent) {
	v := e.filetime - r.first
	sign := ""
	if int64(v) < 0 { // version 7 writes events out of order
		sign, v = "-", -v
	}
	t := append(r.path[:0], sign...)
	seconds := v / 1e7
	if h := seconds / 3600; h < 100 {
		t = appendTwo(t, h)
	} else {
		t = strconv.AppendUint(t, h, 10)
	}
	t = appendTwo(append(t, ':'), seconds/60%60)
	t = appendTwo(append(t, ':'), seconds%60)
	t = appendFraction(append(t, '.'), v%1e7)
	b.PutStr(event.ProcmonRelativeTime, t)
	r.path = t[:0]
}

var classCategories = [...]string{"", "process", "registry", "file", "process", "network"}

// A pmlKind says where in a batch the first event of a class and code stands.
type pmlKind struct{ batch, row int }

// putClass puts what class and operation alone decide.
func (r *pmlReader) putClass(b *event.Batch, e *pmlEvent, op *operation) {
	if e.class == 0 || int(e.class) >= len(classNames) {
		r.putText(b, event.ProcmonEventClass, unknownName)
		return
	}
	k := &r.kinds[e.class][min(int(e.code), len(r.kinds[0])-1)]
	if op != &unknownOperation && k.batch == r.batches {
		b.Repeat(k.row, r.kindFields)
		return
	}
	*k = pmlKind{r.batches, b.Len - 1}
	r.putText(b, event.ProcmonEventClass, classNames[e.class])
	category := classCategories[e.class]
	if e.class == classProcess && e.code == opLoadImage {
		category = "library"
	}
	r.list(b, event.EventCategory, category)
	if e.class == classNetwork {
		r.list(b, event.EventType, "connection")
	}
	if op.kind != "" {
		r.list(b, event.EventType, op.kind)
	}
}

func (r *pmlReader) putText(b *event.Batch, f event.Field, v string) {
	if r.o.Fields.Has(f) {
		b.PutText(f, v)
	}
}

func (r *pmlReader) putStr(b *event.Batch, f event.Field, v []byte) {
	if len(v) > 0 && r.o.Fields.Has(f) {
		b.PutStr(f, v)
	}
}

func (r *pmlReader) putInt(b *event.Batch, f event.Field, v int64) {
	if r.o.Fields.Has(f) {
		b.PutInt(f, v)
	}
}

func (r *pmlReader) list(b *event.Batch, f event.Field, v string) {
	if r.o.Fields.Has(f) {
		b.AddText(f, v)
	}
}
