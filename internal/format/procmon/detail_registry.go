package procmon

// Detail of registry events. Behind the length of the path stand the parameters, 32 bit each:
//
//	open, create  4 access. result: u32 access granted, u32 disposition
//	query key     4 length of the caller's buffer, 8 KEY_INFORMATION_CLASS. result: that structure
//	query value   4 length, 8 KEY_VALUE_INFORMATION_CLASS. enumerating: 4 length, 8 index, 12 class
//	set value     4 type, 8 length, 12 u16 bytes captured; the data stand behind the path
//	set info      4 KEY_SET_INFORMATION_CLASS, 8 length, 12 u16 bytes captured, behind the path
//	load, rename  2 u16 text, behind the path: the file, the new name
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
		length := le.Uint32(d[8:])
		typeText(t, le.Uint32(d[4:]))
		t.count("Length", event.ProcmonDetailLength, int64(length))
		r.dataText(t, le.Uint32(d[4:]), length, tail[:min(int(le.Uint16(d[12:])), len(tail))])
	case opRegSetInfoKey:
		r.setKeyText(t, d, tail)
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
	r.dataText(t, kind, size, out[dataAt:])
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

// dataText writes registry data of size bytes, of which d was captured, with what the memory behind it held.
func (r *pmlReader) dataText(t *detailWriter, kind, size uint32, d []byte) {
	if size == 0 {
		return
	}
	d = d[:min(int64(size), int64(len(d)))]
	at := t.key("Data")
	switch kind {
	case regSZ, regExpandSZ, regLink:
		t.text = appendUTF16(t.text, untilNUL(d))
	case regMultiSZ:
		t.text = appendMultiSZ(t.text, d)
	case regDWORD:
		if len(d) >= 4 {
			t.text = strconv.AppendUint(t.text, uint64(le.Uint32(d)), 10)
		}
	case regQWORD:
		if len(d) >= 8 && !r.o.Display { // Process Monitor shows none
			t.text = strconv.AppendUint(t.text, le.Uint64(d), 10)
		}
	default:
		t.text = appendBytes(t.text, d)
	}
	t.keep(event.ProcmonDetailData, at)
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
