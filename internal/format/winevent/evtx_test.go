package winevent

import (
	"bytes"
	"encoding/binary"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"culprit/internal/format/formattest"
)

func TestEVTXFormat(t *testing.T) {
	writeSamples(t)
	formattest.Run(t, EVTX)
}

func FuzzEVTX(f *testing.F) {
	for _, s := range samples() { // the files are large for their events: the chunk cut behind them says the same
		f.Add(bytes.TrimRight(s, "\x00"))
	}
	formattest.Fuzz(f, EVTX)
}

const (
	start = 132223104000000000 // 2020-01-01 00:00:00 UTC
	xmlns = "http://schemas.microsoft.com/win/2004/08/events/event"
)

func str(s string) val { return val{kind: typeString, data: utf16le(s)} }
func n8(v byte) val    { return val{kind: typeUint8, data: []byte{v}} }
func n16(v uint16) val { return val{kind: typeUint16, data: binary.LittleEndian.AppendUint16(nil, v)} }

func n32(v uint32) val { return val{kind: typeUint32, data: binary.LittleEndian.AppendUint32(nil, v)} }

func n64(k byte, v uint64) val { return val{kind: k, data: binary.LittleEndian.AppendUint64(nil, v)} }

func h32(v uint32) val { return val{kind: typeHex32, data: binary.LittleEndian.AppendUint32(nil, v)} }

func inner(t *tmpl, vals ...val) val {
	return val{kind: typeBinXML, tmpl: t, vals: vals}
}

// sid is S-1-5- and the numbers.
func sid(parts ...uint32) val {
	d := []byte{1, byte(len(parts)), 0, 0, 0, 0, 0, 5}
	for _, p := range parts {
		d = binary.LittleEndian.AppendUint32(d, p)
	}
	return val{kind: typeSID, data: d}
}

func guid(last byte) val {
	d := []byte{0x5f, 0x38, 0x70, 0x57, 0x2a, 0xc2, 0xe0, 0x43, 0xbf, 0x4c, 6, 0xf5, 0x69, 0x8f, 0xfb, last}
	return val{kind: typeGUID, data: d}
}

// eventOf is the template Windows writes every event of a provider with: the data are a value of it.
func eventOf(id uint32, provider, guid, channel string) *tmpl {
	return &tmpl{id, el("Event",
		el("System",
			el("Provider").with("Name", provider, "Guid", guid),
			el("EventID", sub(3, typeUint16)), el("Version", sub(11, typeUint8)), el("Level", sub(0, typeUint8)),
			el("Task", sub(2, typeUint16)), el("Opcode", sub(1, typeUint8)), el("Keywords", sub(5, typeHex64)),
			el("TimeCreated").with("SystemTime", sub(6, typeFileTime)), el("EventRecordID", sub(10, typeUint64)),
			el("Correlation").with("ActivityID", opt(7, typeGUID)),
			el("Execution").with("ProcessID", sub(8, typeUint32), "ThreadID", sub(9, typeUint32)),
			el("Channel", tx(channel)), el("Computer", tx("WS01.example.org")),
			el("Security").with("UserID", opt(12, typeSID))),
		sub(13, typeBinXML)).with("xmlns", xmlns)}
}

var (
	sysmonEvent   = eventOf(0x11, "Microsoft-Windows-Sysmon", "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}", "Microsoft-Windows-Sysmon/Operational")
	securityEvent = eventOf(0x12, "Microsoft-Windows-Security-Auditing", "{54849625-5478-4994-a5ba-3e3b0328c30d}", "Security")
)

// header gives the values of eventOf before the data.
func header(event uint16, record, written uint64, keywords uint64) []val {
	return []val{
		n8(4), n8(0), n16(event), n16(event),
		{},
		n64(typeHex64, keywords), n64(typeFileTime, written),
		{},
		n32(2044), n32(3100),
		n64(typeUint64, record), n8(5), sid(18),
	}
}

// dataOf is the template of an event's named data, all values of it.
func dataOf(id uint32, pairs ...any) *tmpl {
	var kids []node
	for i := 0; i < len(pairs); i += 2 {
		kids = append(kids, el("Data", opt(i/2, pairs[i+1].(byte))).with("Name", pairs[i]))
	}
	return &tmpl{id, el("EventData", kids...)}
}

const str1 = byte(typeString)

var (
	processCreate = dataOf(0x21, "RuleName", str1, "UtcTime", str1, "ProcessGuid", byte(typeGUID), "ProcessId", byte(typeUint32), "Image", str1,
		"CommandLine", str1, "User", str1, "Hashes", str1, "ParentProcessGuid", byte(typeGUID), "ParentProcessId", byte(typeUint32), "ParentImage", str1)
	networkConnect = dataOf(0x23, "UtcTime", str1, "ProcessGuid", byte(typeGUID), "ProcessId", byte(typeUint32), "Image", str1, "User", str1,
		"Protocol", str1, "Initiated", byte(typeBool), "SourceIp", str1, "SourcePort", byte(typeUint16), "DestinationIp", str1,
		"DestinationHostname", str1, "DestinationPort", byte(typeUint16))
	newProcess = dataOf(0x31, "SubjectUserSid", byte(typeSID), "SubjectUserName", str1, "SubjectDomainName", str1, "SubjectLogonId", byte(typeHex64),
		"NewProcessId", byte(typeHex64), "NewProcessName", str1, "TokenElevationType", str1, "ProcessId", byte(typeHex64), "CommandLine", str1)
	connection = dataOf(0x32, "ProcessID", byte(typeUint64), "Application", str1, "Direction", str1, "SourceAddress", str1, "SourcePort", str1,
		"DestAddress", str1, "DestPort", str1, "Protocol", byte(typeUint32), "FilterRTID", byte(typeUint64))
)

