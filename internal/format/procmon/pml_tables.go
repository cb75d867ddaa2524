package procmon

// The tables behind the events of a PML:
//
//	strings   u32 number, u32 offset of each from the start of the table; there u32 bytes and UTF-16, closed by a NUL (by
//	          none or two in version 7).
//	processes u32 number n, n process indexes, n offsets from the start of the table; there 0 index, 4 PID, 8 parent's PID,
//	          0xc parent's index, 0x10 logon, 0x18 session, 0x20 and 0x28 FILETIMEs of start and end, 0x30 virtualized, 0x34
//	          64-bit, then indexes of strings: 0x38 integrity, user, name, path, command line, company, version,
//	          description. Two icons and the modules follow. The index of a parent can be that of a process that had gone.
//	hosts     u32 number; 16 bytes address (IPv4: the first 4), u32 bytes, UTF-16. Addresses without a name have none or
//	          themselves as text. Behind them the ports: u32 number; u16 port, u16 1 for TCP, u32 bytes, UTF-16. A log saved
//	          with a filter still names every host of the whole capture.

import (
	"bytes"
	"fmt"
	"net/netip"

	"culprit/internal/event"
)

// Bounds on what a hostile file can make us hold.
const (
	pmlProcessMax = 1 << 18
	pmlHostMax    = 1 << 17
	pmlStringMax  = 64 << 10  // bytes; no path or command line of Windows is longer
	pmlNameMax    = 1 << 10   // bytes of the name of a host or port; DNS allows half of it
	pmlTextMax    = 128 << 20 // bytes of all strings of processes; the offsets of a table may all point at the same long one
	pmlEntrySize  = 0x58      // bytes of a process entry that are read
)

// A pmlProcess is an entry of the process table, or what events told of a process that has none.
type pmlProcess struct {
	index, pid, parent, parentPID uint32
	session, virtualized          uint32
	is64                          bool
	logon                         uint64
	start, end                    int64 // 0 unknown
	off                           int64
	blank                         bool // nothing but the index is known
	pidOnly                       bool // and the PID

	integrity, user, name, path, command, company, version, description []byte
	sid                                                                 []byte // as text, of a process learnt from an event
	modules                                                             []pmlModule

	texts []textField // what every event of it gets; built at its first event
	longs []longField
	built bool

	fields []event.Field // those fields, and the ones all events get
	batch  int           // the batch that has them, by the reader's count
	row    int           // and its event
}

type textField struct {
	f event.Field
	v []byte
}

type constField struct {
	f event.Field
	v string
}

type longField struct {
	f event.Field
	v int64
}

// A pmlHost is an entry of the host table that has a text.
type pmlHost struct {
	addr   netip.Addr
	shown  []byte // as Process Monitor shows it
	domain []byte // in lower case without a final dot, nil when the text is but the address
	off    int64
	row    int64
}

type pmlPort struct {
	port uint16
	tcp  bool
}

// readTables reads the processes, hosts and ports as far as they are there.
func (r *pmlReader) readTables() {
	h := &r.header
	if h.processes != 0 && h.strings != 0 && r.readProcessTable() != 0 {
		r.endsEarly("process", h.processes)
	}
	if h.hosts != 0 && !r.readHostTable() {
		r.endsEarly("host", h.hosts)
	}
}

func (r *pmlReader) endsEarly(table string, off int64) {
	r.early = append(r.early, event.Bad{Offset: off, Err: fmt.Sprintf("the %s table ends early: the file has %d bytes", table, r.size)})
}

// readProcessTable gives how many processes, or strings of them, are missing.
func (r *pmlReader) readProcessTable() (missing int) {
	base := r.header.processes
	n, ok := r.win.u32(base)
	if !ok || int64(n) > (r.size-base)/8 {
		return 1
	}
	if n > pmlProcessMax {
		r.notes = append(r.notes, fmt.Sprintf("the process table claims %d processes: the first %d are read", n, pmlProcessMax))
	}
	texts := pmlStrings{r: r, got: map[uint32][]byte{}}
	for i := range int64(min(n, pmlProcessMax)) {
		rel, ok := r.win.u32(base + 4 + int64(n)*4 + i*4)
		if !ok {
			return missing + 1
		}
		p := r.readProcessEntry(base+int64(rel), &texts)
		if p == nil {
			missing++
			continue
		}
		if r.o.Display || r.o.Fields.Has(event.ProcmonStack) || r.o.Fields.Has(event.ProcmonModules) {
			p.modules = r.readModules(p.off, &texts)
		}
		if p.pid == systemPID {
			r.system = p
		}
		r.processes = append(r.processes, p)
		r.byIndex[p.index] = p
	}
	return missing + texts.missing
}

