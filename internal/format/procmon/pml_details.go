package procmon

// Details of events, by class. What Process Monitor shows of them in its Detail column is given here for network, process
// and thread events and images; the rest is path and category.
//
//	file     0 minor code or information class; from 4 the parameters of the operation, five pointers and 20 bytes; then at
//	         44 (32 bit) or 64: u16 text, 2 bytes, the path, and what the operation adds (QueryDirectory: u16 text, its filter).
//	registry u16 text, parameters (16, 32 bit each; see operation.path), the path. RegLoadKey and RegRenameKey have a second text.
//	network  u16 flags: 1 left address is IPv4, 2 right one is, 4 TCP; u16; u32 bytes; 16 bytes left address, 16 right, u16
//	         left port, u16 right; then names and values, UTF-16 closed by NULs, up to an empty name; not in version 7.
//	create   (Create, Defined) 0 process index, 4 PID, 8 parent's index, 0xc parent's PID, 0x10 session, 0x14 64-bit, 0x18
//	         FILETIME of the start, 0x20 logon, 0x28 virtualized, 0x2c and 0x2d bytes of two SIDs, 0x2e and 0x30 texts,
//	         0x34 the SIDs (account, integrity), path, command line.
//	start    u32 parent's PID, texts at 4 and 6, u32 characters of the environment, command line, directory, environment;
//	         in version 7 the parent's PID only.
//	exit     u32 status, kernel time, user time, working set, its peak, private bytes, their peak (8 bytes each).
//	image    base (pointer), u32 size, u16 text, 2 bytes, path. thread create: u32 thread; exit: u32, kernel and user time.

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
		event.EventAction, event.ProcmonPath, event.ProcmonDetail, event.ProcmonCategory, event.ProcessExitCode, event.ProcessWorkingDirectory,
	} {
		if s.Has(f) {
			return true
		}
	}
	return false
}

// putDetails puts path, detail and category of an event that is not a network event, and says what is wrong with it.
func (r *pmlReader) putDetails(b *event.Batch, e *pmlEvent, op *operation, d []byte) (bad string) {
	r.path, r.text = r.path[:0], r.text[:0]
	ok := true
	switch e.class {
	case classFile:
		ok = r.fileDetails(b, e, d)
		r.putCategory(b, e, op, d)
	case classRegistry:
		ok = r.registryDetails(b, op, d)
		r.putCategory(b, e, op, nil)
	case classProcess:
		ok = r.processDetails(b, e, d)
	}
	r.putStr(b, event.ProcmonPath, r.path)
	r.putStr(b, event.ProcmonDetail, r.text)
	if !ok {
		return "its details end too early (" + strconv.Itoa(len(d)) + " bytes)"
	}
	return ""
}

// fileNameAt is where in a file event's details the length of its path stands.
func (r *pmlReader) fileNameAt() int {
	if r.header.is64 {
		return 64
	}
	return 44
}

func (r *pmlReader) fileDetails(b *event.Batch, e *pmlEvent, d []byte) bool {
	at := r.fileNameAt()
	if len(d) < at+4 {
		return len(d) == 0
	}
	t, next, ok := detailText(d, at+4, le.Uint16(d[at:]))
	if e.code != opDirectoryControl {
		r.putPath(b, t)
		return ok
	}
	r.path = t.append(r.path)
	if !ok || d[0] != subQueryDirectory || len(d) < next+2 {
		return ok
	}
	filter, _, ok := detailText(d, next+2, le.Uint16(d[next:]))
	if len(filter.raw) > 0 {
		if n := len(r.path); n == 0 || r.path[n-1] != '\\' {
			r.path = append(r.path, '\\')
		}
		r.path = filter.append(r.path)
	}
	return ok
}

