package procmon

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
)

// TestPMLMutations damages logs at random: no panic, an end, and bounded work. CULPRIT_MUTATIONS says how many.
func TestPMLMutations(t *testing.T) {
	n := 3000
	if testing.Short() {
		n = 100
	}
	if v, err := strconv.Atoi(os.Getenv("CULPRIT_MUTATIONS")); err == nil {
		n = v
	}
	var logs [][]byte
	for _, p := range []*builtPML{invented(9, true), invented(9, false), invented(7, false)} {
		logs = append(logs, p.bytes())
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	odd := []uint32{0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff}
	b := &event.Batch{}
	slowest := time.Duration(0)
	for i := range n {
		data := bytes.Clone(logs[i%len(logs)])
		for range 1 + rnd.IntN(8) {
			at := rnd.IntN(len(data) - 4)
			switch rnd.IntN(4) {
			case 0:
				data[at] = byte(rnd.Uint32())
			case 1:
				le.PutUint32(data[at:], odd[rnd.IntN(len(odd))])
			case 2:
				le.PutUint16(data[at:], uint16(odd[rnd.IntN(len(odd))]))
			case 3:
				copy(data[at:], data[rnd.IntN(len(data)):])
			}
		}
		if rnd.IntN(8) == 0 {
			data = data[:rnd.IntN(len(data))]
		}
		begun := time.Now()
		readMutation(t, data, format.Options{Display: i%2 == 0}, b)
		slowest = max(slowest, time.Since(begun))
	}
	t.Logf("%d damaged logs, the slowest took %v", n, slowest)
}

func readMutation(t *testing.T, data []byte, o format.Options, b *event.Batch) {
	src, err := format.NewSource("damaged", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	r, err := PML.Open(src, o)
	if err != nil {
		return
	}
	for reads := 0; ; reads++ {
		b.Reset()
		err := r.Read(b)
		if err == io.EOF {
			return
		}
		if err != nil || reads > 10_000 {
			t.Fatalf("after %d reads: %v", reads, err)
		}
	}
}
