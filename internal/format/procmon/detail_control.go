package procmon

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

// controlTable has the control codes that Process Monitor names, one a line: code, name, the category it gives them if any.
//
//go:embed controls.txt
var controlTable string

// A control is a control code's name and category.
type control struct{ name, category string }

var controls = sync.OnceValue(func() map[uint32]control {
	m := make(map[uint32]control)
	for line := range strings.Lines(controlTable) {
		code, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, category, _ := strings.Cut(rest, " ")
		v, err := strconv.ParseUint(code, 16, 32)
		if err != nil {
			panic("procmon: controls.txt: " + line)
		}
		m[uint32(v)] = control{name, category}
	}
	return m
})

// appendControl appends the name of a control code, or its parts.
func appendControl(dst []byte, code uint32) []byte {
	if c, ok := controls()[code]; ok {
		return append(dst, c.name...)
	}
	dst = strconv.AppendUint(append(dst, "0x"...), uint64(code), 16)
	dst = strconv.AppendUint(append(dst, " (Device:0x"...), uint64(code>>16), 16)
	dst = strconv.AppendUint(append(dst, " Function:"...), uint64(code>>2&0xfff), 10)
	dst = strconv.AppendUint(append(dst, " Method: "...), uint64(code&3), 10)
	return append(dst, ')')
}

func controlCategory(code uint32) string { return controls()[code].category }