func (r *pmlReader) readProcessEntry(off int64, texts *pmlStrings) *pmlProcess {
	b, ok := r.win.get(off, pmlEntrySize)
	if !ok {
		return nil
	}
	p := &pmlProcess{
		off: off, index: le.Uint32(b), pid: le.Uint32(b[4:]), parentPID: le.Uint32(b[8:]), parent: le.Uint32(b[0xc:]),
		logon: le.Uint64(b[0x10:]), session: le.Uint32(b[0x18:]), virtualized: le.Uint32(b[0x30:]), is64: le.Uint32(b[0x34:]) != 0,
	}
	p.start, _ = pmlTime(le.Uint64(b[0x20:]))
	p.end, _ = pmlTime(le.Uint64(b[0x28:]))
	var ids [8]uint32
	for i := range ids {
		ids[i] = le.Uint32(b[0x38+4*i:])
	}
	for i, v := range []*[]byte{&p.integrity, &p.user, &p.name, &p.path, &p.command, &p.company, &p.version, &p.description} {
		*v = texts.get(ids[i])
	}
	return p
}

// pmlStrings reads strings of the string table when they are asked for, each once: of the table's thousands, most are of
// modules.
type pmlStrings struct {
	r       *pmlReader
	got     map[uint32][]byte
	bytes   int
	missing int
}

func (s *pmlStrings) get(i uint32) []byte {
	if v, ok := s.got[i]; ok {
		return v
	}
	v, ok := s.read(i)
	if s.bytes += len(v); s.bytes > pmlTextMax {
		v, ok = nil, false
	}
	if !ok {
		s.missing++
	}
	s.got[i] = v
	return v
}

func (s *pmlStrings) read(i uint32) ([]byte, bool) {
	win, base := &s.r.win, s.r.header.strings
	n, ok := win.u32(base)
	if !ok || i >= n {
		return nil, false
	}
	rel, ok := win.u32(base + 4 + int64(i)*4)
	if !ok {
		return nil, false
	}
	size, ok := win.u32(base + int64(rel))
	if !ok {
		return nil, false
	}
	b, ok := win.get(base+int64(rel)+4, int(min(size, pmlStringMax)))
	return appendUTF16(nil, trimNUL16(b)), ok
}

// readHostTable reads the hosts and the ports behind them; false when they end early.
func (r *pmlReader) readHostTable() bool {
	off, ok := r.readHosts(r.header.hosts)
	return ok && r.readPorts(off)
}

func (r *pmlReader) readHosts(off int64) (next int64, ok bool) {
	r.hostOf = map[[16]byte]*pmlHost{}
	n, ok := r.win.u32(off)
	off += 4
	for row := int64(1); ok && row <= int64(n); row++ {
		h := &pmlHost{off: off, row: row}
		var key [16]byte
		key, h.shown, off, ok = r.readHostEntry(off)
		if !ok || len(h.shown) == 0 || len(r.hosts) >= pmlHostMax {
			continue
		}
		h.addr = hostAddr(key)
		if h.addr.String() != string(h.shown) {
			h.domain = bytes.TrimSuffix(bytes.ToLower(h.shown), []byte{'.'})
		}
		r.hostOf[key] = h
		r.hosts = append(r.hosts, h)
	}
	return off, ok
}

func (r *pmlReader) readPorts(off int64) bool {
	r.portNames = map[pmlPort][]byte{}
	n, ok := r.win.u32(off)
	off += 4
	for row := uint32(0); ok && row < n; row++ {
		b, there := r.win.get(off, 8)
		if !there {
			return false
		}
		key := pmlPort{le.Uint16(b), le.Uint16(b[2:]) != 0}
		size := int64(le.Uint32(b[4:]))
		if b, ok = r.win.get(off+8, int(min(size, pmlNameMax))); ok {
			r.portNames[key] = appendUTF16(nil, trimNUL16(b))
		}
		off += 8 + size
	}
	return ok
}

