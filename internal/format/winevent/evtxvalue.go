package winevent

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Types of values. A type with arrayOf set is many of it, one after the other.
const (
	typeNull       = 0x00
	typeString     = 0x01
	typeANSI       = 0x02
	typeInt8       = 0x03
	typeUint8      = 0x04
	typeInt16      = 0x05
	typeUint16     = 0x06
	typeInt32      = 0x07
	typeUint32     = 0x08
	typeInt64      = 0x09
	typeUint64     = 0x0a
	typeFloat      = 0x0b
	typeDouble     = 0x0c
	typeBool       = 0x0d
	typeBinary     = 0x0e
	typeGUID       = 0x0f
	typeSize       = 0x10
	typeFileTime   = 0x11
	typeSystemTime = 0x12
	typeSID        = 0x13
	typeHex32      = 0x14
	typeHex64      = 0x15
	typeBinXML     = 0x21

	arrayOf = 0x80
)

// appendValue appends a value as Windows' viewer shows it. Not ok is a type nobody knows, or one whose bytes are too few;
// those are appended in hexadecimal then, so that nothing is lost.
func appendValue(dst []byte, kind byte, v []byte) (_ []byte, ok bool) {
	if need := valueSize(kind); len(v) < need {
		return appendHex(dst, v), false
	}
	le := binary.LittleEndian
	switch kind {
	case typeNull:
	case typeString:
		dst = appendUTF16(dst, trimNull(v))
	case typeANSI:
		dst = appendANSI(dst, v)
	case typeInt8:
		dst = strconv.AppendInt(dst, int64(int8(v[0])), 10)
	case typeUint8:
		dst = strconv.AppendUint(dst, uint64(v[0]), 10)
	case typeInt16:
		dst = strconv.AppendInt(dst, int64(int16(le.Uint16(v))), 10)
	case typeUint16:
		dst = strconv.AppendUint(dst, uint64(le.Uint16(v)), 10)
	case typeInt32:
		dst = strconv.AppendInt(dst, int64(int32(le.Uint32(v))), 10)
	case typeUint32:
		dst = strconv.AppendUint(dst, uint64(le.Uint32(v)), 10)
	case typeInt64:
		dst = strconv.AppendInt(dst, int64(le.Uint64(v)), 10)
	case typeUint64:
		dst = strconv.AppendUint(dst, le.Uint64(v), 10)
	case typeFloat:
		dst = strconv.AppendFloat(dst, float64(math.Float32frombits(le.Uint32(v))), 'g', -1, 32)
	case typeDouble:
		dst = strconv.AppendFloat(dst, math.Float64frombits(le.Uint64(v)), 'g', -1, 64)
	case typeBool:
		dst = strconv.AppendBool(dst, truth(v))
	case typeGUID:
		dst = appendGUID(dst, v)
	case typeSize, typeHex32, typeHex64: // a size is 4 or 8 bytes, as the machine was
		n := uint64(le.Uint32(v))
		if len(v) >= 8 {
			n = le.Uint64(v)
		}
		dst = strconv.AppendUint(append(dst, "0x"...), n, 16)
	case typeFileTime:
		dst = appendFileTime(dst, le.Uint64(v))
	case typeSystemTime:
		return appendSystemTime(dst, v)
	case typeSID:
		return appendSID(dst, v)
	case typeBinary:
		dst = appendHex(dst, v)
	default:
		return appendHex(dst, v), false
	}
	return dst, true
}

// valueSize is how many bytes a value of a type has, or has at least.
func valueSize(kind byte) int {
	switch kind {
	case typeInt8, typeUint8:
		return 1
	case typeInt16, typeUint16:
		return 2
	case typeInt32, typeUint32, typeFloat, typeHex32, typeSize:
		return 4
	case typeInt64, typeUint64, typeDouble, typeHex64, typeFileTime:
		return 8
	case typeGUID, typeSystemTime:
		return 16
	case typeSID:
		return 8
	case typeBool:
		return 1 // 4 as Windows writes it; other writers save three
	}
	return 0
}

func truth(v []byte) bool {
	for _, c := range v {
		if c != 0 {
			return true
		}
	}
	return false
}

// elementSize gives the size of the first element of an array, the end of a string included; 0 when there is none.
func elementSize(kind byte, v []byte) int {
	switch kind {
	case typeString:
		for i := 0; i+1 < len(v); i += 2 {
			if v[i] == 0 && v[i+1] == 0 {
				return i + 2
			}
		}
		return len(v)
	case typeANSI:
		for i, c := range v {
			if c == 0 {
				return i + 1
			}
		}
		return len(v)
	case typeSID:
		if len(v) < 8 {
			return len(v)
		}
		return min(len(v), 8+4*int(v[1]))
	case typeBool:
		return min(len(v), 4)
	case typeBinary, typeBinXML, typeNull:
		return len(v)
	}
	if n := valueSize(kind); n > 0 {
		return min(n, len(v))
	}
	return len(v)
}

// trimNull takes the null characters from the end of a text.
func trimNull(v []byte) []byte {
	v = v[:len(v)&^1]
	for len(v) >= 2 && v[len(v)-1] == 0 && v[len(v)-2] == 0 {
		v = v[:len(v)-2]
	}
	return v
}

