package procmon

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"

	"culprit/internal/event"
)

// readList reads the process list. It is held whole, without its modules, because a parent may stand behind its children.
func (x *xmlReader) readList(b *event.Batch) error {
	for {
		if err := x.scan.seekTag(); err != nil {
			return x.streamError(err)
		}
		if tag := x.scan.tag(); string(tag) == "<event>" {
			return nil
		} else if string(tag) != "<process>" {
			x.scan.pass(tag)
			continue
		}
		_, off, body, err := x.scan.next()
		x.listed++
		switch err {
		case nil:
			x.keep(x.entry(body, off))
		case errCutOff, errTooLong:
			b.AddBad(x.listed, off, fmt.Sprintf("process %d: %v (%d bytes present)", x.listed, err, len(body)))
		default:
			return x.streamError(err)
		}
	}
}

// streamError gives what ends reading, nil for the end of the source: whoever reads next meets it too.
func (x *xmlReader) streamError(err error) error {
	if err == io.EOF {
		return nil
	}
	return fmt.Errorf("at byte %d: %w", x.scan.base+int64(x.scan.pos), err)
}

// keep adds a process to the table.
func (x *xmlReader) keep(p *pmlProcess) {
	r := &x.procs
	size := len(p.integrity) + len(p.user) + len(p.name) + len(p.path) + len(p.command) + len(p.company) + len(p.version) + len(p.description)
	if len(r.processes) >= pmlProcessMax || r.learntBytes+size > pmlTextMax {
		x.dropped++
		return
	}
	r.learntBytes += size
	r.processes = append(r.processes, p)
	r.byIndex[p.index] = p
	r.last = nil
	x.zone.learn(p)
}

// entry reads a process of the list.
func (x *xmlReader) entry(body []byte, off int64) *pmlProcess {
	p := &pmlProcess{off: off}
	var found uint8 // of lackable
	parent := false
	for {
		e, rest, ok := nextElement(body)
		if !ok {
			break
		}
		body = rest
		if e.kind == xmlOpen && string(e.name) == "modulelist" {
			body = x.modules(p, rest)
		}
		if e.kind != xmlLeaf {
			continue
		}
		x.property(p, &e)
		parent = parent || string(e.name) == "ParentProcessIndex"
		for i := range lackable {
			if string(e.name) == lackable[i].name {
				found |= 1 << i
			}
		}
	}
	if !parent {
		p.parent = p.index
	}
	if found != 1<<len(lackable)-1 {
		x.found[p] = found
	}
	return p
}

// lackable are properties that a process table always has, and a list that wasn't made by Procmon may not.
var lackable = [...]struct {
	name  string
	field event.Field
}{
	{"AuthenticationId", event.ProcmonAuthenticationID}, {"IsVirtualized", event.ProcmonVirtualized}, {"Is64bit", event.ProcmonArchitecture},
}

// property takes over what an element says of a process.
func (x *xmlReader) property(p *pmlProcess, e *xmlElement) {
	switch string(e.name) {
	case "ProcessIndex":
		p.index = number32(e.text)
	case "ProcessId":
		p.pid = number32(e.text)
	case "ParentProcessId":
		p.parentPID = number32(e.text)
	case "ParentProcessIndex":
		p.parent = number32(e.text)
	case "AuthenticationId":
		high, low, _ := bytes.Cut(e.text, []byte{':'})
		p.logon = hexNumber(high)<<32 | hexNumber(low)
	case "CreateTime":
		p.start, _ = pmlTime(parseFileTime(e.text))
	case "FinishTime":
		p.end, _ = pmlTime(parseFileTime(e.text))
	case "IsVirtualized":
		p.virtualized = number32(e.text)
	case "Is64bit":
		p.is64 = number32(e.text) != 0
	case "Integrity":
		p.integrity = x.appendText(nil, e)
	case "Owner":
		p.user = x.appendText(nil, e)
	case "ProcessName":
		p.name = x.appendText(nil, e)
	case "ImagePath":
		p.path = x.appendText(nil, e)
	case "CommandLine":
		p.command = x.appendText(nil, e)
	case "CompanyName":
		p.company = x.appendText(nil, e)
	case "Version":
		p.version = x.appendText(nil, e)
	case "Description":
		p.description = x.appendText(nil, e)
	}
}

// modules reads when each module of a process was loaded, which the zone may be solved from, and gives what follows the list.
func (x *xmlReader) modules(p *pmlProcess, body []byte) []byte {
	list, rest, _ := bytes.Cut(body, []byte("</modulelist>"))
	var at uint64
	for !x.zone.full() {
		e, next, ok := nextElement(list)
		if !ok {
			break
		}
		list = next
		switch string(e.name) {
		case "Timestamp":
			at = parseFileTime(e.text)
		case "Path":
			x.text = e.append(x.text[:0])
			x.zone.load(p.index, x.text, at)
		}
	}
	return rest
}

func number32(text []byte) uint32 {
	n, _ := strconv.ParseUint(string(text), 10, 32)
	return uint32(n)
}

func hexNumber(text []byte) uint64 {
	n, _ := strconv.ParseUint(string(text), 16, 32)
	return n
}

// parseFileTime reads a FILETIME; 0 for what is none.
func parseFileTime(text []byte) uint64 {
	n, _ := wholeNumber(text)
	return uint64(n)
}

// readEntry gives the next process of the list as a row of a PML's process table; false when there is none.
func (x *xmlReader) readEntry(b *event.Batch) bool {
	r := &x.procs
	if r.next >= int64(len(r.processes)) {
		return false
	}
	p := r.processes[r.next]
	r.next++
	r.beginRow(b, "procmon.processes", event.RoleProcess, r.next, p.off)
	r.list(b, event.EventCategory, "process")
	r.list(b, event.EventType, "info")
	if x.rows.toUTC == nil && len(x.zone.starts) == 0 { // nothing in the file is UTC
		r.putText(b, event.TimeBasis, x.rows.basis)
	}
	x.build(p)
	r.putProcess(b, p)
	return true
}

// build prepares what every event of a process gets. A session isn't in the list.
func (x *xmlReader) build(p *pmlProcess) {
	if !p.built {
		x.procs.build(p)
		if p.parent == p.index && p.parentPID != 0 && x.o.Fields.Has(event.ProcessParentPID) { // a list without its parent
			p.longs = append(p.longs, longField{event.ProcessParentPID, int64(p.parentPID)})
		}
		p.longs = slices.DeleteFunc(p.longs, func(f longField) bool { return f.f == event.ProcmonSession })
		if found, ok := x.found[p]; ok {
			for i := range lackable {
				if found>>i&1 == 0 {
					p.texts = slices.DeleteFunc(p.texts, func(f textField) bool { return f.f == lackable[i].field })
				}
			}
		}
	}
}