func (r *pmlReader) readHostEntry(off int64) (key [16]byte, name []byte, next int64, ok bool) {
	b, ok := r.win.get(off, 20)
	if !ok {
		return key, nil, off, false
	}
	key = [16]byte(b)
	size := int64(le.Uint32(b[16:]))
	b, ok = r.win.get(off+20, int(min(size, pmlNameMax)))
	return key, appendUTF16(nil, trimNUL16(b)), off + 20 + size, ok
}

// hostAddr tells the two kinds of addresses of the host table apart: an IPv4 address is followed by zeros, and no IPv6
// address that is in use ends in 96 zero bits.
func hostAddr(key [16]byte) netip.Addr {
	if [12]byte(key[4:]) == [12]byte{} {
		return netip.AddrFrom4([4]byte(key[:]))
	}
	return netip.AddrFrom16(key)
}

// processOf gives the process of an index; one that nobody knows is blank.
func (r *pmlReader) processOf(index uint32) *pmlProcess {
	if p := r.last; p != nil && p.index == index {
		return p
	}
	p := r.byIndex[index]
	if p == nil {
		r.stranger = pmlProcess{index: index, blank: true, texts: r.stranger.texts[:0], longs: r.stranger.longs[:0]}
		p = &r.stranger
	}
	if !p.built {
		r.build(p)
	}
	r.last = p
	return p
}

// build prepares what every event of a process gets, so that an event costs copies only.
func (r *pmlReader) build(p *pmlProcess) {
	p.built = true
	text := func(f event.Field, v []byte) {
		if !r.o.Display {
			v = bytes.TrimRight(v, " ") // command lines and version resources often end in blanks
		}
		if len(v) > 0 && r.o.Fields.Has(f) {
			p.texts = append(p.texts, textField{f, v})
		}
	}
	long := func(f event.Field, v int64, ok bool) {
		if ok && r.o.Fields.Has(f) {
			p.longs = append(p.longs, longField{f, v})
		}
	}
	text(event.ProcessEntityID, fmt.Appendf(nil, "procmon:%d", p.index))
	if p.blank {
		return
	}
	long(event.ProcessPID, int64(p.pid), true)
	if p.pidOnly {
		return
	}
	text(event.ProcessName, p.name)
	text(event.ProcessExecutable, p.path)
	text(event.ProcessCommandLine, p.command)
	text(event.ProcessTitle, p.description)
	text(event.ProcessPECompany, p.company)
	text(event.ProcessPEDescription, p.description)
	text(event.ProcessPEFileVersion, p.version)
	domain, user := splitUser(p.user)
	text(event.UserName, user)
	text(event.UserDomain, domain)
	text(event.UserID, p.sid)
	text(event.ProcmonIntegrity, p.integrity)
	text(event.ProcmonAuthenticationID, fmt.Appendf(nil, "%08x:%08x", p.logon>>32, uint32(p.logon)))
	text(event.ProcmonVirtualized, virtualizedText(p.virtualized))
	text(event.ProcmonArchitecture, []byte(architectures[p.is64]))
	long(event.ProcmonSession, int64(p.session), true)
	long(event.ProcessStart, p.start, p.start != 0)
	long(event.ProcessEnd, p.end, p.end != 0)
	r.buildParent(p, text, long)
}

// buildParent finds the parent by its index: its PID may have been another process's since. A process without a parent has
// its own index there.
func (r *pmlReader) buildParent(p *pmlProcess, text func(event.Field, []byte), long func(event.Field, int64, bool)) {
	if p.parent == p.index {
		return
	}
	long(event.ProcessParentPID, int64(p.parentPID), true)
	text(event.ProcessParentEntityID, fmt.Appendf(nil, "procmon:%d", p.parent))
	if q := r.byIndex[p.parent]; q != nil && q.pid == p.parentPID {
		text(event.ProcessParentName, q.name)
		text(event.ProcessParentExecutable, q.path)
		text(event.ProcessParentCommandLine, q.command)
	}
}

var architectures = map[bool]string{false: "32-bit", true: "64-bit"}

