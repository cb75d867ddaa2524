package winevent

import (
	"bytes"
	"os"
	"testing"

	"culprit/internal/format/formattest"
)

func TestList(t *testing.T) { formattest.Run(t, List) }

func FuzzList(f *testing.F) { formattest.Fuzz(f, List) }

func BenchmarkList(b *testing.B) {
	data, err := os.ReadFile("testdata/winevent-list/everything.txt")
	if err != nil {
		b.Fatal(err)
	}
	formattest.Bench(b, List, bytes.Repeat(data, 1000))
}
