package procmon

// Detail of registry events. Behind the length of the path stand the parameters, 32 bit each:
//
//	open, create  4 access. result: u32 access granted, u32 disposition
//	query key     4 length of the caller's buffer, 8 KEY_INFORMATION_CLASS. result: that structure
//	query value   4 length, 8 KEY_VALUE_INFORMATION_CLASS. enumerating: 4 length, 8 index, 12 class
//	set value     4 type, 8 length, 12 u16 bytes captured; the data stand behind the path
//	set info      4 KEY_SET_INFORMATION_CLASS, 8 length, 12 u16 bytes captured, behind the path
//	load, rename  2 u16 text, behind the path: the file, the new name. restore: likewise, 4 u32 flags
//
// Of binary data 16 bytes are captured, of texts about 2 KiB.

import (
	"strconv"

	"culprit/internal/event"
)

const (
	opRegOpenKey    = 0
	opRegQueryKey   = 3
	opRegSetValue   = 4
	opRegQueryValue = 5
	opRegEnumValue  = 6
	opRegEnumKey    = 7
	opRegSetInfoKey = 8
	opRegLoadKey    = 12
	opRegRenameKey  = 14
	opRegRestoreKey = 19
)

const maximumAllowed = 0x2000000

// registryText writes the Detail of a registry event whose parameters are there. tail is what stands behind the path.
func (r *pmlReader) registryText(t *detailWriter, code uint16, d, tail, out []byte) {
	switch code {
	case opRegOpenKey, opRegCreateKey:
		openKeyText(t, le.Uint32(d[4:]), out)
	case opRegQueryKey:
		class := le.Uint32(d[8:])
		t.str("Query", event.ProcmonDetailQuery, nameOf(keyQueries[:], class, unknownName))
		r.keyText(t, class, le.Uint32(d[4:]), out)
	case opRegEnumKey:
		t.count("Index", event.ProcmonDetailIndex, int64(le.Uint32(d[8:])))
		r.keyText(t, le.Uint32(d[12:]), le.Uint32(d[4:]), out)
	case opRegQueryValue:
		r.valueText(t, le.Uint32(d[8:]), le.Uint32(d[4:]), out, false)
	case opRegEnumValue:
		t.count("Index", event.ProcmonDetailIndex, int64(le.Uint32(d[8:])))
		r.valueText(t, le.Uint32(d[12:]), le.Uint32(d[4:]), out, true)
	case opRegSetValue:
		length, captured := le.Uint32(d[8:]), int(le.Uint16(d[12:]))
		typeText(t, le.Uint32(d[4:]))
		t.count("Length", event.ProcmonDetailLength, int64(length))
		r.dataText(t, regData{
			kind: le.Uint32(d[4:]), size: length, captured: tail[:min(captured, len(tail))],
			at: r.detailAt + int64(len(d)-len(tail)), shown: captured,
		})
	case opRegSetInfoKey:
		r.setKeyText(t, d, tail)
	case opRegRestoreKey:
		name, _, _ := detailText(tail, 0, le.Uint16(d[2:]))
		t.driver("File Name", event.ProcmonDetailFileName, name)
		t.flags("Flags", event.ProcmonDetailFlags, le.Uint32(d[4:]), restoreFlags)
	case opRegLoadKey, opRegRenameKey:
		name, _, _ := detailText(tail, 0, le.Uint16(d[2:]))
		if code == opRegLoadKey {
			t.driver("Hive Path", event.ProcmonDetailHivePath, name)
		} else {
			t.driver("New Name", event.ProcmonDetailNewName, name)
		}
	}
}

func openKeyText(t *detailWriter, desired uint32, out []byte) {
	if desired == 0 {
		return
	}
	access := func(name string, f event.Field, mask uint32) {
		at := t.key(name)
		t.text = appendAccess(t.text, mask, genericKey, keyAccess)
		t.keep(f, at)
	}
	access("Desired Access", event.ProcmonDetailDesiredAccess, desired)
	if len(out) < 8 {
		return
	}
	if desired == maximumAllowed {
		access("Granted Access", event.ProcmonDetailGrantedAccess, le.Uint32(out))
	}
	if name := nameOf(keyDispositions[:], le.Uint32(out[4:]), ""); name != "" {
		t.str("Disposition", event.ProcmonDetailDisposition, name)
	}
}

