package procmon

// Details of events, by class: what they say beside Detail, which the detail_ files write.
//
//	file     0 minor code or information class; from 4 the parameters of the operation, five pointers and 20 bytes; then at
//	         44 (32 bit) or 64: u16 text, 2 bytes, the path, and what the operation adds (QueryDirectory: u16 text, its filter).
//	registry u16 text, parameters (16, 32 bit each; see operation.path), the path. RegLoadKey and RegRenameKey have a second text.
//	network  u16 flags: 1 left address is IPv4, 2 right one is, 4 TCP; u16; u32 bytes; 16 bytes left address, 16 right, u16
//	         left port, u16 right; then names and values, UTF-16 closed by NULs, up to an empty name; not in version 7.
//	create   (Create, Defined) 0 process index, 4 PID, 8 parent's index, 0xc parent's PID, 0x10 session, 0x14 64-bit, 0x18
//	         FILETIME of the start, 0x20 logon, 0x28 virtualized, 0x2c and 0x2d bytes of two SIDs, 0x2e and 0x30 texts,
//	         0x34 the SIDs (account, integrity), path, command line.

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"culprit/internal/event"
)

const pmlCreateSize = 0x34

// wantsPMLDetails says whether anything that is only in the details of file and registry events is looked at.
func wantsPMLDetails(s *event.Set) bool {
	for _, f := range []event.Field{
		event.EventAction, event.ProcmonPath, event.ProcmonCategory, event.ProcessExitCode, event.ProcessWorkingDirectory,
	} {
		if s.Has(f) {
			return true
		}
	}
	return wantsDetailText(s)
}

// wantsDetailText says whether the Detail of events, or one of its keys, is looked at.
func wantsDetailText(s *event.Set) bool {
	for f := event.ProcmonDetailDesiredAccess; f <= event.ProcmonDetailEntries; f++ {
		if s.Has(f) {
			return true
		}
	}
	return s.Has(event.ProcmonDetailText)
}

// putDetails puts path, detail and category of an event that is not a network event, and says what is wrong with it.
func (r *pmlReader) putDetails(b *event.Batch, e *pmlEvent, op *operation, d []byte) (bad string) {
	r.path = r.path[:0]
	t := &r.text
	t.b, t.want, t.text = b, &r.o.Fields, t.text[:0]
	ok := true
	switch e.class {
	case classFile:
		ok = r.fileDetails(b, e, op, d)
	case classRegistry:
		ok = r.registryDetails(b, e, op, d)
	case classProcess:
		ok = r.processText(t, e, d)
	case classProfiling:
		ok = profilingText(t, e.code, d)
	}
	r.putStr(b, event.ProcmonPath, r.path)
	if r.o.Display { // Process Monitor's CSV has no line ends in its cells but bare CRs
		replaceByte(t.text, '\n', ';')
	}
	r.putStr(b, event.ProcmonDetailText, t.text)
	if !ok {
		return "its details end too early (" + strconv.Itoa(len(d)) + " bytes)"
	}
	return ""
}

func replaceByte(b []byte, old, with byte) {
	for i := bytes.IndexByte(b, old); i >= 0; i = bytes.IndexByte(b, old) {
		b[i] = with
		b = b[i+1:]
	}
}

// fileNameAt is where in a file event's details the length of its path stands.
func (r *pmlReader) fileNameAt() int {
	if r.header.is64 {
		return 64
	}
	return 44
}

func (r *pmlReader) fileDetails(b *event.Batch, e *pmlEvent, op *operation, d []byte) bool {
	at := r.fileNameAt()
	if len(d) < at+4 {
		return len(d) == 0
	}
	path, next, ok := detailText(d, at+4, le.Uint16(d[at:]))
	p := fileParams{d: d, is64: r.header.is64, path: path, tail: d[next:], out: r.out, display: r.o.Display, shownBy: r.shownBy}
	if e.code == opDirectoryControl && d[0] == subQueryDirectory && ok {
		r.path = path.append(r.path)
		ok = r.appendFilter(p.tail)
	} else {
		r.putPath(b, path)
	}
	if r.texts && ok {
		r.fileText(&r.text, e, &p)
	}
	r.putFileCategory(b, e, op, &p)
	return ok
}

// appendFilter appends what a directory was searched for to its path.
func (r *pmlReader) appendFilter(tail []byte) bool {
	if len(tail) < 2 {
		return true
	}
	filter, _, ok := lengthText(tail)
	if len(filter.raw) > 0 {
		if n := len(r.path); n == 0 || r.path[n-1] != '\\' {
			r.path = append(r.path, '\\')
		}
		r.path = filter.append(r.path)
	}
	return ok
}

