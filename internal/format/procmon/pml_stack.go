package procmon

// Modules and stacks. Behind the fixed part of an entry of the process table stand a pointer, u32 number of modules, and the
// modules, 64 bytes (32 bit: 56) each: pointer, base (a pointer too), then u32: size, strings of path, version, company and
// description, TimeDateStamp of the PE header; 24 bytes of which the last 8 are a FILETIME. The kernel's modules stand with
// the process of PID 4. Frames of a stack are addresses, innermost first; those above the highest address of user mode, at
// 0x268 of the header, are the kernel's.

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
	"strconv"

	"culprit/internal/event"
)

const (
	pmlModuleMax  = 1 << 19 // of all processes
	systemPID     = 4
	stackCacheLen = 1 << 13
)

// A pmlModule is an image that a process, or the kernel, had in memory.
type pmlModule struct {
	base        uint64
	size, stamp uint32
	path        []byte
}

// A pmlFrame is a frame of a stack with its text, kept because the same frames come again and again.
type pmlFrame struct {
	process uint32 // its index, the system's for the kernel
	known   bool
	address uint64
	text    []byte
}

// A pmlStack says which event of a batch has a stack.
type pmlStack struct {
	hash       uint64
	batch, row int
}

// readModules reads the modules of the process whose entry stands at off.
func (r *pmlReader) readModules(off int64, texts *pmlStrings) []pmlModule {
	pointer, size := int64(4), int64(56)
	if r.header.is64 {
		pointer, size = 8, 64
	}
	off += 0x60 + pointer
	n, ok := r.win.u32(off)
	off += 4
	if !ok || int64(n) > (r.size-off)/size || int(n) > pmlModuleMax-r.modules {
		return nil
	}
	r.modules += int(n)
	modules := make([]pmlModule, 0, n)
	for ; n > 0; n-- {
		b, ok := r.win.get(off, int(size))
		if !ok {
			break
		}
		m := pmlModule{base: uint64(le.Uint32(b[4:]))}
		if r.header.is64 {
			m.base = le.Uint64(b[8:])
		}
		rest := b[2*pointer:]
		m.size, m.stamp = le.Uint32(rest), le.Uint32(rest[20:])
		m.path = texts.get(le.Uint32(rest[4:]))
		if r.o.Display && r.shownBy == 0 && isProcmon(m.path) {
			r.shownBy = procmonVersion(texts.get(le.Uint32(rest[8:])), m.path)
		}
		modules = append(modules, m)
		off += size
	}
	slices.SortStableFunc(modules, func(a, b pmlModule) int { return cmp.Compare(a.base, b.base) })
	return modules
}

// isProcmon says whether a module is Process Monitor's program or driver.
func isProcmon(path []byte) bool {
	const name = "procmon"
	file := path[bytes.LastIndexByte(path, '\\')+1:]
	return len(file) > len(name) && bytes.EqualFold(file[:len(name)], []byte(name))
}

// procmonVersion gives a version as hundreds, 351 for 3.51 and 280 for 2.8.0.0. A driver whose version isn't known has at
// least its own number: 20 came with 2.8, 23 with 3.4.
func procmonVersion(version, path []byte) int {
	major, rest, _ := bytes.Cut(version, []byte{'.'})
	minor, _, _ := bytes.Cut(rest, []byte{'.'})
	if len(major) == 1 && len(minor) > 0 && len(minor) <= 2 {
		if len(minor) == 1 {
			minor = append(bytes.Clone(minor), '0')
		}
		if n, err := strconv.Atoi(string(major) + string(minor)); err == nil {
			return n
		}
	}
	file := bytes.ToLower(path[bytes.LastIndexByte(path, '\\')+1:])
	switch {
	case bytes.HasPrefix(file, []byte("procmon20")):
		return 280
	case bytes.HasPrefix(file, []byte("procmon23")):
		return 340
	}
	return 0
}

// displayName gives an operation's name as the version of Process Monitor shows it that made the log.
func (r *pmlReader) displayName(e *pmlEvent, minor byte, name string) string {
	switch {
	case r.shownBy == 0:
	case e.code == opSetInformation && minor == 0x13 && r.shownBy < 300:
		return "SetAllInformationFile"
	case (e.code == opQueryInformation || e.code == opSetInformation) && minor >= 0x46 && r.shownBy <= 351:
		return unknownName
	}
	return name
}

// putModules puts the modules of a process, with what symbol servers know them by.
func (r *pmlReader) putModules(b *event.Batch, p *pmlProcess) {
	if !r.o.Fields.Has(event.ProcmonModules) {
		return
	}
	for i := range p.modules {
		m := &p.modules[i]
		t := append(r.path[:0], m.path...)
		t = strconv.AppendUint(append(t, " 0x"...), m.base, 16)
		t = strconv.AppendUint(append(t, " 0x"...), uint64(m.size), 16)
		t = strconv.AppendUint(append(t, " 0x"...), uint64(m.stamp), 16)
		b.AddStr(event.ProcmonModules, t)
		r.path = t[:0]
	}
}

// putStack puts the frames of an event. It moves the window.
func (r *pmlReader) putStack(b *event.Batch, e *pmlEvent, p *pmlProcess) {
	if e.frames == 0 || e.frames > pmlStackMax || !r.o.Fields.Has(event.ProcmonStack) {
		return
	}
	size := int(e.detailsAt(r.header.is64)) - pmlEventSize
	d, ok := r.win.get(e.off+pmlEventSize, size)
	if !ok {
		return
	}
	if r.frames == nil {
		r.frames, r.stacks = make([]pmlFrame, stackCacheLen), make([]pmlStack, stackCacheLen)
		r.seed = maphash.MakeSeed()
	}
	// What runs in loops comes with the same stack again and again.
	h := maphash.Bytes(r.seed, d) ^ uint64(p.index)*0x9e3779b97f4a7c15
	s := &r.stacks[h%stackCacheLen]
	if s.hash == h && s.batch == r.batches {
		b.Repeat(s.row, r.stackFields)
		return
	}
	*s = pmlStack{h, r.batches, b.Len - 1}
	for len(d) > 0 {
		var a uint64
		if r.header.is64 {
			a, d = le.Uint64(d), d[8:]
		} else {
			a, d = uint64(le.Uint32(d)), d[4:]
		}
		b.AddStr(event.ProcmonStack, r.frame(a, p))
	}
}

// frame gives a frame's text.
func (r *pmlReader) frame(a uint64, p *pmlProcess) []byte {
	if a > r.header.userMax && r.system != nil {
		p = r.system
	}
	f := &r.frames[(a*0x9e3779b97f4a7c15^uint64(p.index)*0xff51afd7ed558ccd)>>(64-13)]
	if f.known && f.address == a && f.process == p.index {
		return f.text
	}
	*f = pmlFrame{p.index, true, a, f.text[:0]}
	if m := findModule(p.modules, a); m != nil {
		f.text = append(f.text, m.path[bytes.LastIndexByte(m.path, '\\')+1:]...)
		f.text = append(f.text, " + "...)
		a -= m.base
	}
	f.text = strconv.AppendUint(append(f.text, "0x"...), a, 16)
	return f.text
}

// findModule gives the module an address lies in, nil for none.
func findModule(modules []pmlModule, a uint64) *pmlModule {
	i, ok := slices.BinarySearchFunc(modules, a, func(m pmlModule, a uint64) int { return cmp.Compare(m.base, a) })
	if !ok {
		i--
	}
	if i < 0 || a-modules[i].base >= uint64(modules[i].size) {
		return nil
	}
	return &modules[i]
}