const (
	powershell = `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`
	auditOK    = 0x8020000000000000
)

func write1(c *chunkWriter, id uint64) int {
	return c.record(id, start, sysmonEvent, append(header(1, id, start+7e5, 1<<63), inner(processCreate, str("technique_id=T1059"),
		str("2020-01-01 00:00:00.059"), guid(1), n32(4711), str(powershell), str(`powershell -c "Grüße, 世界 𝄞"`), str(`WS01\alice`),
		str("MD5=0123456789ABCDEF0123456789ABCDEF,IMPHASH=00000000000000000000000000000000"), guid(2), n32(812), str(`C:\Windows\explorer.exe`)))...)
}

func write3(c *chunkWriter, id uint64) int {
	return c.record(id, start+1e7, sysmonEvent, append(header(3, id, start+1e7, 1<<63), inner(networkConnect, str("2020-01-01 00:00:00.900"),
		guid(1), n32(4711), str(powershell), str(`WS01\alice`), str("tcp"), val{kind: typeBool, data: []byte{1, 0, 0, 0}}, str("192.0.2.10"),
		n16(50111), str("198.51.100.7"), str("c2.example.com"), n16(443)))...)
}

func write4688(c *chunkWriter, id uint64) int {
	return c.record(id, start+2e7, securityEvent, append(header(4688, id, start+2e7, auditOK), inner(newProcess, sid(21, 1, 2, 1001), str("alice"),
		str("WS01"), n64(typeHex64, 0x3e7ab), n64(typeHex64, 0x12a4), str(`C:\Windows\System32\cmd.exe`), str("%%1938"), n64(typeHex64, 0x32c), str("cmd /c dir")))...)
}

func write5156(c *chunkWriter, id uint64) int {
	return c.record(id, start+3e7, securityEvent, append(header(5156, id, start+3e7, auditOK), inner(connection, n64(typeUint64, 4711),
		str(`\device\harddiskvolume2\windows\system32\cmd.exe`), str("%%14593"), str("192.0.2.10"), str("50112"), str("203.0.113.5"), str("80"), n32(6),
		n64(typeUint64, 70125)))...)
}

// classic is an event of an old provider: the data have no names, and stand in the one template.
var classic = &tmpl{0x41, el("Event", el("System",
	el("Provider").with("Name", "Service Control Manager", "EventSourceName", "SCM"), el("EventID", sub(0, typeUint16)).with("Qualifiers", sub(1, typeUint16)),
	el("TimeCreated").with("SystemTime", tx("2020-01-01T00:00:04.5Z")), el("EventRecordID", sub(2, typeUint32)), el("Channel", tx("System")), el("Computer", tx("WS01"))),
	el("EventData", el("Data", sub(3, typeString|arrayOf)), el("Data", tx("fixed")), el("Data"), el("Data", opt(4, typeString)), el("Data", sub(5, typeString)),
		el("Data", tx("about "), sub(2, typeUint32)), el("Binary", sub(6, typeBinary)))).with("xmlns", xmlns)}

// userData has elements of its own, nested, with an attribute, and as no template says.
var userData = &tmpl{0x42, el("Event", el("System", el("Provider").with("Name", "Test"), el("EventID", tx("7")), el("Channel", tx("Test/Channel"))),
	el("UserData", sub(0, typeBinXML)))}

// allTypes has a value of every type.
var allTypes = &tmpl{0x43, el("Event", el("System", el("Provider").with("Name", "Test"), el("EventID", tx("8")), el("Channel", tx("Test/Channel")),
	el("Correlation").with("ActivityID", sub(0, typeGUID))), el("EventData", allTypesData()...).with("Name", "Everything"))}