func virtualizedText(v uint32) []byte {
	switch v {
	case 0:
		return []byte("False")
	case 1:
		return []byte("True")
	}
	return []byte("n/a") // systems before Windows Vista
}

// splitUser splits DOMAIN\user.
func splitUser(s []byte) (domain, user []byte) {
	if i := bytes.IndexByte(s, '\\'); i >= 0 {
		return s[:i], s[i+1:]
	}
	return nil, s
}

// readProcess gives a row of the process table.
func (r *pmlReader) readProcess(b *event.Batch) bool {
	if r.next >= int64(len(r.processes)) {
		return true
	}
	p := r.processes[r.next]
	r.next++
	r.beginRow(b, "procmon.processes", event.RoleProcess, r.next, p.off)
	r.list(b, event.EventCategory, "process")
	r.list(b, event.EventType, "info")
	r.putText(b, event.HostOSVersion, r.header.windows)
	if !p.built { // not by its index, which a damaged table may have twice
		r.build(p)
	}
	r.putProcess(b, p)
	r.putModules(b, p)
	return false
}

// readHost gives a row of the host table that names an address.
func (r *pmlReader) readHost(b *event.Batch) bool {
	for r.next < int64(len(r.hosts)) {
		h := r.hosts[r.next]
		r.next++
		if h.addr.IsUnspecified() || len(h.domain) == 0 {
			continue
		}
		r.beginRow(b, "procmon.hosts", event.RoleName, h.row, h.off)
		r.list(b, event.EventCategory, "network")
		r.list(b, event.EventType, "info")
		r.putStr(b, event.NameValue, h.domain)
		r.putText(b, event.NameFrom, "procmon")
		if r.o.Fields.Has(event.NameIP) {
			b.AddAddr(event.NameIP, h.addr)
		}
		return false
	}
	return true
}

// beginRow begins an event that is a row of a table.
func (r *pmlReader) beginRow(b *event.Batch, dataset, role string, row, off int64) {
	b.Next()
	b.PutInt(event.Record, row)
	b.PutInt(event.LogOffset, off)
	b.PutText(event.Role, role)
	r.putText(b, event.EventKind, "state")
	r.putText(b, event.EventProvider, "Procmon")
	r.putText(b, event.EventDataset, dataset)
	r.putText(b, event.TimeBasis, event.BasisUTC)
	r.putStr(b, event.HostName, r.header.computer)
}

// putProcess copies what is known of a process into the current event, a row of a table.
func (r *pmlReader) putProcess(b *event.Batch, p *pmlProcess) {
	for i := range p.texts {
		b.PutStr(p.texts[i].f, p.texts[i].v)
	}
	for i := range p.longs {
		b.PutInt(p.longs[i].f, p.longs[i].v)
	}
}

// putSubject gives the current event what all events say and what is known of its process. Only the first of a process's
// events in a batch needs copies.
func (r *pmlReader) putSubject(b *event.Batch, p *pmlProcess) {
	if p.batch == r.batches {
		b.Repeat(p.row, p.fields)
		return
	}
	for i := range r.every {
		b.PutText(r.every[i].f, r.every[i].v)
	}
	r.putProcess(b, p)
	if p == &r.stranger {
		return
	}
	if p.fields == nil {
		for _, c := range r.every {
			p.fields = append(p.fields, c.f)
		}
		for _, c := range p.texts {
			p.fields = append(p.fields, c.f)
		}
		for _, c := range p.longs {
			p.fields = append(p.fields, c.f)
		}
	}
	p.batch, p.row = r.batches, b.Len-1
}

// learn keeps a process that a Process Create or Process Defined event describes, unless a table does. Of the parent such
// an event knows the PID.
func (r *pmlReader) learn(p *pmlProcess) {
	if old := r.byIndex[p.index]; old != nil && !old.pidOnly || r.learnt >= pmlProcessMax || r.learntBytes >= pmlTextMax {
		return
	}
	r.learntBytes += len(p.path) + len(p.command)
	r.byIndex[p.index] = p
	r.learnt++
	if p.parent != p.index && r.byIndex[p.parent] == nil {
		r.byIndex[p.parent] = &pmlProcess{index: p.parent, pid: p.parentPID, pidOnly: true}
	}
	r.last = nil
}
