package procmon

import "unicode/utf8"

// A pmlText is a text in the details of an event: bytes if wide is false, else UTF-16.
type pmlText struct {
	raw  []byte
	wide bool
}

// detailText finds the text that begins at a place and has the length that info says. When the details end inside it ok is
// false, and the text is what is there.
func detailText(d []byte, at int, info uint16) (t pmlText, next int, ok bool) {
	n := int(info & 0x7fff)
	wide := info&0x8000 == 0
	if wide {
		n *= 2
	}
	if at > len(d) {
		return pmlText{}, at, false
	}
	if n > len(d)-at {
		return pmlText{d[at:], wide}, len(d), false
	}
	return pmlText{d[at : at+n], wide}, at + n, true
}

// plain gives the text when its bytes are UTF-8 as they stand.
func (t pmlText) plain() ([]byte, bool) {
	if t.wide {
		return nil, false
	}
	raw := t.raw
	for len(raw) > 0 && raw[len(raw)-1] == 0 {
		raw = raw[:len(raw)-1]
	}
	rest := raw
	for ; len(rest) >= 8; rest = rest[8:] {
		if le.Uint64(rest)&0x8080808080808080 != 0 {
			return raw, false
		}
	}
	for _, c := range rest {
		if c >= utf8.RuneSelf {
			return raw, false
		}
	}
	return raw, true
}

// append appends the text as UTF-8. The driver marks texts as narrow whose characters all fit into a byte.
func (t pmlText) append(dst []byte) []byte {
	if t.wide {
		return appendUTF16(dst, trimNUL16(t.raw))
	}
	raw, ok := t.plain()
	if ok {
		return append(dst, raw...)
	}
	for _, c := range raw {
		dst = utf8.AppendRune(dst, rune(c))
	}
	return dst
}

// appendUTF16 appends UTF-16 as UTF-8; half a pair becomes U+FFFD.
func appendUTF16(dst, b []byte) []byte {
	for len(b) >= 2 {
		c := rune(le.Uint16(b))
		b = b[2:]
		if c < utf8.RuneSelf {
			dst = append(dst, byte(c))
			continue
		}
		if c>>11 == 0xd800>>11 { // a surrogate
			low := rune(0)
			if len(b) >= 2 {
				low = rune(le.Uint16(b))
			}
			if c>>10 == 0xd800>>10 && low>>10 == 0xdc00>>10 {
				c = ((c-0xd800)<<10 | (low - 0xdc00)) + 0x10000
				b = b[2:]
			} else {
				c = utf8.RuneError
			}
		}
		dst = utf8.AppendRune(dst, c)
	}
	return dst
}

// trimNUL16 drops the NULs at the end of UTF-16.
func trimNUL16(b []byte) []byte {
	b = b[:len(b)&^1]
	for len(b) >= 2 && b[len(b)-1] == 0 && b[len(b)-2] == 0 {
		b = b[:len(b)-2]
	}
	return b
}

// untilNUL gives UTF-16 up to its first NUL.
func untilNUL(b []byte) []byte {
	for i := 0; i+1 < len(b); i += 2 {
		if b[i] == 0 && b[i+1] == 0 {
			return b[:i]
		}
	}
	return b[:len(b)&^1]
}
