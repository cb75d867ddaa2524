package procmon

// Detail of file system events. What stands in their details is FLT_PARAMETERS of Windows' filter manager, by operation,
// from 16 on, 4 or 8 bytes a pointer by the system's bitness; behind the path come what the operation was given and, as a
// result blob, what it gave back, in the structures of ntifs.h.
//
//	8       u32 IRP flags: 0xff and 0xe00000 I/O flags, 0xe0000 priority; 12 u32 1 IRP, 2 fast I/O, 4 filter callback
//	create  20/24 u32 options, disposition in the top byte; 24/32 u16 attributes, u16 sharing; 36/56 allocation; behind the
//	        path u32 access, u8 bytes of the SID of the account impersonated, 3 bytes, the SID. result: u32 what it did
//	read    16 u32 length, 24/32 offset. result: u32 length
//	lock    24/32 offset, 36/48 fail at once, exclusive; behind the path the length
//	control 16 u32 bytes of output, 20/24 of input, 24/32 code
//	mapping 16 u32 sync type, 20 u32 protection
//	list    24/32 information class; behind the path u16 text, the filter. notify: 20/24 u32 filter. security: 16 u32 parts

import (
	"strconv"

	"culprit/internal/event"
)

const (
	opMDLWriteComplete = 2
	opPrepareMDLWrite  = 3
	opMDLReadComplete  = 4
	opMDLRead          = 5
	opQueryOpen        = 6
	opCheckIfPossible  = 7
	opAcquireModWrite  = 17
	opFileMapping      = 19
	opCreatePipe       = 21
	opReadFile         = 23
	opWriteFile        = 24
	opQueryInformation = 25
	opQueryVolume      = 30
	opSetVolume        = 31
	opFSControl        = 33
	opDeviceControl    = 34
	opInternalControl  = 35
	opLockControl      = 37
	opCreateMailslot   = 39
	opQuerySecurity    = 40
	opSetSecurity      = 41
)

// A fileParams is what a file system event was given and gave back.
type fileParams struct {
	d       []byte  // the details, 64 or 44 bytes and more
	is64    bool    // of the system
	path    pmlText // as it was given
	tail    []byte  // behind the path
	out     []byte  // result blob
	display bool
	shownBy int // version of Process Monitor, 0 unknown
}

// u32 reads a parameter that has its place by the bitness of the system. Both are before the path's length, which is there.
func (p *fileParams) u32(at32, at64 int) uint32 {
	if p.is64 {
		return le.Uint32(p.d[at64:])
	}
	return le.Uint32(p.d[at32:])
}

func (p *fileParams) u64(at32, at64 int) uint64 {
	if p.is64 {
		return le.Uint64(p.d[at64:])
	}
	return le.Uint64(p.d[at32:])
}

func (p *fileParams) byte(at32, at64 int) byte {
	if p.is64 {
		return p.d[at64]
	}
	return p.d[at32]
}

// fileText writes the Detail of a file system event.
func (r *pmlReader) fileText(t *detailWriter, e *pmlEvent, p *fileParams) {
	switch e.code {
	case opReadFile, opWriteFile, opMDLRead, opPrepareMDLWrite:
		readWriteText(t, p)
	case opCreateFile, opCreatePipe, opCreateMailslot:
		r.createFileText(t, p)
	case opQueryInformation:
		queryInformationText(t, p)
	case opSetInformation:
		setInformationText(t, p)
	case opQueryVolume, opSetVolume:
		volumeText(t, e.code, p)
	case opDirectoryControl:
		directoryText(t, p)
	case opFSControl, opDeviceControl, opInternalControl:
		controlText(t, e.code, p)
	case opLockControl:
		lockText(t, p)
	case opFileMapping:
		mappingText(t, p)
	case opQuerySecurity, opSetSecurity:
		t.flags("Information", event.ProcmonDetailInformation, le.Uint32(p.d[16:]), securityParts)
	case opQueryOpen:
		if len(p.out) >= 52 {
			networkOpenText(t, p.out, false)
		}
	case opAcquireModWrite:
		if len(p.tail) >= 8 {
			t.count("EndingOffset", event.ProcmonDetailEndingoffset, int64(le.Uint64(p.tail)))
		}
	case opMDLReadComplete, opMDLWriteComplete:
		mdl := uint64(le.Uint32(p.d[16:]))
		if p.is64 {
			mdl = le.Uint64(p.d[16:])
		}
		t.hex("MDL", event.ProcmonDetailMdl, mdl)
	case opCheckIfPossible:
		operation := "Write"
		if p.byte(32, 40) != 0 {
			operation = "Read"
		}
		t.str("Operation", event.ProcmonDetailOperation, operation)
		t.count("Offset", event.ProcmonDetailOffset, int64(le.Uint64(p.d[16:])))
		t.count("Length", event.ProcmonDetailLength, int64(le.Uint32(p.d[24:])))
	}
}