func (r *pmlReader) registryDetails(b *event.Batch, e *pmlEvent, op *operation, d []byte) bool {
	if len(d) < int(op.path) {
		return len(d) == 0
	}
	if len(d) < 2 {
		return op.path == 0
	}
	path, next, ok := detailText(d, int(op.path), le.Uint16(d))
	r.putPath(b, path)
	if r.texts && ok {
		r.registryText(&r.text, e.code, d, d[next:], r.out)
	}
	category := op.category
	if e.code == opRegCreateKey {
		category = catRead
		if len(r.out) >= 8 && le.Uint32(r.out[4:]) == 1 { // REG_CREATED_NEW_KEY
			category = catWrite
		}
	}
	r.putCategory(b, category)
	return ok
}

// putPath puts the usual path, which needs no copy in between.
func (r *pmlReader) putPath(b *event.Batch, t pmlText) {
	if raw, ok := t.plain(); ok {
		r.putStr(b, event.ProcmonPath, raw)
		return
	}
	r.path = t.append(r.path)
}

func (r *pmlReader) putCategory(b *event.Batch, category string) {
	if category != "" && r.o.Fields.Has(event.ProcmonCategory) {
		b.PutText(event.ProcmonCategory, category)
	}
}

func (r *pmlReader) putFileCategory(b *event.Batch, e *pmlEvent, op *operation, p *fileParams) {
	category := op.category
	switch {
	case e.code == opCreateFile:
		category = createCategory(p)
	case e.code == opFSControl:
		category = controlCategory(p.u32(24, 32))
	case e.code == opSetInformation && (p.d[0] == subDisposition || p.d[0] == subDispositionEx):
		category = catWrite
	}
	r.putCategory(b, category)
}

// createCategory says whether a CreateFile wrote: by what it did, or if that isn't known by what it was to do.
func createCategory(p *fileParams) string {
	// FILE_SUPERSEDED, FILE_OPENED, FILE_CREATED, FILE_OVERWRITTEN, FILE_EXISTS, FILE_DOES_NOT_EXIST
	did := [...]string{catWrite, "", catWrite, catWrite, "", ""}
	if len(p.out) >= 4 {
		if v := le.Uint32(p.out); int64(v) < int64(len(did)) {
			return did[v]
		}
	}
	if toDo := p.u32(20, 24) >> 24; toDo == 1 || toDo > 5 { // FILE_OPEN
		return ""
	}
	return catWrite
}

// decodePMLCreate gives the process that a Process Create or Process Defined event describes, nil when it is cut off.
func decodePMLCreate(d []byte) *pmlProcess {
	if len(d) < pmlCreateSize {
		return nil
	}
	p := &pmlProcess{
		index: le.Uint32(d), pid: le.Uint32(d[4:]), parent: le.Uint32(d[8:]), parentPID: le.Uint32(d[0xc:]), session: le.Uint32(d[0x10:]),
		is64: le.Uint32(d[0x14:]) != 0, logon: le.Uint64(d[0x20:]), virtualized: le.Uint32(d[0x28:]),
	}
	p.start, _ = pmlTime(le.Uint64(d[0x18:]))
	sid, path := int(d[0x2c]), pmlCreateSize+int(d[0x2c])+int(d[0x2d])
	if len(d) < path {
		return nil
	}
	p.sid = appendSID(nil, d[pmlCreateSize:pmlCreateSize+sid])
	t, next, ok := detailText(d, path, le.Uint16(d[0x2e:]))
	if !ok {
		return nil
	}
	p.path = t.append(nil)
	t, _, ok = detailText(d, next, le.Uint16(d[0x30:]))
	if !ok {
		return nil
	}
	p.command = t.append(nil)
	p.name = p.path[bytes.LastIndexByte(p.path, '\\')+1:]
	return p
}

// appendSID appends a binary SID as S-1-5-21-...; nothing if it isn't one.
func appendSID(dst, d []byte) []byte {
	if len(d) < 8 || d[0] != 1 || len(d) != 8+4*int(d[1]) {
		return dst
	}
	authority := uint64(binary.BigEndian.Uint16(d[2:]))<<32 | uint64(binary.BigEndian.Uint32(d[4:]))
	dst = strconv.AppendUint(append(dst, "S-1-"...), authority, 10)
	for d = d[8:]; len(d) > 0; d = d[4:] {
		dst = strconv.AppendUint(append(dst, '-'), uint64(le.Uint32(d)), 10)
	}
	return dst
}
