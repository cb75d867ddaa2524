package procmon

import (
	"bytes"
	"flag"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// A builtPML is a PML to be written. It writes no more of the format than tests need: no stacks' meaning, no icons, no
// modules.
type builtPML struct {
	version   uint32
	is64      bool
	computer  string
	processes []builtProcess
	events    []builtEvent
	hosts     []builtHost
	ports     []builtPort
	shuffle   bool // events out of order and result blobs far away, as in version 7
}

type builtProcess struct {
	index, pid, ppid, parent                                            uint32
	start, end                                                          time.Time
	name, path, command, user, integrity, company, version, description string
	is64                                                                bool
}

type builtEvent struct {
	process, thread, class uint32
	code                   uint16
	status                 uint32
	frames                 int
	details, result        []byte
}

type builtHost struct {
	addr string
	name string
}

type builtPort struct {
	port uint16
	tcp  bool
	name string
}

var builtAt = time.Date(2026, 3, 1, 12, 0, 0, 123456700, time.UTC)

func fileTime(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.Unix()+11644473600)*1e7 + uint64(t.Nanosecond()/100)
}

func u16s(vs ...uint16) (b []byte) {
	for _, v := range vs {
		b = le.AppendUint16(b, v)
	}
	return b
}

func u32s(vs ...uint32) (b []byte) {
	for _, v := range vs {
		b = le.AppendUint32(b, v)
	}
	return b
}

func u64s(vs ...uint64) (b []byte) {
	for _, v := range vs {
		b = le.AppendUint64(b, v)
	}
	return b
}

func wide(s string) []byte { return u16s(utf16.Encode([]rune(s))...) }

func zeros(n int) []byte { return make([]byte, n) }

// info and text of a string in details: ASCII ones are narrow.
func info(s string) []byte {
	if isASCII(s) {
		return u16s(uint16(len(s)) | 0x8000)
	}
	return u16s(uint16(len(utf16.Encode([]rune(s)))))
}

