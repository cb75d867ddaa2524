package pcap

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// A capture made with a snaplen lacks the names in what was cut off: that must be said.
func TestSnaplen(t *testing.T) {
	data, err := os.ReadFile("testdata/pcap/icmp.pcap")
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	if le.Uint32(data) != 0xa1b2c3d4 {
		t.Skip("the sample is of the other byte order")
	}
	out := bytes.Clone(data[:24])
	packets := 0
	for i := 24; i+16 <= len(data); packets++ {
		size := int(le.Uint32(data[i+8:]))
		head := bytes.Clone(data[i : i+16])
		le.PutUint32(head[8:], uint32(size-1))
		out = append(append(out, head...), data[i+16:i+16+size-1]...)
		i += 16 + size
	}
	o := formattest.Read(t, PCAP, "cut", bytes.NewReader(out), format.Options{})
	if notes := strings.Join(o.Notes, "\n"); packets == 0 || !strings.Contains(notes, "were cut when captured (snaplen)") {
		t.Errorf("%d packets, notes %q", packets, notes)
	}
	o = formattest.Read(t, PCAP, "whole", bytes.NewReader(data), format.Options{})
	if strings.Contains(strings.Join(o.Notes, "\n"), "snaplen") {
		t.Errorf("whole packets, notes %q", o.Notes)
	}
}