// keyText writes what asking for a key gave, or the length of the buffer it was too long for. Process Monitor shows little
// of it; what else is there is put as fields only.
func (r *pmlReader) keyText(t *detailWriter, class, length uint32, out []byte) {
	switch {
	case class == 0 && len(out) >= 16:
		t.moment(event.ProcmonDetailLastwritetime, le.Uint64(out))
		t.wide("Name", event.ProcmonDetailName, sizedName(out[12:]))
	case class == 1 && len(out) >= 24:
		t.moment(event.ProcmonDetailLastwritetime, le.Uint64(out))
		t.wide("Name", event.ProcmonDetailName, sizedName(out[20:]))
	case class == 2 && len(out) >= 36:
		t.moment(event.ProcmonDetailLastwritetime, le.Uint64(out))
		t.plain("SubKeys", event.ProcmonDetailSubkeys, int64(le.Uint32(out[20:])))
		t.plain("Values", event.ProcmonDetailValues, int64(le.Uint32(out[32:])))
	case class == 3 && len(out) >= 4:
		if r.o.Display { // Process Monitor leaves out the one thing that was asked for
			t.wideField(event.ProcmonDetailName, sizedName(out))
		} else {
			t.wide("Name", event.ProcmonDetailName, sizedName(out))
		}
	case class == 4 && len(out) >= 24:
		t.moment(event.ProcmonDetailLastwritetime, le.Uint64(out))
		t.plain("SubKeys", event.ProcmonDetailSubkeys, int64(le.Uint32(out[12:])))
		t.plain("Values", event.ProcmonDetailValues, int64(le.Uint32(out[20:])))
	case class == 5 && len(out) >= 4:
		t.hex("UserFlags", event.ProcmonDetailUserflags, uint64(le.Uint32(out)))
	case class == 7 && len(out) >= 4:
		t.hex("HandleTags", event.ProcmonDetailHandletags, uint64(le.Uint32(out)))
	case len(out) == 0:
		t.count("Length", event.ProcmonDetailLength, int64(length))
	}
}

// moment puts a FILETIME as a field, without text.
func (t *detailWriter) moment(f event.Field, filetime uint64) {
	if t.want.Has(f) {
		if ns, ok := pmlTime(filetime); ok {
			t.b.PutTime(f, ns)
		}
	}
}

// wideField puts UTF-16 as a field, without text.
func (t *detailWriter) wideField(f event.Field, v []byte) {
	at := len(t.text)
	t.text = appendUTF16(t.text, v)
	t.keep(f, at)
	t.text = t.text[:at]
}

// valueText writes a value, or the length of the buffer it was too long for.
func (r *pmlReader) valueText(t *detailWriter, class, length uint32, out []byte, named bool) {
	kindAt, sizeAt, dataAt := 4, 8, 12
	switch {
	case (class == 1 || class == 3) && len(out) >= 20: // KeyValueFullInformation, the same aligned to 8 bytes
		if named {
			t.wide("Name", event.ProcmonDetailName, sizedName(out[16:]))
		}
		sizeAt, dataAt = 12, int(min(int64(le.Uint32(out[8:])), int64(len(out))))
	case class == 2 && len(out) >= 12:
	case class == 4 && len(out) >= 8: // partial, aligned to 8 bytes: no title
		kindAt, sizeAt, dataAt = 0, 4, 8
	case class == 0 && len(out) >= 12:
		if named {
			t.wide("Name", event.ProcmonDetailName, sizedName(out[8:]))
		}
		typeText(t, le.Uint32(out[4:]))
		return
	default:
		t.count("Length", event.ProcmonDetailLength, int64(length))
		return
	}
	kind, size := le.Uint32(out[kindAt:]), le.Uint32(out[sizeAt:])
	typeText(t, kind)
	t.count("Length", event.ProcmonDetailLength, int64(size))
	data := regData{kind: kind, size: size, captured: out[dataAt:], at: r.outAt + int64(dataAt), shown: len(out) - dataAt}
	if class == 1 || class == 3 { // what Process Monitor takes for the data's place: the size of the structure without a name
		data.shown = len(out) - 24
	}
	r.dataText(t, data)
}

func typeText(t *detailWriter, kind uint32) {
	at := t.key("Type")
	if name := nameOf(registryTypes[:], kind, ""); name != "" {
		t.text = append(t.text, name...)
	} else {
		t.text = append(strconv.AppendUint(append(t.text, "<Unknown: "...), uint64(kind), 10), '>')
	}
	t.keep(event.ProcmonDetailType, at)
}