func text(s string) []byte {
	if isASCII(s) {
		return []byte(s)
	}
	return wide(s)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func addr16(s string) (b [16]byte, v4 bool) {
	a := netip.MustParseAddr(s)
	if a.Is4() {
		copy(b[:], a.AsSlice())
		return b, true
	}
	return a.As16(), false
}

func netDetails(tcp bool, length uint32, left, right string, more ...string) []byte {
	l, r := netip.MustParseAddrPort(left), netip.MustParseAddrPort(right)
	la, l4 := addr16(l.Addr().String())
	ra, r4 := addr16(r.Addr().String())
	var flags uint16
	for i, on := range []bool{l4, r4, tcp} {
		if on {
			flags |= 1 << i
		}
	}
	d := join(u16s(flags, 0), u32s(length), la[:], ra[:], u16s(l.Port(), r.Port()))
	for _, m := range more {
		d = append(d, join(wide(m), u16s(0))...)
	}
	return append(d, u16s(0, 0x1234)...)
}

func (p *builtPML) fileDetails(minor byte, parameter uint32, path string, more ...[]byte) []byte {
	params := zeros(40)
	le.PutUint32(params[16:], parameter)
	if p.is64 {
		params = zeros(60)
		le.PutUint32(params[20:], parameter)
	}
	return join([]byte{minor, 0, 0, 0}, params, info(path), u16s(0), text(path), bytes.Join(more, nil))
}

func regDetails(at int, path string) []byte {
	return join(info(path), zeros(at-2), text(path))
}

func createDetails(index, pid, parent, ppid uint32, start time.Time, path, command string) []byte {
	sid := join([]byte{1, 5, 0, 0, 0, 0, 0, 5}, u32s(21, 1, 2, 3, 1001))
	label := join([]byte{1, 1, 0, 0, 0, 0, 0, 16}, u32s(8192))
	return join(u32s(index, pid, parent, ppid, 1, 0), u64s(fileTime(start), 0x1e0ac), u32s(0),
		[]byte{byte(len(sid)), byte(len(label))}, info(path), info(command), u16s(0), sid, label, text(path), text(command))
}

func startDetails(ppid uint32, command, dir string, env ...string) []byte {
	block := wide(strings.Join(env, "\x00") + "\x00\x00")
	return join(u32s(ppid), info(command), info(dir), u32s(uint32(len(block)/2)), text(command), text(dir), block)
}

// bytes writes the file.
func (p *builtPML) bytes() []byte {
	frame := 4
	if p.is64 {
		frame = 8
	}
	out := zeros(pmlHeaderSize)
	offsets := make([]int, len(p.events))
	order := make([]int, len(p.events))
	for i := range order {
		order[i] = i
	}
	if p.shuffle {
		slices.Reverse(order)
	}
	type far struct{ event, field int }
	var later []far
	for _, i := range order {
		e := p.events[i]
		offsets[i] = len(out)
		sequence, took := uint32(1000+i), uint64(50+i)
		if e.class == classNetwork {
			sequence, took = 0x20000000+uint32(i), 0
		}
		if e.status == statusPending {
			took = 0xfffff80112345678 // whatever memory held
		}
		result := 0
		if e.result != nil && !p.shuffle {
			result = pmlEventSize + frame*e.frames + len(e.details)
		}
		if e.result != nil && p.shuffle {
			later = append(later, far{i, len(out) + 0x30})
		}
		out = append(out, join(u32s(e.process, e.thread, e.class), u16s(e.code, 0x4711), u32s(sequence), u64s(took, fileTime(builtAt.Add(time.Duration(i)*time.Millisecond))),
			u32s(e.status), u16s(uint16(e.frames), 0x4712), u32s(uint32(len(e.details)), uint32(result)), zeros(frame*e.frames), e.details)...)
		if result != 0 {
			out = append(out, join(u16s(uint16(len(e.result))), e.result)...)
		}
	}
	for _, l := range later {
		le.PutUint32(out[l.field:], uint32(len(out)-offsets[l.event]))
		out = append(out, join(u16s(uint16(len(p.events[l.event].result))), p.events[l.event].result)...)
	}
	h := map[int]int{0x240: pmlHeaderSize, 0x248: len(out), 0x398: pmlHeaderSize}
	for _, o := range offsets {
		out = append(out, join(u32s(uint32(o)), []byte{0})...)
	}
	var texts []string
	h[0x250] = len(out)
	out = append(out, p.processTable(&texts)...)
	h[0x258] = len(out)
	out = append(out, p.stringTable(texts)...)
	h[0x260] = len(out)
	out = append(out, u32s(0)...)
	h[0x3a0] = len(out)
	out = append(out, p.hostTable()...)
	p.putHeader(out, h)
	return out
}

func (p *builtPML) putHeader(out []byte, offsets map[int]int) {
	copy(out, "PML_")
	le.PutUint32(out[4:], p.version)
	if p.is64 {
		le.PutUint32(out[8:], 1)
	}
	copy(out[0xc:0x2a], wide(p.computer))
	copy(out[0x2c:], wide(`C:\Windows`))
	le.PutUint32(out[0x234:], uint32(len(p.events)))
	copy(out[0x274:], u32s(10, 0, 19045))
	for at, v := range offsets {
		le.PutUint64(out[at:], uint64(v))
	}
}

func (p *builtPML) processTable(texts *[]string) []byte {
	id := func(s string) uint32 {
		if i := slices.Index(*texts, s); i >= 0 {
			return uint32(i)
		}
		*texts = append(*texts, s)
		return uint32(len(*texts) - 1)
	}
	id("")
	var indexes, places, entries []byte
	for _, x := range p.processes {
		indexes = append(indexes, u32s(x.index)...)
		places = append(places, u32s(uint32(4+8*len(p.processes)+len(entries)))...)
		is64 := uint32(0)
		if x.is64 {
			is64 = 1
		}
		virtualized := uint32(0)
		if p.version < 9 {
			virtualized = 0xffffffff
		}
		entries = append(entries, join(u32s(x.index, x.pid, x.ppid, x.parent), u64s(0x1e0ac), u32s(1, 0x4711), u64s(fileTime(x.start), fileTime(x.end)),
			u32s(virtualized, is64, id(x.integrity), id(x.user), id(x.name), id(x.path), id(x.command), id(x.company), id(x.version), id(x.description), 0, 0),
			u64s(1), u32s(0))...)
	}
	return join(u32s(uint32(len(p.processes))), indexes, places, entries)
}

func (p *builtPML) stringTable(texts []string) []byte {
	var places, body []byte
	for i, s := range texts {
		places = append(places, u32s(uint32(4+4*len(texts)+len(body)))...)
		raw := wide(s + "\x00")
		if s == "" {
			raw = nil
		} else if p.version < 9 && i%2 == 0 {
			raw = wide(s + "\x00\x00")
		}
		body = append(body, join(u32s(uint32(len(raw))), raw)...)
	}
	return join(u32s(uint32(len(texts))), places, body)
}

func (p *builtPML) hostTable() []byte {
	out := u32s(uint32(len(p.hosts)))
	for _, h := range p.hosts {
		key, _ := addr16(h.addr)
		raw := wide(h.name + "\x00")
		out = append(out, join(key[:], u32s(uint32(len(raw))), raw)...)
	}
	out = append(out, u32s(uint32(len(p.ports)))...)
	for _, x := range p.ports {
		tcp := uint16(0)
		if x.tcp {
			tcp = 1
		}
		raw := wide(x.name + "\x00")
		out = append(out, join(u16s(x.port, tcp), u32s(uint32(len(raw))), raw)...)
	}
	return out
}

// invented is a short capture: a program starts another, which writes a file, sets a value and talks to the network.
func invented(version uint32, is64 bool) *builtPML {
	p := &builtPML{version: version, is64: is64, computer: "WS-17", shuffle: version < 9}
	started := builtAt.Add(-time.Hour)
	p.processes = []builtProcess{
		{index: 40, pid: 4, ppid: 0, parent: 41, start: started, name: "System", path: "System", user: `NT AUTHORITY\SYSTEM`, integrity: "System", is64: is64},
		{
			index: 42, pid: 2100, ppid: 900, parent: 39, start: started, name: "Explorer.EXE", path: `C:\Windows\Explorer.EXE`, command: `C:\Windows\Explorer.EXE`,
			user: `WS-17\anna`, integrity: "Medium", company: "Microsoft Corporation", version: "10.0.19041.1", description: "Windows Explorer", is64: is64,
		},
		{
			index: 43, pid: 3344, ppid: 2100, parent: 42, start: builtAt, end: builtAt.Add(90 * time.Millisecond), name: "Ünbekannt.exe", path: `C:\Users\anna\Ünbekannt.exe`,
			command: `"C:\Users\anna\Ünbekannt.exe" /go `, user: `WS-17\anna`, integrity: "Medium",
		},
	}
	p.hosts = []builtHost{
		{"0.0.0.0", "WS-17"},
		{"10.0.0.17", "WS-17.corp.example"},
		{"203.0.113.9", "Bad.Example.NET"},
		{"198.51.100.7", "198.51.100.7"},
		{"10.0.0.255", ""},
		{"fe80::17", "WS-17.corp.example"},
		{"ff02::1:3", "ff02::1:3"},
		{"2001:db8::9", "six.example.net"},
	}
	p.ports = []builtPort{{443, true, "https"}, {53, false, "domain"}, {5355, false, "llmnr"}, {137, false, "netbios-ns"}}
	path := `C:\Users\anna\Ünbekannt.exe`
	start := startDetails(2100, `"`+path+`" /go `, `C:\Users\anna\`, "A=1", "PATH=C:\\Windows")
	if version < 9 {
		start = u32s(2100)
	}
	image := join(zeros(4), u32s(0x50000), info(`C:\Windows\System32\ws2_32.dll`), u16s(0), text(`C:\Windows\System32\ws2_32.dll`))
	if is64 {
		image = append(zeros(4), image...)
	}
	le.PutUint32(image, 0x7ff00000)
	file := func(thread uint32, code uint16, status uint32, d, result []byte) builtEvent {
		return builtEvent{43, thread, classFile, code, status, 7, d, result}
	}
	reg := func(code uint16, status uint32, d, result []byte) builtEvent {
		return builtEvent{43, 77, classRegistry, code, status, 5, d, result}
	}
	net := func(process uint32, code uint16, d []byte) builtEvent {
		return builtEvent{process, 0, classNetwork, code, 0, 3, d, nil}
	}
	p.events = []builtEvent{
		{42, 70, classProcess, opProcessCreate, 0, 12, createDetails(43, 3344, 42, 2100, builtAt, path, `"`+path+`" /go `), nil},
		{43, 70, classProcess, opProcessStart, 0, 12, start, nil},
		{43, 70, classProcess, opThreadCreate, 0, 12, u32s(77), nil},
		{43, 77, classProcess, opLoadImage, 0, 2, image, nil},
		file(77, opCreateFile, 0, p.fileDetails(0, 2<<24, `C:\Users\anna\drop.bin`, u32s(0, 0)), u32s(2)),
		file(77, opCreateFile, 0xc0000034, p.fileDetails(0, 1<<24, `C:\Users\anna\nö.bin`, u32s(0, 0)), nil),
		file(77, 24, 0, p.fileDetails(0, 4096, `C:\Users\anna\drop.bin`), u32s(4096)),
		file(77, opDirectoryControl, 0x80000006, p.fileDetails(1, 0, `C:\Users\anna`, info("*.doc"), text("*.doc")), nil),
		file(77, 25, 0, p.fileDetails(5, 0, `C:\Users\anna\drop.bin`), nil),
		file(77, 26, 0, p.fileDetails(subDispositionEx, 0, `C:\Users\anna\drop.bin`), nil),
		file(77, 25, 0, p.fileDetails(0xee, 0, `C:\Users\anna\drop.bin`), nil),
		file(77, opDirectoryControl, statusPending, p.fileDetails(2, 0, `C:\Users\anna`), nil),
		reg(opRegCreateKey, 0, regDetails(8, `HKCU\Software\Näme`), u32s(0xf003f, 1)),
		reg(5, 0xc0000034, regDetails(12, `HKLM\Software\X\Value`), nil),
		reg(4, 0, join(regDetails(16, `HKCU\Software\Näme\Run`), wide("x")), nil),
		reg(19, 0x368, regDetails(2, `HKLM\Restored`), nil),
		reg(99, 0, regDetails(2, `HKLM\Later`), nil),
		net(43, opSend, netDetails(false, 31, "10.0.0.17:50123", "10.0.0.2:53", "seqnum", "0", "connid", "0")),
		net(43, opConnect, netDetails(true, 0, "10.0.0.17:49700", "203.0.113.9:443", "mss", "1460", "seqnum", "0", "connid", "0")),
		net(43, opSend, netDetails(true, 1350, "10.0.0.17:49700", "203.0.113.9:443", "startime", "1", "endtime", "2", "seqnum", "0", "connid", "0")),
		net(43, 8, netDetails(true, 1350, "10.0.0.17:49700", "203.0.113.9:443")),
		net(43, opReceive, netDetails(true, 1200, "10.0.0.17:49700", "203.0.113.9:443")),
		net(43, 6, netDetails(true, 0, "10.0.0.17:49700", "203.0.113.9:443")),
		net(40, opAccept, netDetails(true, 0, "[fe80::17]:445", "[2001:db8::9]:50001", "mss", "1440")),
		net(40, opReceive, netDetails(false, 40, "[ff02::1:3]:5355", "[fe80::17]:60495")),
		net(40, opReceive, netDetails(false, 50, "10.0.0.255:137", "10.0.0.9:137")),
		net(40, opReceive, netDetails(false, 60, "239.255.255.250:1900", "198.51.100.7:1900")),
		net(43, 7, netDetails(true, 0, "10.0.0.17:49701", "198.51.100.7:80")),
		net(43, 12, netDetails(true, 9, "10.0.0.17:49701", "198.51.100.7:80")),
		{43, 0, classProfiling, 1, 0, 0, u64s(1, 2, 3, 4), nil},
		{43, 9, 8, 3, 0, 0, u32s(5), nil},
		{99, 9, classRegistry, 2, 0, 1, regDetails(2, `HKLM\Nobody`), nil},
		{43, 77, classProcess, opThreadExit, 0, 3, join(u32s(0), u64s(156001, 312002)), nil},
		{43, 77, classProcess, opProcessExit, 0, 3, join(u32s(0xc0000409), u64s(156001, 312002, 3260416, 3543040, 811008, 921600)), nil},
	}
	return p
}

// testdata gives the files of testdata/procmon-pml.
func testdata() map[string][]byte {
	whole := invented(9, true).bytes()
	unclosed := slices.Clone(whole[:le.Uint64(whole[0x248:])])
	for _, at := range []int{0x234, 0x240, 0x248, 0x250, 0x258, 0x260, 0x3a0} {
		clear(unclosed[at : at+8])
	}
	le.PutUint32(unclosed[0x238:], 0)
	gone := unclosed[pmlHeaderSize:] // the first event was not written either: names come from where they can
	noise := bytes.Repeat([]byte{5, 0, 0, 0, 3}, 41)
	damaged := slices.Clone(whole)
	table := int(le.Uint64(whole[0x248:]))
	copy(damaged[table+5*4:], []byte{0xff, 0xff, 0xff, 0xff, 0x7f}) // offset beyond the file
	copy(damaged[table+5*5:], []byte{1, 0, 0, 0, 0})                // and in the header
	at := le.Uint32(damaged[table+5*20:])
	le.PutUint32(damaged[at+0x2c:], 12) // a network event of 12 bytes
	at = le.Uint32(damaged[table+5*13:])
	le.PutUint32(damaged[at+0x2c:], 0x7fffffff)
	at = le.Uint32(damaged[table+5*14:])
	le.PutUint16(damaged[at+pmlEventSize+8*5:], 0x7fff) // a path longer than its event
	later := slices.Clone(whole)
	le.PutUint32(later[4:], 12)
	other := slices.Clone(whole)
	le.PutUint32(other[4:], 12)
	le.PutUint32(other[0x398:], 1234)
	return map[string][]byte{
		"v9-64.pml":         whole,
		"v9-32.pml":         invented(9, false).bytes(),
		"v7-32.pml":         invented(7, false).bytes(),
		"unclosed.pml":      join(unclosed[:pmlHeaderSize], gone),
		"unclosed-gap.pml":  join(unclosed[:pmlHeaderSize], noise, gone[:len(gone)-30]),
		"cut.pml":           whole[:table-60],
		"no-strings.pml":    whole[:le.Uint64(whole[0x258:])+20],
		"empty.pml":         (&builtPML{version: 9, is64: true, computer: "WS-17"}).bytes(),
		"damaged.pml":       damaged,
		"version-12.pml":    later,
		"version-other.pml": other,
		"header-cut.pml":    whole[:500],
	}
}

func TestPML(t *testing.T) {
	update := flag.Lookup("update").Value.String() == "true"
	for name, want := range testdata() {
		name = filepath.Join("testdata", PML.Name, name)
		if update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the test builds (go test -update rewrites it): %v", name, err)
		}
	}
	formattest.Run(t, PML)
}

func FuzzPML(f *testing.F) { formattest.Fuzz(f, PML) }

func BenchmarkPML(b *testing.B) {
	p := invented(9, true)
	one := p.events
	for len(p.events) < 50_000 {
		p.events = append(p.events, one...)
	}
	benchPMLFile(b, p.bytes())
}

func BenchmarkPMLCorpus(b *testing.B) {
	for _, name := range []string{"procmon/LogFileUTC64Filesystem.pml.zst", "procmon/LogFileUTC64Registry.pml.zst", "procmon/LogfileTests32bitUTC.pml.zst"} {
		b.Run(filepath.Base(name), func(b *testing.B) {
			data, err := io.ReadAll(openCorpus(b, name).Stream())
			if err != nil {
				b.Fatal(err)
			}
			benchPMLFile(b, data)
		})
	}
}

// benchPMLFile reads from a file, as users do: formattest.Bench would first copy the whole log to memory.
func benchPMLFile(b *testing.B, data []byte) {
	name := filepath.Join(b.TempDir(), "bench.pml")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		b.Fatal(err)
	}
	net := event.SetOf(event.Timestamp, event.Role, event.SourceIP, event.SourcePort, event.DestinationIP, event.DestinationPort, event.ProcessName, event.ProcessPID, event.ProcmonPath)
	var fields []event.Field
	for f := event.Field(1); f < event.NumFields; f++ {
		if f != event.ProcmonDetailText {
			fields = append(fields, f)
		}
	}
	noDetail := event.SetOf(fields...)
	for _, o := range []struct {
		name string
		format.Options
	}{{"all", format.Options{}}, {"nodetail", format.Options{Fields: noDetail}}, {"few", format.Options{Fields: net}}, {"roles", format.Options{RolesOnly: true}}} {
		b.Run(o.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			events := 0
			batch := &event.Batch{}
			for b.Loop() {
				events += readPMLFile(b, name, batch, o.Options)
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func readPMLFile(b *testing.B, name string, batch *event.Batch, o format.Options) (events int) {
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	src, err := format.NewSource(name, f, info.Size())
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	r, err := PML.Open(src, o)
	if err != nil {
		b.Fatal(err)
	}
	for {
		batch.Reset()
		err := r.Read(batch)
		events += batch.Len + batch.Skipped
		if err == io.EOF {
			return events
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// TestPMLSeveralFields checks that asking for few fields gives the same of them as asking for all.
func TestPMLSeveralFields(t *testing.T) {
	data := invented(9, true).bytes()
	for f := event.Field(1); f < event.NumFields; f++ {
		read := func(o format.Options) (values []string) {
			src, err := format.NewSource("some", bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			eachBatch(t, src, o, func(b *event.Batch) {
				for i := range b.Len {
					values = append(values, string(b.AppendValue(nil, f, i)))
				}
			})
			return values
		}
		all, one := read(format.Options{}), read(format.Options{Fields: event.SetOf(f)})
		if !slices.Equal(all, one) {
			t.Errorf("%s: asked for alone it is %q, with all others %q", f, one, all)
		}
	}
}
