package winevent

import (
	"bytes"
	"testing"

	"culprit/internal/format/formattest"
)

func TestFormat(t *testing.T) { formattest.Run(t, JSON) }

func FuzzFormat(f *testing.F) { formattest.Fuzz(f, JSON) }

func BenchmarkFormat(b *testing.B) {
	formattest.Bench(b, JSON, benchData(b))
}

// benchData repeats the samples: real logs hold more text an event, so this is the hard case.
func benchData(b *testing.B) []byte {
	one := sample(b, "flat-timecreated.json")
	var good []byte
	for line := range bytes.Lines(one) {
		if len(line) > 300 {
			good = append(good, line...)
		}
	}
	return bytes.Repeat(good, 4<<20/len(good))
}
