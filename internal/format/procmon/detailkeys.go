package procmon

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync"

	"culprit/internal/event"
)

// Detail is `Key: value, Key: value`. Values may hold ", " and even what looks like a key (Desired Access, command lines, an
// environment), so it can be taken apart only by who knows which keys an operation has, and in which order: a value goes on
// until a key that can follow it.

// detailTable lists the keys of each operation's Detail in Procmon's order; any may be missing. "..." behind a key says that
// its value goes on to the end, whatever is in it, "#" stands for numbered names of files and streams. Keys and their order
// are those of Procmon's exports of recordings; those that none of them holds are of versions 3.9 and 4.
const detailTable = `
CreateFile: Desired Access, Disposition, Options, Attributes, ShareMode, AllocationSize, Impersonating, OpenResult
CreatePipe, CreateMailSlot: Desired Access, Disposition, Options, Attributes, ShareMode, AllocationSize, NamedPipeType, ReadMode, CompletionMode, MaximumInstances, InboundQuota, OutboundQuota, Impersonating, OpenResult
ReadFile, WriteFile: Offset, Length, I/O Flags, Priority
CreateFileMapping: SyncType, PageProtection
FASTIO_ACQUIRE_FOR_MOD_WRITE: EndingOffset
FASTIO_CHECK_IF_POSSIBLE: Operation, Offset, Length
FASTIO_MDL_READ_COMPLETE, FASTIO_MDL_WRITE_COMPLETE: MDL...
DeviceIoControl, InternalDeviceIoControl, FileSystemControl: Control, Offset, Length, WriteLength, ReadLength
LockFile: Exclusive, Offset, Length, Key, Fail Immediately
UnlockFileSingle, UnlockFileAll, UnlockFileByKey: Offset, Length, Key
QueryDirectory: Filter, #, FileInformationClass, #
NotifyChangeDirectory: Filter...
QuerySecurityFile, SetSecurityFile, RegQueryKeySecurity, RegSetKeySecurity: Information...
QueryOpen, QueryNetworkOpenInformationFile: CreationTime, LastAccessTime, LastWriteTime, ChangeTime, AllocationSize, EndOfFile, FileAttributes
QueryBasicInformationFile, SetBasicInformationFile: CreationTime, LastAccessTime, LastWriteTime, ChangeTime, FileAttributes
QueryStandardInformationFile: AllocationSize, EndOfFile, NumberOfLinks, DeletePending, Directory
QueryAllInformationFile: CreationTime, LastAccessTime, LastWriteTime, ChangeTime, FileAttributes, AllocationSize, EndOfFile, NumberOfLinks, DeletePending, Directory, IndexNumber, EaSize, Access, Position, Mode, AlignmentRequirement, Name...
QueryFileInternalInformationFile: IndexNumber
QueryIdInformation: VolumeSerialNumber, IndexNumber
QueryEaInformationFile: EaSize
QueryAttributeTagFile: Attributes, ReparseTag
QueryPositionInformationFile, SetPositionInformationFile: Position
QueryStreamInformationFile: #
QueryCompressionInformationFile: CompressedFileSize, CompressionFormat, CompressionUnitShift, ChunkShift, ClusterShift
QueryEndOfFile, SetEndOfFileInformationFile: EndOfFile
QueryValidDataLength, SetValidDataLengthInformationFile: ValidDataLength
SetAllocationInformationFile, SetAllInformationFile: AllocationSize
SetDispositionInformationFile: Delete
SetDispositionInformationEx: Flags...
SetRenameInformationFile, SetLinkInformationFile: ReplaceIfExists, FileName...
SetRenameInformationEx, SetRenameInformationExBypassAccessCheck: Flags, ReplaceIfExists, FileName...
QueryNameInformationFile, QueryNormalizedNameInformationFile, QueryShortNameInformationFile, QueryNetworkPhysicalNameInformationFile: Name...
SetShortNameInformation: Name...
QueryInformationVolume: VolumeCreationTime, VolumeSerialNumber, SupportsObjects, VolumeLabel...
QueryLabelInformationVolume, SetLabelInformationVolume: VolumeLabel...
QuerySizeInformationVolume: TotalAllocationUnits, AvailableAllocationUnits, SectorsPerAllocationUnit, BytesPerSector
QueryFullSizeInformationVolume: TotalAllocationUnits, CallerAvailableAllocationUnits, ActualAvailableAllocationUnits, SectorsPerAllocationUnit, BytesPerSector
QueryDeviceInformationVolume: DeviceType, Characteristics
QueryAttributeInformationVolume: FileSystemAttributes, MaximumComponentNameLength, FileSystemName
QueryObjectIdInformationVolume, SetObjectIdInformationVolume: ObjectId
RegOpenKey, RegCreateKey: Desired Access, Granted Access, Disposition
RegQueryKey: Query, HandleTags, UserFlags, LastWriteTime, TitleIndex, ClassOffset, ClassLength, SubKeys, MaxNameLen, MaxClassLen, Values, MaxValueNameLen, MaxValueDataLen, Length, Class, Name...
RegEnumKey: Index, Length, LastWriteTime, TitleIndex, ClassOffset, ClassLength, Name...
RegQueryValue, RegQueryMultipleValueKey: Type, Length, Data...
RegSetValue: Type, Length, Data...
RegEnumValue: Index, Name, Type, Length, Data...
RegSetInfoKey: KeySetInformationClass, Length, LastWriteTime, Wow64Flags, HandleTags
RegLoadKey: Hive Path...
RegRenameKey: New Name...
RegRestoreKey: File Name, Flags...
Process Defined, Process Create: PID, Command line...
Process Start: Parent PID, Command line, Current directory, Environment...
System Statistics: Commit Peak, System Calls, Context Switches
Process Exit: Exit Status, User Time, Kernel Time, Private Bytes, Peak Private Bytes, Working Set, Peak Working Set
Thread Create: Thread ID
Thread Exit: Thread ID, User Time, Kernel Time
Thread Profile, Thread Profiling: User Time, Kernel Time, Context Switches
Process Statistics: Exit Status, User Time, Kernel Time, Private Bytes, Peak Private Bytes, Working Set, Peak Working Set
Process Profiling: User Time, Kernel Time, Private Bytes, Peak Private Bytes, Working Set, Peak Working Set
Load Image: Image Base, Image Size
TCP Connect, TCP Accept, TCP Reconnect, TCP Disconnect, TCP Send, TCP Receive, TCP Retransmit, TCP TCPCopy, TCP Other, TCP Unknown: Length, mss, sackopt, tsopt, wsopt, rcvwin, rcvwinscale, sndwinscale, startime, endtime, seqnum, connid
UDP Connect, UDP Accept, UDP Reconnect, UDP Disconnect, UDP Send, UDP Receive, UDP Retransmit, UDP TCPCopy, UDP Other, UDP Unknown: Length, mss, sackopt, tsopt, wsopt, rcvwin, rcvwinscale, sndwinscale, startime, endtime, seqnum, connid
`

