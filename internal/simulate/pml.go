package simulate

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"time"
	"unicode/utf16"
)

// A PML is a header, the events, an array of their offsets, the process table, the strings, the icons, the hosts and ports;
// Procmon wants them in this order and the events' times rising. All integers are little endian. The layout was learnt by
// comparing files that Procmon wrote with its own CSV of them.

// PMLOptions says which Procmon wrote the file, and on what machine.
type PMLOptions struct {
	Version int // 9, or 7 as Windows XP's Procmon wrote; 0: 9
	Bits    int // 64 or 32; 0: 64
}

const (
	pmlHeader  = 0x3a8
	firstIndex = 1025 // of the process table; the numbers mean nothing
)

// A pmlWriter puts a case down as a PML.
type pmlWriter struct {
	*Case
	PMLOptions
	strings map[string]uint32
	order   []string
	seq     [2]uint32 // the driver's counters: of events, of network events
}

// WritePML writes the recording as Procmon saves it.
func (c *Case) WritePML(w io.Writer, o PMLOptions) error {
	if o.Version == 0 {
		o.Version = 9
	}
	if o.Bits == 0 {
		o.Bits = 64
	}
	p := &pmlWriter{Case: c, PMLOptions: o, strings: map[string]uint32{}}
	// Everything but the events is small: it is built first, for the header has to know where it will stand.
	offsets := make([]uint64, 0, len(c.Records))
	at := uint64(pmlHeader)
	var b []byte
	p.restart()
	for i := range c.Records {
		offsets = append(offsets, at)
		b = p.appendEvent(b[:0], &c.Records[i])
		at += uint64(len(b))
	}
	table := p.processes()
	parts := [][]byte{offsetArray(offsets), table, p.stringTable(), make([]byte, 4), p.hosts()}
	starts := []uint64{at}
	for _, part := range parts[:len(parts)-1] {
		starts = append(starts, starts[len(starts)-1]+uint64(len(part)))
	}
	bw := bufio.NewWriterSize(w, 1<<16)
	if _, err := bw.Write(p.header(starts)); err != nil {
		return err
	}
	p.restart()
	for i := range c.Records {
		b = p.appendEvent(b[:0], &c.Records[i])
		if _, err := bw.Write(b); err != nil {
			return err
		}
	}
	for _, part := range parts {
		if _, err := bw.Write(part); err != nil {
			return err
		}
	}
	return bw.Flush()
}

// restart sets the driver's counters to where they stood when the recording began.
func (p *pmlWriter) restart() { p.seq = [2]uint32{0x5f2a91, 0x20000007} }

// header gives the first 0x3A8 bytes; starts are the offset array's, the process table's, the strings', the icons' and the
// hosts' offsets.
func (p *pmlWriter) header(starts []uint64) []byte {
	le := binary.LittleEndian
	h := make([]byte, pmlHeader)
	copy(h, "PML_")
	le.PutUint32(h[4:], uint32(p.Version))
	user := uint64(0x7ffeffff)
	if p.Bits == 64 {
		h[8] = 1
		user = 0x7ffffffeffff
	}
	copy(h[0xc:0x2a], wide(p.Host))
	copy(h[0x2c:0x232], wide(`C:\WINDOWS`))
	le.PutUint32(h[0x234:], uint32(len(p.Records)))
	le.PutUint64(h[0x240:], pmlHeader)
	for i, s := range starts[:4] {
		le.PutUint64(h[0x248+8*i:], s)
	}
	le.PutUint64(h[0x268:], user)
	version := []uint32{284, 10, 0, 19044, 2}
	if p.Version < 9 {
		version = []uint32{284, 5, 1, 2600, 2}
	}
	for i, v := range version {
		le.PutUint32(h[0x270+4*i:], v)
	}
	le.PutUint16(h[0x388:], 0x300) // suite
	h[0x38a] = 1                   // a workstation
	le.PutUint32(h[0x38c:], 8)     // processors
	le.PutUint64(h[0x390:], 16<<30)
	le.PutUint64(h[0x398:], pmlHeader)
	le.PutUint64(h[0x3a0:], starts[4])
	return h
}

func offsetArray(offsets []uint64) []byte {
	b := make([]byte, 0, 5*len(offsets))
	for _, o := range offsets {
		b = append(b, byte(o), byte(o>>8), byte(o>>16), byte(o>>24), byte(o>>32))
	}
	return b
}