func (r *pmlReader) registryDetails(b *event.Batch, op *operation, d []byte) bool {
	if len(d) < int(op.path) {
		return len(d) == 0
	}
	if len(d) < 2 {
		return op.path == 0
	}
	t, _, ok := detailText(d, int(op.path), le.Uint16(d))
	r.putPath(b, t)
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

// putCategory puts Process Monitor's category. Of control codes (FileSystemControl) it is not known here.
func (r *pmlReader) putCategory(b *event.Batch, e *pmlEvent, op *operation, d []byte) {
	if !r.o.Fields.Has(event.ProcmonCategory) {
		return
	}
	category := op.category
	switch {
	case e.class == classRegistry && e.code == opRegCreateKey:
		category = catRead
		if v, ok := r.result(e, 4); ok && v == 1 { // REG_CREATED_NEW_KEY
			category = catWrite
		}
	case e.class == classFile && e.code == opCreateFile:
		category = r.createCategory(e, d)
	case e.class == classFile && e.code == opSetInformation && len(d) > 0 && (d[0] == subDisposition || d[0] == subDispositionEx):
		category = catWrite
	}
	if category != "" {
		b.PutText(event.ProcmonCategory, category)
	}
}

// createCategory says whether a CreateFile wrote: by what it did, or if that isn't known by what it was to do.
func (r *pmlReader) createCategory(e *pmlEvent, d []byte) string {
	// FILE_SUPERSEDED, FILE_OPENED, FILE_CREATED, FILE_OVERWRITTEN, FILE_EXISTS, FILE_DOES_NOT_EXIST
	did := [...]string{catWrite, "", catWrite, catWrite, "", ""}
	at := 0x14 + 3 // the disposition is the top byte of the second parameter
	if r.header.is64 {
		at = 0x18 + 3
	}
	toDo := byte(1)
	if len(d) > at {
		toDo = d[at]
	}
	if v, ok := r.result(e, 0); ok && int(v) < len(did) {
		return did[v]
	}
	if toDo == 1 || toDo > 5 { // FILE_OPEN
		return ""
	}
	return catWrite
}

// result gives a number of the result blob. The details are gone after it.
func (r *pmlReader) result(e *pmlEvent, at int) (uint32, bool) {
	if e.result == 0 {
		return 0, false
	}
	n, ok := r.win.get(e.off+int64(e.result), 2)
	if !ok || int(le.Uint16(n)) < at+4 {
		return 0, false
	}
	return r.win.u32(e.off + int64(e.result) + 2 + int64(at))
}

func (r *pmlReader) processDetails(b *event.Batch, e *pmlEvent, d []byte) bool {
	switch e.code {
	case opProcessDefined, opProcessCreate:
		return r.createDetails()
	case opProcessStart:
		return r.startDetails(b, d)
	case opProcessExit:
		return r.exitDetails(b, d)
	case opThreadCreate:
		if len(d) < 4 {
			return false
		}
		r.text = strconv.AppendUint(append(r.text, "Thread ID: "...), uint64(le.Uint32(d)), 10)
	case opThreadExit:
		if len(d) < 20 {
			return false
		}
		r.text = strconv.AppendUint(append(r.text, "Thread ID: "...), uint64(e.thread), 10)
		r.text = appendSeconds(append(r.text, ", User Time: "...), le.Uint64(d[12:]))
		r.text = appendSeconds(append(r.text, ", Kernel Time: "...), le.Uint64(d[4:]))
	case opLoadImage:
		return r.imageDetails(d)
	}
	return true
}

func (r *pmlReader) imageDetails(d []byte) bool {
	at := 4
	if r.header.is64 {
		at = 8
	}
	if len(d) < at+8 {
		return false
	}
	base := uint64(le.Uint32(d))
	if r.header.is64 {
		base = le.Uint64(d)
	}
	t, _, ok := detailText(d, at+8, le.Uint16(d[at+4:]))
	r.path = t.append(r.path)
	r.text = strconv.AppendUint(append(r.text, "Image Base: 0x"...), base, 16)
	r.text = strconv.AppendUint(append(r.text, ", Image Size: 0x"...), uint64(le.Uint32(d[at:])), 16)
	return ok
}

func (r *pmlReader) createDetails() bool {
	if r.child == nil {
		return false
	}
	r.path = append(r.path, r.child.path...)
	r.text = strconv.AppendUint(append(r.text, "PID: "...), uint64(r.child.pid), 10)
	r.text = append(append(r.text, ", Command line: "...), r.child.command...)
	return true
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

func (r *pmlReader) startDetails(b *event.Batch, d []byte) bool {
	if len(d) < 4 {
		return false
	}
	r.text = strconv.AppendUint(append(r.text, "Parent PID: "...), uint64(le.Uint32(d)), 10)
	if len(d) < 12 {
		return len(d) == 4 // version 7
	}
	command, next, ok := detailText(d, 12, le.Uint16(d[4:]))
	directory, next, ok2 := detailText(d, next, le.Uint16(d[6:]))
	if !ok || !ok2 {
		return false
	}
	r.text = command.append(append(r.text, ", Command line: "...))
	at := len(r.text)
	r.text = directory.append(append(r.text, ", Current directory: "...))
	r.putStr(b, event.ProcessWorkingDirectory, r.text[at+len(", Current directory: "):])
	if !r.o.Fields.Has(event.ProcmonDetail) {
		return true
	}
	n := 2 * int64(le.Uint32(d[8:]))
	ok = n <= int64(len(d)-next)
	r.text = append(r.text, ", Environment: "...)
	for env := d[next : next+int(min(n, int64(len(d)-next)))]; len(env) >= 2; {
		entry := untilNUL(env)
		if len(entry) == 0 {
			break
		}
		env = env[min(len(entry)+2, len(env)):]
		r.text = appendUTF16(append(r.text, "\r;\t"...), entry)
	}
	return ok
}

func (r *pmlReader) exitDetails(b *event.Batch, d []byte) bool {
	if len(d) < 52 {
		return false
	}
	status := int64(int32(le.Uint32(d)))
	r.putInt(b, event.ProcessExitCode, status)
	r.text = strconv.AppendInt(append(r.text, "Exit Status: "...), status, 10)
	r.text = append(appendSeconds(append(r.text, ", User Time: "...), le.Uint64(d[12:])), " seconds"...)
	r.text = append(appendSeconds(append(r.text, ", Kernel Time: "...), le.Uint64(d[4:])), " seconds"...)
	r.text = appendGrouped(append(r.text, ", Private Bytes: "...), le.Uint64(d[36:]))
	r.text = appendGrouped(append(r.text, ", Peak Private Bytes: "...), le.Uint64(d[44:]))
	r.text = appendGrouped(append(r.text, ", Working Set: "...), le.Uint64(d[20:]))
	r.text = appendGrouped(append(r.text, ", Peak Working Set: "...), le.Uint64(d[28:]))
	return true
}

// appendSeconds appends a time in 100 ns as seconds.
func appendSeconds(dst []byte, t uint64) []byte {
	dst = strconv.AppendUint(dst, t/1e7, 10)
	dst = append(dst, '.')
	for unit := uint64(1e6); unit > 0; unit /= 10 {
		dst = append(dst, '0'+byte(t/unit%10))
	}
	return dst
}

// appendGrouped appends a number with commas between thousands, as Process Monitor does on an English system.
func appendGrouped(dst []byte, v uint64) []byte {
	digits := strconv.AppendUint(make([]byte, 0, 20), v, 10)
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, c)
	}
	return dst
}