// A detailKey is a key that Procmon writes in Detail.
type detailKey struct {
	name  string // Desired Access
	lead  []byte // ", Desired Access: ", what stands in front of its value unless it is the first
	field event.Field
	rest  bool // its value goes on to the end
}

// numbered stands for the keys 0, 1, 2 ... of a list of names.
const numbered = "#"

// A detailSpec is what keys an operation's Detail has, in order.
type detailSpec []detailKey

// detailField gives the field of a key of Detail: procmon.detail. and the key in lower case, with _ for what is no letter or
// digit.
func detailField(key string) (event.Field, bool) {
	if key == numbered {
		return event.ProcmonDetailEntries, true
	}
	return event.Lookup("procmon.detail." + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(key)))
}

// detailSpecs gives every operation's keys.
var detailSpecs = sync.OnceValue(func() map[string]detailSpec {
	m := make(map[string]detailSpec)
	for line := range strings.Lines(strings.TrimSpace(detailTable)) {
		ops, keys, _ := strings.Cut(strings.TrimSpace(line), ": ")
		var spec detailSpec
		for k := range strings.SplitSeq(keys, ", ") {
			name, rest := strings.CutSuffix(k, "...")
			f, ok := detailField(name)
			if !ok {
				panic("procmon: detailTable: no field for " + name)
			}
			spec = append(spec, detailKey{name, []byte(", " + name + ": "), f, rest})
		}
		for op := range strings.SplitSeq(ops, ", ") {
			m[op] = spec
		}
	}
	return m
})

