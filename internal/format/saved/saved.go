// Package saved reads the tables that people save from the windows of tools beside Procmon: TCPView's connections, Wireshark's
// packet list, the stack of a Procmon event.
//
// They are text made to be looked at: without types, partly without headers, in the zone and manner of the machine that saved
// them. What a table doesn't say for sure is left out and said in a note.
package saved

import (
	"bytes"
)

// cells takes a line of CSV apart. Cells without quotes point into line, others into scratch. It is false if a quote is
// never closed.
func cells(dst [][]byte, line []byte, scratch *[]byte) ([][]byte, bool) {
	dst, *scratch = dst[:0], (*scratch)[:0]
	if cap(*scratch) < len(line) {
		*scratch = make([]byte, 0, len(line)) // never grows below, so cells stay where they are
	}
	for {
		if len(line) == 0 || line[0] != '"' {
			cell, rest, more := bytes.Cut(line, []byte{','})
			dst = append(dst, cell)
			if !more {
				return dst, true
			}
			line = rest
			continue
		}
		from := len(*scratch)
		line = line[1:]
		for {
			n := bytes.IndexByte(line, '"')
			if n < 0 {
				return append(dst, append((*scratch)[from:], line...)), false
			}
			*scratch = append(*scratch, line[:n]...)
			line = line[n+1:]
			if len(line) == 0 || line[0] != '"' {
				break
			}
			*scratch = append(*scratch, '"')
			line = line[1:]
		}
		dst = append(dst, (*scratch)[from:len(*scratch):len(*scratch)])
		if len(line) == 0 {
			return dst, true
		}
		if line[0] != ',' {
			return dst, false
		}
		line = line[1:]
	}
}