func wide(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func filetime(t time.Time) uint64 {
	return uint64(t.Unix()+11644473600)*1e7 + uint64(t.Nanosecond()/100)
}

// intern gives a string's number in the string table.
func (p *pmlWriter) intern(s string) uint32 {
	n, ok := p.strings[s]
	if !ok {
		n = uint32(len(p.order))
		p.strings[s] = n
		p.order = append(p.order, s)
	}
	return n
}

func (p *pmlWriter) stringTable() []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, uint32(len(p.order)))
	head := len(b)
	b = append(b, make([]byte, 4*len(p.order))...)
	for i, s := range p.order {
		le.PutUint32(b[head+4*i:], uint32(len(b)))
		b = appendWide(b, s)
	}
	return b
}

// appendWide writes a string with its size in bytes before it and a NUL behind; an empty one is a size of 0 alone.
func appendWide(b []byte, s string) []byte {
	if s == "" {
		return append(b, 0, 0, 0, 0)
	}
	w := wide(s)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(w)+2))
	return append(append(b, w...), 0, 0)
}

// processes gives the process table: count, indices, offsets from its beginning, entries.
func (p *pmlWriter) processes() []byte {
	le := binary.LittleEndian
	n := len(p.Processes)
	b := le.AppendUint32(nil, uint32(n))
	for i := range n {
		b = le.AppendUint32(b, uint32(firstIndex+i))
	}
	rel := len(b)
	b = append(b, make([]byte, 4*n)...)
	p.intern("") // stands first in Procmon's files
	for i := range p.Processes {
		le.PutUint32(b[rel+4*i:], uint32(len(b)))
		b = p.appendProcess(b, i)
	}
	return b
}

func (p *pmlWriter) appendProcess(b []byte, i int) []byte {
	le := binary.LittleEndian
	ps := &p.Processes[i]
	u32 := func(vs ...uint32) {
		for _, v := range vs {
			b = le.AppendUint32(b, v)
		}
	}
	u32(uint32(firstIndex+i), uint32(ps.PID), uint32(p.parentPID(ps)), uint32(firstIndex+ps.Parent))
	b = le.AppendUint64(b, ps.logon())
	u32(uint32(ps.Session), 0)
	b = le.AppendUint64(b, filetime(p.Wall(ps.Start)))
	end := uint64(0)
	if ps.End > 0 {
		end = filetime(p.Wall(ps.End))
	}
	b = le.AppendUint64(b, end)
	is64 := uint32(p.Bits / 64)
	u32(0, is64, p.intern(ps.integrity()), p.intern(ps.User), p.intern(ps.Name), p.intern(ps.Path), p.intern(ps.Command))
	u32(p.intern(ps.Company), p.intern(ps.Version), p.intern(ps.Title), 0, 0)
	b = p.pointer(b, 1) // its low byte says that the modules follow as an array
	mods := ps.modules()
	u32(uint32(len(mods)))
	for _, m := range mods {
		b = p.pointer(b, 0)
		b = p.pointer(b, uint64(m.base))
		u32(uint32(m.size), p.intern(m.path), p.intern(ps.Version), p.intern(ps.Company), p.intern(ps.Title), 0x5f2b6a30, 0, 0, 0, uint32(m.size))
		b = le.AppendUint64(b, filetime(p.Wall(ps.Start)))
	}
	return b
}