// A detailPart is a key with its value, or text in front of the first key.
type detailPart struct {
	key        *detailKey // nil: text under no key known
	value      []byte
	label      int // bytes of the key as written, with ": "; nothing for text under no key
	valueBegin int // where the value stands in the Detail
}

// splitDetail appends the parts of an operation's Detail to dst; ok is false when the operation's keys are not known. The
// parts, their keys in front and ", " between them, are the Detail again. Nothing is allocated but dst.
func splitDetail(dst []detailPart, operation, detail []byte) (parts []detailPart, ok bool) {
	spec, ok := detailSpecs()[string(operation)]
	if !ok {
		return dst, false
	}
	return spec.split(dst, detail), true
}

func (s detailSpec) split(dst []detailPart, d []byte) []detailPart {
	if len(d) == 0 {
		return dst
	}
	if len(s) == 4 && s[0].name == "Parent PID" && bytes.HasPrefix(d, s[0].lead[2:]) {
		return s.splitStart(dst, d)
	}
	key, label, next, count := s.keyAt(d, 0, 0, 0) // count: the number that a numbered key would go on with
	from := label                                  // where the value begins
	for i := from; next < len(s) && (key == nil || !key.rest); i++ {
		n := bytes.IndexByte(d[i:], ',')
		if n < 0 {
			break
		}
		if i += n; i+1 == len(d) || d[i+1] != ' ' {
			continue
		}
		k, used, after, number := s.keyAt(d, i+2, next, count)
		if k == nil {
			continue
		}
		dst = append(dst, detailPart{key, d[from:i], label, from})
		key, label, next, count = k, used, after, number
		from = i + 2 + used
		i = from - 1
	}
	return append(dst, detailPart{key, d[from:], label, from})
}

// splitStart is split for Process Start. A command line may hold the keys that follow it, and so may the environment; what
// ends the command line is the last directory in front of the environment, and that begins with a line end.
func (s detailSpec) splitStart(dst []detailPart, d []byte) []detailPart {
	command, directory, environment := &s[1], &s[2], &s[3]
	end := environmentAt(d)
	cut := func(at int, k *detailKey) {
		dst = append(dst, detailPart{k, d[at+len(k.lead):], len(k.lead) - 2, at + len(k.lead)})
		d = d[:at]
	}
	first := len(dst)
	if end >= 0 {
		cut(end, environment)
	}
	if i := bytes.LastIndex(d, directory.lead); i >= 0 {
		cut(i, directory)
	}
	if i := bytes.Index(d, command.lead); i >= 0 {
		cut(i, command)
	}
	n := len(s[0].lead) - 2
	dst = append(dst, detailPart{&s[0], d[n:], n, n})
	slices.Reverse(dst[first:])
	return dst
}

// environmentAt finds where the environment of a Process Start begins, with its ", "; -1 if there is none.
func environmentAt(d []byte) int {
	const key = ", Environment: "
	if i := bytes.Index(d, []byte(key+"\r")); i >= 0 {
		return i
	}
	if i := bytes.Index(d, []byte(key+"\n")); i >= 0 {
		return i
	}
	return bytes.LastIndex(d, []byte(key))
}

// keyAt gives the key that stands at a place, if it is among those from next on, its bytes with ": ", and the key that can
// follow. count is the number that a numbered key goes on with, and would after this one.
func (s detailSpec) keyAt(d []byte, at, next, count int) (k *detailKey, used, after, number int) {
	w := d[at:]
	if len(w) == 0 {
		return nil, 0, next, count
	}
	for i := next; i < len(s); i++ {
		k := &s[i]
		if k.name == numbered {
			if n, used, ok := entryNumber(w); ok && n >= count && n <= count+1 {
				return k, used, i, n + 1
			}
			continue
		}
		if w[0] == k.lead[2] && bytes.HasPrefix(w, k.lead[2:]) {
			return k, len(k.lead) - 2, i + 1, count
		}
	}
	return nil, 0, next, count
}