func (r *pmlReader) setKeyText(t *detailWriter, d, tail []byte) {
	class, length := le.Uint32(d[4:]), int64(le.Uint32(d[8:]))
	if r.o.Display { // Process Monitor takes the bytes captured for the length
		length = int64(le.Uint16(d[12:]))
	}
	t.str("KeySetInformationClass", event.ProcmonDetailKeysetinformationclass, nameOf(keySets[:], class, unknownName))
	t.count("Length", event.ProcmonDetailLength, length)
	data := tail[:min(int(le.Uint16(d[12:])), len(tail))]
	switch {
	case class == 0 && len(data) >= 8:
		t.time("LastWriteTime", event.ProcmonDetailLastwritetime, le.Uint64(data))
	case class == 1 && len(data) >= 4:
		t.hex("Wow64Flags", event.ProcmonDetailWow64flags, uint64(le.Uint32(data)))
	case class == 5 && len(data) >= 4:
		t.hex("HandleTags", event.ProcmonDetailHandletags, uint64(le.Uint32(data)))
	}
}

const (
	regSZ       = 1
	regExpandSZ = 2
	regBinary   = 3
	regDWORD    = 4
	regLink     = 6
	regMultiSZ  = 7
	regQWORD    = 11
)

// A regData is registry data as far as they were captured.
type regData struct {
	kind, size uint32
	captured   []byte
	at         int64 // where they stand in the file
	shown      int   // bytes of them that Process Monitor shows, which can be more than were captured
}

// dataText writes registry data. Process Monitor reads on behind what was captured where it takes it for longer, and texts
// to the next NUL wherever that is: into the event that follows in the file.
func (r *pmlReader) dataText(t *detailWriter, v regData) {
	if v.size == 0 {
		return
	}
	d := v.captured[:min(int64(v.size), int64(len(v.captured)))]
	at := t.key("Data")
	if r.o.Display {
		r.displayData(t, v)
	} else {
		t.text = appendData(t.text, v.kind, d)
	}
	t.keep(event.ProcmonDetailData, at)
}

func appendData(dst []byte, kind uint32, d []byte) []byte {
	switch kind {
	case regSZ, regExpandSZ, regLink:
		return appendUTF16(dst, untilNUL(d))
	case regMultiSZ:
		return appendMultiSZ(dst, d)
	case regDWORD:
		if len(d) >= 4 {
			return strconv.AppendUint(dst, uint64(le.Uint32(d)), 10)
		}
	case regQWORD:
		if len(d) >= 8 {
			return strconv.AppendUint(dst, le.Uint64(d), 10)
		}
	default:
		return appendBytes(dst, d)
	}
	return dst
}

// displayData writes data as Process Monitor shows them. It moves the window.
func (r *pmlReader) displayData(t *detailWriter, v regData) {
	size := min(int64(v.size), int64(max(v.shown, 0)))
	switch v.kind {
	case regQWORD: // it shows none
	case regSZ, regExpandSZ, regLink, regMultiSZ:
		d := v.captured
		if !endsInNUL(d[:min(size, int64(len(d)))]) {
			const most = 4 << 10
			d, _ = r.win.get(v.at, int(min(size+most, max(0, r.size-v.at))))
		}
		if v.kind == regMultiSZ {
			t.text = appendMultiSZ(t.text, untilDone(d, int(size)))
		} else {
			t.text = appendUTF16(t.text, untilNUL(d))
		}
	default:
		d := v.captured
		if size > int64(len(d)) {
			d, _ = r.win.get(v.at, int(min(size, max(0, r.size-v.at))))
		}
		t.text = appendData(t.text, v.kind, d[:min(size, int64(len(d)))])
	}
}

func endsInNUL(d []byte) bool {
	n := len(d)
	return n >= 2 && n%2 == 0 && d[n-1] == 0 && d[n-2] == 0
}

// untilDone gives as many texts, each closed by a NUL, as begin in the first size bytes.
func untilDone(d []byte, size int) []byte {
	n := 0
	for n < size && n < len(d) {
		n += len(untilNUL(d[n:])) + 2
	}
	return d[:min(n, len(d))]
}

func appendMultiSZ(dst, d []byte) []byte {
	for first := true; len(d) >= 2; first = false {
		s := untilNUL(d)
		if len(s) == 0 {
			break
		}
		if !first {
			dst = append(dst, ", "...)
		}
		dst = appendUTF16(dst, s)
		d = d[min(len(s)+2, len(d)):]
	}
	return dst
}

// appendBytes appends bytes as 09 0A.
func appendBytes(dst, d []byte) []byte {
	for i, c := range d {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = appendHexUpper(dst, uint32(c), 2)
	}
	return dst
}
