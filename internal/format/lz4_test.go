package format

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"
)

func TestLZ4(t *testing.T) {
	text := strings.Repeat("packets as Wireshark saves them, ", 100_000)
	var z bytes.Buffer
	w := lz4.NewWriter(&z)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	all := func(d []byte) ([]byte, error) {
		s, err := NewSource("x.pcapng.lz4", bytes.NewReader(d), int64(len(d)))
		if err != nil {
			return nil, err
		}
		defer s.Close()
		return io.ReadAll(s.Stream())
	}
	got, err := all(z.Bytes())
	if err != nil || string(got) != text {
		t.Errorf("%d bytes (%v), want %d", len(got), err, len(text))
	}
	for _, n := range []int{5, 8, z.Len() / 2, z.Len() - 9} {
		_, err := all(z.Bytes()[:n])
		if err == nil || !strings.HasPrefix(err.Error(), "the lz4 data ends too early") {
			t.Errorf("cut at %d of %d: %v", n, z.Len(), err)
		}
	}
	damaged := bytes.Clone(z.Bytes())
	damaged[z.Len()/2] ^= 0xff
	if _, err := all(damaged); err == nil || !strings.HasPrefix(err.Error(), "lz4 data") {
		t.Errorf("damaged: %v", err)
	}
}