// appendUTF16 appends little-endian UTF-16 as UTF-8: eight characters at a time while they are ASCII. Half a surrogate pair
// becomes U+FFFD.
func appendUTF16(dst, v []byte) []byte {
	dst = slices.Grow(dst, len(v)/2)
	for len(v) >= 2 {
		n := len(dst)
		run := dst[n:cap(dst)]
		i := 0
		for ; len(v) >= 16 && len(run) >= i+8; i += 8 {
			x, y := binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[8:])
			if (x|y)&0xff80ff80ff80ff80 != 0 {
				break
			}
			binary.LittleEndian.PutUint64(run[i:], uint64(pack(x))|uint64(pack(y))<<32)
			v = v[16:]
		}
		for ; len(v) >= 2 && len(run) > i && v[0] < utf8.RuneSelf && v[1] == 0; i++ {
			run[i] = v[0]
			v = v[2:]
		}
		dst = dst[:n+i]
		if len(v) < 2 {
			break
		}
		c := rune(binary.LittleEndian.Uint16(v))
		v = v[2:]
		switch {
		case c < utf8.RuneSelf:
			dst = append(dst, byte(c))
			continue
		case utf16.IsSurrogate(c):
			low := rune(-1)
			if len(v) >= 2 {
				low = rune(binary.LittleEndian.Uint16(v))
			}
			if c = utf16.DecodeRune(c, low); c != utf8.RuneError {
				v = v[2:]
			}
		}
		dst = utf8.AppendRune(dst, c)
	}
	return dst
}

// pack takes the low bytes of four 16-bit numbers.
func pack(x uint64) uint32 {
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

// cp1252 is what the bytes from 0x80 to 0x9f are in Windows' western code page, which stands for whatever code page the
// machine had: the log doesn't say.
const cp1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

func appendANSI(dst, v []byte) []byte {
	for len(v) > 0 && v[len(v)-1] == 0 {
		v = v[:len(v)-1]
	}
	for _, c := range v {
		switch {
		case c < 0x80:
			dst = append(dst, c)
		case c < 0xa0:
			i := c - 0x80
			for _, r := range cp1252 {
				if i == 0 {
					dst = utf8.AppendRune(dst, r)
					break
				}
				i--
			}
		default:
			dst = utf8.AppendRune(dst, rune(c))
		}
	}
	return dst
}

func appendHex(dst, v []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range v {
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}

func appendGUID(dst, v []byte) []byte {
	const digits = "0123456789abcdef"
	text := [38]byte{0: '{', 9: '-', 14: '-', 19: '-', 24: '-', 37: '}'}
	v = v[:16]
	for i, at := range guidAt {
		text[at], text[at+1] = digits[v[i]>>4], digits[v[i]&15]
	}
	return append(dst, text[:]...)
}

// guidAt says where in the text of a GUID its bytes stand: the first three parts are numbers, the lowest byte first.
var guidAt = [16]uint8{7, 5, 3, 1, 12, 10, 17, 15, 20, 22, 25, 27, 29, 31, 33, 35}

// epochAsFileTime is 1970-01-01 in units of 100 ns since 1601-01-01.
const epochAsFileTime = 116444736000000000

// fromFileTime gives nanoseconds since 1970-01-01; not ok outside of what they can say.
func fromFileTime(t uint64) (int64, bool) {
	if t > math.MaxInt64 {
		return 0, false
	}
	d := int64(t) - epochAsFileTime
	if d > math.MaxInt64/100 || d < math.MinInt64/100 {
		return 0, false
	}
	return d * 100, true
}

func appendFileTime(dst []byte, t uint64) []byte {
	secs := int64(t/1e7) - epochAsFileTime/1e7
	return time.Unix(secs, int64(t%1e7)*100).UTC().AppendFormat(dst, "2006-01-02T15:04:05.0000000Z")
}

// appendSystemTime appends a SYSTEMTIME: year, month, day of the week, day, hour, minute, second, millisecond.
func appendSystemTime(dst, v []byte) ([]byte, bool) {
	le := binary.LittleEndian
	var f [8]int
	for i := range f {
		f[i] = int(le.Uint16(v[2*i:]))
	}
	if f[1] < 1 || f[1] > 12 || f[3] < 1 || f[3] > 31 || f[4] > 23 || f[5] > 59 || f[6] > 60 || f[7] > 999 {
		return appendHex(dst, v), false
	}
	t := time.Date(f[0], time.Month(f[1]), f[3], f[4], f[5], f[6], f[7]*1e6, time.UTC)
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z"), true
}

func appendSID(dst, v []byte) ([]byte, bool) {
	n := int(v[1])
	if len(v) < 8+4*n || n > 15 {
		return appendHex(dst, v), false
	}
	dst = strconv.AppendUint(append(dst, "S-"...), uint64(v[0]), 10)
	authority := uint64(binary.BigEndian.Uint16(v[2:]))<<32 | uint64(binary.BigEndian.Uint32(v[4:]))
	dst = strconv.AppendUint(append(dst, '-'), authority, 10)
	for i := range n {
		dst = strconv.AppendUint(append(dst, '-'), uint64(binary.LittleEndian.Uint32(v[8+4*i:])), 10)
	}
	return dst, true
}
