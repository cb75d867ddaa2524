package format

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Detect finds the one format among formats that claims src. The error wraps ErrUnknown and says what src looks like.
func Detect(src *Source, formats []*Format) (*Format, error) {
	head, err := src.Head()
	if err != nil {
		return nil, err
	}
	for _, f := range formats {
		if f.Match(head) {
			return f, nil
		}
	}
	return nil, fmt.Errorf("%w (%s)", ErrUnknown, looksLike(head))
}

// looksLike says what a source that nobody claims might be, so that the user sees the mistake.
func looksLike(head []byte) string {
	for _, k := range []struct{ magic, what string }{
		{"", "empty"},
		{"PK\x03\x04", "a zip archive inside another: unpack it first"},
		{"MZ", "Windows program"},
		{"\x7fELF", "Linux program"},
		{"%PDF", "PDF"},
		{"\xd0\xcf\x11\xe0", "old Office document"},
		{"Rar!", "RAR archive: unpack it first"},
		{"7z\xbc\xaf", "7-Zip archive: unpack it first"},
		{"BZh", "bzip2: unpack it first"},
		{"\xfd7zXZ", "xz: unpack it first"},
		{"\xff\xfe", "UTF-16 text: save it as UTF-8"},
		{"\xfe\xff", "UTF-16 text: save it as UTF-8"},
		{"<?xml", "XML"},
		{"\xef\xbb\xbf<?xml", "XML"},
		{"{", "JSON, of no tool I know"},
		{"SQLite format 3", "SQLite database"},
	} {
		if k.magic == "" && len(head) == 0 || k.magic != "" && bytes.HasPrefix(head, []byte(k.magic)) {
			return k.what
		}
	}
	if bytes.IndexByte(head, 0) < 0 && utf8.Valid(trimRune(head)) {
		return "text"
	}
	return "binary"
}

// trimRune drops a rune that HeadSize may have cut.
func trimRune(b []byte) []byte {
	for i := 1; i <= 3 && i <= len(b); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}