// pointer writes a number as wide as the machine's pointers.
func (p *pmlWriter) pointer(b []byte, v uint64) []byte {
	if p.Bits == 32 {
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(b, v)
}

// hosts gives the names of addresses and ports that Procmon knew when it saved.
func (p *pmlWriter) hosts() []byte {
	le := binary.LittleEndian
	var addrs []netip.Addr
	type port struct {
		number uint16
		tcp    uint16
	}
	var ports []port
	for i := range p.Records {
		r := &p.Records[i]
		if ops[r.Op].class != classNetwork {
			continue
		}
		local, remote := p.Ends(r)
		for _, e := range []netip.AddrPort{local, remote} {
			pt := port{number: e.Port()}
			if r.Op.TCP() {
				pt.tcp = 1
			}
			addrs, ports = append(addrs, e.Addr()), append(ports, pt)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	slices.SortFunc(ports, func(a, b port) int { return int(a.tcp)<<16 + int(a.number) - int(b.tcp)<<16 - int(b.number) })
	ports = slices.Compact(ports)
	b := le.AppendUint32(nil, uint32(len(addrs)))
	for _, a := range addrs {
		b = append(b, address(a)...)
		b = appendWide(b, p.hostName(a))
	}
	b = le.AppendUint32(b, uint32(len(ports)))
	for _, pt := range ports {
		b = le.AppendUint16(b, pt.number)
		b = le.AppendUint16(b, pt.tcp)
		name := service(pt.number, pt.tcp == 1)
		if name == "" {
			name = netip.AddrPortFrom(netip.IPv4Unspecified(), pt.number).String()[len("0.0.0.0:"):]
		}
		b = appendWide(b, name)
	}
	return b
}

// address is an address in the 16 bytes a PML has for it.
func address(a netip.Addr) []byte { return append(a.AsSlice(), make([]byte, 16-len(a.AsSlice()))...) }

// appendEvent writes one event: header, detail and, for some, what the call gave back. There are no stacks.
func (p *pmlWriter) appendEvent(b []byte, r *Record) []byte {
	le := binary.LittleEndian
	op := &ops[r.Op]
	head := len(b)
	counter := 0
	if op.class == classNetwork {
		counter = 1
	}
	b = append(b, make([]byte, 52)...)
	le.PutUint32(b[head:], uint32(firstIndex)+uint32(r.Proc))
	le.PutUint32(b[head+4:], r.TID)
	le.PutUint32(b[head+8:], op.class)
	le.PutUint16(b[head+0xc:], op.code)
	le.PutUint32(b[head+0x10:], p.seq[counter])
	p.seq[counter]++
	le.PutUint64(b[head+0x14:], uint64(r.Took/100))
	le.PutUint64(b[head+0x1c:], filetime(p.Wall(r.At)))
	le.PutUint32(b[head+0x24:], r.Status)
	var back []byte
	switch op.class {
	case classRegistry:
		b, back = p.appendRegistry(b, r)
	case classFile:
		b, back = p.appendFile(b, r)
	case classProcess:
		b = p.appendLifeDetail(b, r)
	default:
		b = p.appendNetwork(b, r)
	}
	le.PutUint32(b[head+0x2c:], uint32(len(b)-head-52))
	if back != nil {
		le.PutUint32(b[head+0x30:], uint32(len(b)-head))
		b = le.AppendUint16(b, uint16(len(back)))
		b = append(b, back...)
	}
	return b
}

// text gives a string as a detail holds it, and the length word that says which it is: ASCII if that does.
func text(s string) (uint16, []byte) {
	for i := range len(s) {
		if s[i] >= 0x80 {
			w := wide(s)
			return uint16(len(w) / 2), w
		}
	}
	return 0x8000 | uint16(len(s)), []byte(s)
}

// words appends 16-bit and 32-bit numbers.
func words(b []byte, vs ...any) []byte {
	for _, v := range vs {
		switch v := v.(type) {
		case uint16:
			b = binary.LittleEndian.AppendUint16(b, v)
		case uint32:
			b = binary.LittleEndian.AppendUint32(b, v)
		case uint64:
			b = binary.LittleEndian.AppendUint64(b, v)
		}
	}
	return b
}

const dword = uint32(4) // REG_DWORD, and its size

func (p *pmlWriter) appendRegistry(b []byte, r *Record) (detail, back []byte) {
	info, path := text(r.Path)
	if r.Op == RegCloseKey { // nothing but the path, and two bytes
		return words(append(words(b, info), path...), uint16(0)), nil
	}
	b = words(b, info, uint16(0))
	switch r.Op {
	case RegOpenKey:
		b = words(b, uint32(0x20019)) // KEY_READ
	case RegQueryValue:
		length := uint32(144)
		if r.Status == statusSuccess {
			back = words(nil, uint32(0), dword, dword, uint32(r.Arg)) // KEY_VALUE_PARTIAL_INFORMATION
		}
		b = words(b, length, uint32(2))
	case RegSetValue:
		b = words(b, dword, dword, dword)
	}
	b = append(b, path...)
	if r.Op == RegSetValue {
		b = words(b, uint32(r.Arg))
	}
	return b, back
}

func (p *pmlWriter) appendFile(b []byte, r *Record) (detail, back []byte) {
	le := binary.LittleEndian
	wide64 := p.Bits / 64 * 4 // what a pointer has more
	params := make([]byte, 28+20*(p.Bits/64))
	sub, flags := byte(0), uint32(0x60000) // normal priority
	switch r.Op {
	case CreateFile:
		flags |= 0x884
		le.PutUint32(params[4+wide64:], 0x01200000)
		le.PutUint16(params[10+2*wide64:], 7)
		back = words(nil, uint32(1))
	case ReadFile, WriteFile:
		flags |= 0xa00
		le.PutUint32(params, uint32(r.Arg))
		le.PutUint64(params[8+2*wide64:], uint64(r.Offset))
		if r.Op == ReadFile {
			flags ^= 0x300
			back = words(nil, uint32(r.Arg))
		}
	case QueryBasicInformationFile:
		sub = 4
		for i := range 4 {
			back = words(back, filetime(p.fileTimes().Add(time.Duration(i)*time.Minute)))
		}
		back = words(back, uint32(0x20), uint32(0))
	case CloseFile:
		flags |= 0x404
	}
	if r.Status != statusSuccess {
		back = nil
	}
	b = append(b, sub, 0, 0, 0, 0, 0, 0, 0)
	b = words(b, flags, uint32(1)) // 1: an IRP
	b = append(b, params...)
	info, path := text(r.Path)
	b = words(b, info, uint16(0))
	b = append(b, path...)
	if r.Op == CreateFile {
		return words(b, uint32(0x80), uint32(0), uint32(0)), back // access, no impersonation
	}
	return words(b, uint32(0)), back
}

// sids of the users and of the levels of integrity.
var (
	userSID   = []byte{1, 5, 0, 0, 0, 0, 0, 5, 0x15, 0, 0, 0, 0xd7, 0x90, 0xe9, 0xdc, 0x47, 0x68, 0xf3, 0x62, 0x6f, 0xd4, 0x81, 0x2e, 0xe9, 3, 0, 0}
	mediumSID = []byte{1, 1, 0, 0, 0, 0, 0, 0x10, 0, 0x20, 0, 0}
)

func (p *pmlWriter) appendLifeDetail(b []byte, r *Record) []byte {
	ps := &p.Processes[r.Proc]
	switch r.Op {
	case ProcessCreate:
		child := &p.Processes[r.Arg]
		b = words(b, uint32(firstIndex)+uint32(r.Arg), uint32(child.PID), uint32(firstIndex)+uint32(r.Proc), uint32(ps.PID), uint32(child.Session), uint32(p.Bits/64))
		b = words(b, filetime(p.Wall(child.Start)), child.logon(), uint32(0))
		b = append(b, byte(len(userSID)), byte(len(mediumSID)))
		path, command := wide(child.Path), wide(child.Command)
		b = words(b, uint16(len(path)/2), uint16(len(command)/2), uint16(0))
		return slices.Concat(b, userSID, mediumSID, path, command, []byte{0, 0})
	case ProcessStart:
		b = words(b, uint32(p.parentPID(ps)))
		if p.Version < 9 {
			return b
		}
		command, dir := wide(ps.Command), wide(startDirectory)
		var env []byte
		for _, e := range p.environment() {
			env = append(append(env, wide(e)...), 0, 0)
		}
		b = words(b, uint16(len(command)/2), uint16(len(dir)/2), uint32(len(env)/2))
		return slices.Concat(b, command, dir, env)
	case ProcessExit:
		b = words(b, uint32(0), uint64(kernelTime), uint64(0))
		return words(b, uint64(workingSet), uint64(workingSet), uint64(workingSet), uint64(workingSet))
	case ThreadCreate:
		return words(b, uint32(r.Arg))
	}
	b = p.pointer(b, uint64(r.Offset))
	info, path := text(r.Path)
	b = words(b, uint32(r.Arg), info, uint16(0))
	return append(b, path...)
}

func (p *pmlWriter) appendNetwork(b []byte, r *Record) []byte {
	local, remote := p.Ends(r)
	flags := uint16(0)
	if local.Addr().Is4() {
		flags = 3
	}
	if r.Op.TCP() {
		flags |= 4
	}
	b = words(b, flags, uint16(0), uint32(r.Arg))
	b = append(append(b, address(local.Addr())...), address(remote.Addr())...)
	b = words(b, local.Port(), remote.Port())
	if p.Version >= 9 {
		for _, pr := range p.pairs(r) {
			b = append(append(b, wide(pr.name)...), 0, 0)
			b = append(append(b, wide(pr.value)...), 0, 0)
		}
	}
	return append(b, make([]byte, 8)...)
}