func typedValues() []val {
	f := func(kind byte, d ...byte) val { return val{kind: kind, data: d} }
	le := binary.LittleEndian
	st := []byte{}
	for _, v := range []uint16{2020, 1, 3, 1, 12, 34, 56, 789} {
		st = le.AppendUint16(st, v)
	}
	return []val{
		guid(9), f(typeNull), str("text\x00"), f(typeANSI, 'c', 'a', 'f', 0xe9, 0x80, 0), f(typeInt8, 0xff), f(typeUint8, 0xff), f(typeInt16, 0xfe, 0xff),
		n16(65535), f(typeInt32, 0xfd, 0xff, 0xff, 0xff), n32(math.MaxUint32), n64(typeInt64, math.MaxUint64), n64(typeUint64, math.MaxUint64),
		{kind: typeFloat, data: le.AppendUint32(nil, math.Float32bits(1.5))},
		n64(typeDouble, math.Float64bits(-0.1)), f(typeBool, 1, 0, 0, 0),
		f(typeBinary, 0xca, 0xfe),
		{kind: typeSize, data: []byte{0, 0x10, 0, 0}},
		n64(typeSize, 0x1000), n64(typeFileTime, start+1234567),
		{kind: typeSystemTime, data: st},
		sid(32, 544), h32(0xc0000022), n64(typeHex64, 0x3e7),
		{kind: typeUint16 | arrayOf, data: []byte{1, 0, 2, 0}},
		{kind: typeString | arrayOf, data: utf16le("one\x00two\x00")},
		{kind: typeHex32 | arrayOf, data: []byte{1, 0, 0, 0, 2, 0, 0, 0}},
		{kind: typeSID | arrayOf, data: append(sid(18).data, sid(19).data...)},
		f(0x7f, 1, 2), f(typeUint64, 1, 2), str("named"), str("by a value"),
	}
}

func allTypesData() (kids []node) {
	v := typedValues()
	for i := 1; i < len(v)-2; i++ {
		kids = append(kids, el("Data", sub(i, v[i].kind)).with("Name", "Value"+paramName(i - 1)[len(dataPrefixes[0])+5:]))
	}
	return append(kids, el("Data", sub(len(v)-1, str1)).with("Name", sub(len(v)-2, str1)))
}

func writeOdd(c *chunkWriter, id uint64) {
	c.record(id, start+4e7, classic, n16(7036), n16(16384), n32(uint32(id)), val{kind: typeString | arrayOf, data: utf16le("first\x00second\x00")}, val{},
		str(""), val{kind: typeBinary, data: []byte{1, 2, 3}})
	c.record(id+1, start+5e7, userData, inner(&tmpl{0x44, el("Operation", el("User", tx("alice")), el("Detail", el("Code", sub(0, typeHex32)), tx("tail")).with("kind", "x"),
		el("More", sub(1, typeBinXML))).with("xmlns", "urn:x")}, h32(5), inner(&tmpl{root: el("Inner", tx("deep"))})))
	c.record(id+2, start+6e7, allTypes, typedValues()...)
	c.record(id+3, start+7e7, &tmpl{root: el("Event", el("System", el("Provider").with("Name", "MSExchange CmdletLogs"), el("EventID", tx("1")), el("TimeCreated").with("SystemTime", "2021-11-19T16:52:33.833733500Z"),
		el("Channel", tx("MSExchange Management")), el("Computer", tx("EX01"))), el("EventData", el("Data", tx("Set-Mailbox")), el("Data"), el("Data", tx("fr-FR"))),
		el("RenderingInfo", el("Message", tx("It was set.")), el("Task", tx("General")), el("Level", tx("Information"))).with("Culture", "fr-FR"))})
}

// samples gives the files of testdata/evtx.
func samples() map[string][]byte {
	c := newChunkWriter()
	write1(c, 1)
	write3(c, 2)
	write4688(c, 3)
	write5156(c, 4)
	writeOdd(c, 5)
	whole := fileOf(0, 1, c.finish(len(c.b)))

	// The second chunk stands before the first; a third follows that the header doesn't count.
	c1, c2, c3 := newChunkWriter(), newChunkWriter(), newChunkWriter()
	write1(c1, 1)
	write3(c2, 2)
	write3(c3, 3)
	dirty := fileOf(1, 2, c2.finish(len(c2.b)), c1.finish(len(c1.b)), c3.finish(len(c3.b)))
	dirty[fileHeaderSize+52] ^= 1

	// Left-overs: one of an older log, one that is live as well.
	c = newChunkWriter()
	write1(c, 100)
	write3(c, 101)
	free := len(c.b)
	write1(c, 40)
	write3(c, 101)
	slack := fileOf(0, 1, c.finish(free))

	damaged := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(damaged[fileHeaderSize+chunkHeaderSize+4:], 0) // a record of size 0
	return map[string][]byte{
		"whole.evtx": whole, "dirty.evtx": dirty, "slack.evtx": slack, "zero-size.evtx": damaged,
		"truncated.evtx": whole[:fileHeaderSize+chunkHeaderSize+6000], "header-only.evtx": fileOf(0, 0), "chunk-only.evtx": whole[fileHeaderSize:],
	}
}

// writeSamples holds the files of testdata/evtx to the writer.
func writeSamples(t *testing.T) {
	for name, data := range samples() {
		goldenFile(t, filepath.Join("testdata", EVTX.Name, name), string(data))
	}
}

func TestEVTXMatch(t *testing.T) {
	f := func(want bool, head string) {
		t.Helper()
		if EVTX.Match([]byte(head)) != want {
			t.Errorf("Match(%q) is %v", head, !want)
		}
	}
	f(true, "ElfFile\x00\x00")
	f(true, "ElfChnk\x00")
	f(true, "ElfFilX\x00"+strings.Repeat("\x00", fileHeaderSize-8)+"ElfChnk\x00")
	f(false, "ElfFile")
	f(false, "")
}