// entryNumber reads `12: `.
func entryNumber(w []byte) (n, used int, ok bool) {
	for used < len(w) && used < 7 && isDigit(w[used]) {
		n = n*10 + int(w[used]-'0')
		used++
	}
	if used == 0 || !bytes.HasPrefix(w[used:], []byte(": ")) {
		return 0, 0, false
	}
	return n, used + 2, true
}

// A detailPutter puts the keys of Details into their fields. One serves a whole source: it learns how its language writes
// dates.
type detailPutter struct {
	want  event.Set
	any   bool // somebody looks at one of them
	dates *calendar
	parts []detailPart

	lastOp   []byte // the operation looked up last
	lastSpec detailSpec
	strange  map[string]bool // operations whose keys are not known
}

// newDetailPutter makes a putter for who looks at these fields. dates reads the source's dates.
func newDetailPutter(want event.Set, dates *calendar) *detailPutter {
	p := &detailPutter{want: want, dates: dates}
	for f := event.ProcmonDetailDesiredAccess; f <= event.ProcmonDetailEntries; f++ {
		p.any = p.any || want.Has(f)
	}
	return p
}

// put puts a Detail's keys into the fields of the current event. operation is Procmon's usual name of it.
func (p *detailPutter) put(b *event.Batch, operation, detail []byte) {
	if !p.any || len(detail) == 0 {
		return
	}
	if !bytes.Equal(operation, p.lastOp) {
		var ok bool
		p.lastOp = append(p.lastOp[:0], operation...)
		p.lastSpec, ok = detailSpecs()[string(operation)]
		if !ok && len(p.strange) < 20 {
			if p.strange == nil {
				p.strange = make(map[string]bool)
			}
			p.strange[string(clip(operation))] = true
		}
	}
	p.putParts(b, p.lastSpec, detail)
}

// putKeys is put for an operation whose keys were looked up.
func (p *detailPutter) putKeys(b *event.Batch, op *csvOperation, detail []byte) {
	if len(detail) == 0 {
		return
	}
	if op.keys == nil && len(p.strange) < 20 && op.name != "" {
		if p.strange == nil {
			p.strange = make(map[string]bool)
		}
		p.strange[string(clip([]byte(op.name)))] = true
	}
	p.putParts(b, op.keys, detail)
}

func (p *detailPutter) putParts(b *event.Batch, keys detailSpec, detail []byte) {
	if keys == nil {
		return
	}
	p.parts = keys.split(p.parts[:0], detail)
	for i := range p.parts {
		if part := &p.parts[i]; part.key != nil && p.want.Has(part.key.field) {
			p.putValue(b, part.key.field, part.value)
		}
	}
}

// putValue puts the text of a key as its field's type. What is no number or no date (n/a, a date of 1601) is left out.
func (p *detailPutter) putValue(b *event.Batch, f event.Field, v []byte) {
	switch f.Type() {
	case event.Long:
		if n, ok := detailNumber(v); ok {
			b.PutInt(f, n)
		}
	case event.Date:
		if ns, ok := p.dates.moment(v); ok {
			b.PutTime(f, ns)
		}
	case event.Keywords:
		b.AddStr(f, v)
	default:
		if len(v) > 0 {
			b.PutStr(f, v)
		}
	}
}

// detailNumber reads a whole number: 1,024 with any language's mark between thousands, -1, 0x1a.
func detailNumber(v []byte) (int64, bool) {
	if len(v) > 2 && v[0] == '0' && v[1]|0x20 == 'x' {
		n, err := strconv.ParseUint(string(v[2:]), 16, 63)
		return int64(n), err == nil
	}
	negative := len(v) > 1 && v[0] == '-'
	if negative {
		v = v[1:]
	}
	n, used, ok := number(v)
	if !ok || used != len(v) {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}