func readWriteText(t *detailWriter, p *fileParams) {
	t.count("Offset", event.ProcmonDetailOffset, int64(p.u64(24, 32)))
	length := le.Uint32(p.d[16:])
	if len(p.out) >= 4 {
		length = le.Uint32(p.out)
	}
	t.count("Length", event.ProcmonDetailLength, int64(length))
	flags := le.Uint32(p.d[8:])
	if f := flags & 0xe000ff; f != 0 {
		at := t.key("I/O Flags")
		t.text, _ = appendKnownFlags(t.text, f, ioFlags, ", ")
		t.keep(event.ProcmonDetailIOFlags, at)
	}
	if n := flags >> 17 & 7; n != 0 {
		if name := nameOf(ioPriorities[:], n, ""); name != "" {
			t.str("Priority", event.ProcmonDetailPriority, name)
		} else {
			t.hex("Priority", event.ProcmonDetailPriority, uint64(n))
		}
	}
}

func (r *pmlReader) createFileText(t *detailWriter, p *fileParams) {
	if len(p.tail) < 4 {
		return
	}
	at := t.key("Desired Access")
	t.text = appendAccess(t.text, le.Uint32(p.tail), genericFile, fileAccess)
	t.keep(event.ProcmonDetailDesiredAccess, at)
	how := p.u32(20, 24)
	disposition := how >> 24
	t.str("Disposition", event.ProcmonDetailDisposition, nameOf(dispositions[:], disposition, "<unknown>"))
	at = t.key("Options")
	t.text, _ = appendKnownFlags(t.text, how&0xffffff, createOptions, ", ")
	t.keep(event.ProcmonDetailOptions, at)
	more := p.u32(24, 32)
	at = t.key("Attributes")
	t.text = appendAttributes(t.text, more&0xffff)
	t.keep(event.ProcmonDetailAttributes, at)
	if more>>16 == 0 {
		t.str("ShareMode", event.ProcmonDetailSharemode, "None")
	} else {
		at = t.key("ShareMode")
		t.text, _ = appendKnownFlags(t.text, more>>16, shareModes, ", ")
		t.keep(event.ProcmonDetailSharemode, at)
	}
	if disposition == 1 || disposition == 4 || disposition > 5 { // only what may create a file allocates
		t.key("AllocationSize")
		t.text = append(t.text, "n/a"...)
	} else {
		size := int64(p.u64(36, 56))
		t.key("AllocationSize")
		if p.display && !p.is64 { // Process Monitor shows the upper half
			t.text = appendGrouped(t.text, size>>32)
		} else {
			t.text = appendGrouped(t.text, size)
		}
		t.long(event.ProcmonDetailAllocationsize, size)
	}
	if len(p.tail) >= 8 {
		if n := int(p.tail[4]); n > 0 && len(p.tail) >= 8+n {
			at = t.key("Impersonating")
			t.text = r.appendAccount(t.text, p.tail[8:8+n])
			t.keep(event.ProcmonDetailImpersonating, at)
		}
	}
	if len(p.out) >= 4 {
		t.str("OpenResult", event.ProcmonDetailOpenresult, nameOf(openResults[:], le.Uint32(p.out), "<unknown>"))
	}
}

func lockText(t *detailWriter, p *fileParams) {
	if p.d[0] == 3 { // all
		return
	}
	lock := p.d[0] == 1
	if lock {
		t.bool("Exclusive", event.ProcmonDetailExclusive, p.byte(37, 49) != 0)
	}
	t.count("Offset", event.ProcmonDetailOffset, int64(p.u64(24, 32)))
	if len(p.tail) >= 8 {
		t.count("Length", event.ProcmonDetailLength, int64(le.Uint64(p.tail)))
	}
	if lock {
		t.bool("Fail Immediately", event.ProcmonDetailFailImmediately, p.byte(36, 48) != 0)
	}
}

func mappingText(t *detailWriter, p *fileParams) {
	switch kind := le.Uint32(p.d[16:]); kind {
	case 0:
		t.str("SyncType", event.ProcmonDetailSynctype, "SyncTypeOther")
	case 1:
		t.str("SyncType", event.ProcmonDetailSynctype, "SyncTypeCreateSection")
	default:
		t.hex("SyncType", event.ProcmonDetailSynctype, uint64(kind))
	}
	protection := le.Uint32(p.d[20:])
	if p.display && p.is64 {
		// Process Monitor takes the field for one as large as a pointer and shows the low half of the pointer behind it.
		protection = le.Uint32(p.d[24:])
	}
	if protection == 0 {
		return
	}
	at := t.key("PageProtection")
	for _, n := range pageProtections {
		if protection&n.bits != 0 && !(p.display && n.bits == 0x80) {
			t.text = append(t.text, n.name...)
			break
		}
	}
	if protection&pageNoCache != 0 {
		t.text = append(t.text, "|PAGE_NOCACHE"...)
	}
	t.keep(event.ProcmonDetailPageprotection, at)
}

