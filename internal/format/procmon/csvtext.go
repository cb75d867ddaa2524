package procmon

import (
	"bytes"
	"io"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Procmon writes UTF-8. What was saved again may be UTF-16 (PowerShell, Excel's Unicode text) or in the code page of the
// machine it was saved on (Excel's CSV), which nothing in the file names.

// utf16Of says whether head is UTF-16: by its byte order mark, or because every other byte of its first is zero.
func utf16Of(head []byte) (e unicode.Endianness, ok bool) {
	switch {
	case len(head) < 4:
		return e, false
	case head[0] == 0xff && head[1] == 0xfe, head[0] != 0 && head[1] == 0 && head[2] != 0 && head[3] == 0:
		return unicode.LittleEndian, true
	case head[0] == 0xfe && head[1] == 0xff, head[0] == 0 && head[1] != 0 && head[2] == 0 && head[3] != 0:
		return unicode.BigEndian, true
	}
	return e, false
}

// utf16Reader gives UTF-16 as UTF-8, a byte order mark too.
func utf16Reader(r io.Reader, e unicode.Endianness) io.Reader {
	return transform.NewReader(r, unicode.UTF16(e, unicode.IgnoreBOM).NewDecoder())
}

// utf16Bytes is how many bytes of UTF-16 the UTF-8 text b was.
func utf16Bytes(b []byte) (n int64) {
	for _, c := range b {
		switch {
		case c >= 0xf0: // beyond the basic plane: two units
			n += 4
		case c < 0x80 || c >= 0xc0:
			n += 2
		}
	}
	return n
}

// A codePage is how text that isn't UTF-8 is read.
type codePage struct {
	name string
	enc  encoding.Encoding
}

// guessCodePage tells which code page text that isn't UTF-8 is in, of the three that recordings were seen in: Western
// languages have single letters of the upper half among ASCII, Chinese has pairs of bytes most of which stand for common
// characters, Russian has words of the range that holds the letters.
func guessCodePage(sample []byte) codePage {
	runs, high, letters, pairs, common := 0, 0, 0, 0, 0
	for i := 0; i < len(sample); {
		if sample[i] < 0x80 {
			i++
			continue
		}
		runs++
		from := i
		for ; i < len(sample) && sample[i] >= 0x80; i++ {
			high++
			if sample[i] >= 0xc0 || sample[i] == 0xa8 || sample[i] == 0xb8 {
				letters++
			}
		}
		for k := from; k+1 < i; k += 2 {
			pairs++
			if sample[k] >= 0xb0 && sample[k] <= 0xd7 && sample[k+1] >= 0xa1 && sample[k+1] != 0xff {
				common++
			}
		}
	}
	switch {
	case pairs > 0 && high >= 2*runs && common*10 >= pairs*8:
		return codePage{"code page 936 (Chinese)", simplifiedchinese.GBK}
	case high >= 2*runs && letters*10 >= high*8:
		return codePage{"code page 1251 (Cyrillic)", charmap.Windows1251}
	}
	return codePage{"code page 1252 (Western)", charmap.Windows1252}
}

// decode appends b, which isn't UTF-8, to dst as UTF-8.
func (p codePage) decode(dst, b []byte) []byte {
	text, err := p.enc.NewDecoder().Bytes(b)
	if err != nil { // it replaces what it can't read, so this can't be
		text = bytes.ToValidUTF8(b, []byte("\ufffd"))
	}
	return append(dst, text...)
}

// plainASCII says whether b has no byte of the upper half.
func plainASCII(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if le.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// decodedHead is head as UTF-8, as far as Match needs it.
func decodedHead(head []byte) []byte {
	e, ok := utf16Of(head)
	if !ok {
		return head
	}
	text, err := io.ReadAll(utf16Reader(bytes.NewReader(head[:min(len(head), 16<<10)&^1]), e))
	if err != nil {
		return nil
	}
	return text
}