func controlText(t *detailWriter, code uint16, p *fileParams) {
	control := p.u32(24, 32)
	at := t.key("Control")
	t.text = appendControl(t.text, control)
	t.keep(event.ProcmonDetailControl, at)
	if code != opFSControl {
		return
	}
	output, input := int64(le.Uint32(p.d[16:])), int64(p.u32(20, 24))
	switch control {
	case 0x119ff8: // FSCTL_PIPE_INTERNAL_WRITE
		t.count("Length", event.ProcmonDetailLength, input)
	case 0x116000: // FSCTL_PIPE_INTERNAL_READ
		t.count("Length", event.ProcmonDetailLength, output)
	case 0x11c017, 0x11dfff: // FSCTL_PIPE_TRANSCEIVE, FSCTL_PIPE_INTERNAL_TRANSCEIVE
		t.count("WriteLength", event.ProcmonDetailWritelength, input)
		t.count("ReadLength", event.ProcmonDetailReadlength, output)
	case 0x94264, 0x98268: // FSCTL_OFFLOAD_READ, FSCTL_OFFLOAD_WRITE
		// FSCTL_OFFLOAD_READ_INPUT has 16 bytes in front of them, FSCTL_OFFLOAD_WRITE_INPUT 8.
		if in := p.tail[min(8, len(p.tail)):]; len(in) >= 24 && control == 0x94264 {
			t.count("Offset", event.ProcmonDetailOffset, int64(le.Uint64(in[8:])))
			t.count("Length", event.ProcmonDetailLength, int64(le.Uint64(in[16:])))
		} else if len(in) >= 16 && control == 0x98268 {
			t.count("Offset", event.ProcmonDetailOffset, int64(le.Uint64(in)))
			t.count("Length", event.ProcmonDetailLength, int64(le.Uint64(in[8:])))
		}
	}
}

func directoryText(t *detailWriter, p *fileParams) {
	switch p.d[0] {
	case subQueryDirectory:
		listText(t, p)
	case 2:
		t.flags("Filter", event.ProcmonDetailFilter, p.u32(20, 24), notifyFilters)
	}
}

// dirNameAt is where the name stands in an entry of a directory, by information class; its length stands at 60, or at 8.
var dirNameAt = [...]int{1: 64, 2: 68, 3: 94, 12: 12, 37: 104, 38: 80, 50: 96, 60: 88, 63: 114}

// listText writes the names that listing a directory gave. Their numbers are Process Monitor's: the filter counts too, and
// the information class stands third.
func listText(t *detailWriter, p *fileParams) {
	number := 0
	if len(p.tail) >= 2 {
		if filter, _, _ := lengthText(p.tail); len(filter.raw) > 0 {
			t.driver("Filter", event.ProcmonDetailFilter, filter)
			number++
		}
	}
	class := p.u32(24, 32)
	name := nameOf(informationClasses[:], class, "")
	if p.display && p.shownBy > 0 && p.shownBy < 350 {
		name = "" // it is shown since 3.5 only
	}
	if int(class) >= len(dirNameAt) || dirNameAt[class] == 0 {
		return
	}
	nameAt, sizeAt := dirNameAt[class], 60
	if class == 12 {
		sizeAt = 8
	}
	for out := p.out; len(out) >= nameAt; {
		size := int64(le.Uint32(out[sizeAt:]))
		if size > int64(len(out)-nameAt) {
			break
		}
		entry := out[nameAt : nameAt+int(size)]
		if number == 2 && name != "" {
			t.str("FileInformationClass", event.ProcmonDetailFileinformationclass, name)
			name = ""
			if p.display { // Process Monitor has it there instead of the third name
				t.wideEntry(entry)
				number++
				entry = nil
			}
		}
		if entry != nil {
			t.entry(number, entry)
			number++
		}
		next := int64(le.Uint32(out))
		if next == 0 || next >= int64(len(out)) {
			break
		}
		out = out[next:]
	}
	if name != "" && (number == 2 || number > 0 && !p.display) {
		t.str("FileInformationClass", event.ProcmonDetailFileinformationclass, name)
	}
}

// entry writes one of a list of names.
func (t *detailWriter) entry(number int, name []byte) {
	if len(t.text) > 0 {
		t.text = append(t.text, ", "...)
	}
	t.text = strconv.AppendInt(t.text, int64(number), 10)
	t.text = append(t.text, ": "...)
	at := len(t.text)
	t.text = appendUTF16(t.text, name)
	if t.want.Has(event.ProcmonDetailEntries) {
		t.b.AddStr(event.ProcmonDetailEntries, t.text[at:])
	}
}

// wideEntry puts a name without text.
func (t *detailWriter) wideEntry(name []byte) {
	if t.want.Has(event.ProcmonDetailEntries) {
		at := len(t.text)
		t.text = appendUTF16(t.text, name)
		t.b.AddStr(event.ProcmonDetailEntries, t.text[at:])
		t.text = t.text[:at]
	}
}

// lengthText reads a text that follows its own length.
func lengthText(d []byte) (text pmlText, next int, ok bool) {
	if len(d) < 2 {
		return pmlText{}, 0, false
	}
	return detailText(d, 2, le.Uint16(d))
}
