package winevent

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
)

// whereOf gives the offset, number and time of every event of a log.
func whereOf(t *testing.T, data []byte) (where []string) {
	t.Helper()
	src, err := format.NewSource("log", bytes.NewReader(data), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	r, err := EVTX.Open(src, format.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := new(event.Batch)
	for err = error(nil); err == nil; {
		b.Reset()
		err = r.Read(b)
		for i := range b.Len {
			where = append(where, fmt.Sprint(b.Int(event.LogOffset, i)))
		}
	}
	if err != io.EOF {
		t.Error(err)
	}
	return where
}

// TestEVTXMutations damages real logs in a few bytes, and checks that reading ends soon, gives no place twice, and gives the
// records whose bytes are whole. EVTX_MUTATIONS says how many; the seed is fixed.
func TestEVTXMutations(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 60
	}
	if s := os.Getenv("EVTX_MUTATIONS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	names, data := logs(t, "evtx/attack-samples", "evtx/parser-samples")
	rnd := rand.New(rand.NewPCG(5, 8))
	intact, kept := 0, 0
	var slowest time.Duration
	for range n {
		name := names[rnd.IntN(len(names))]
		whole := data[name]
		if len(whole) > 200<<10 { // a part says as much
			chunk := rnd.IntN(len(whole)/chunkSize - 1)
			whole = append(bytes.Clone(whole[:fileHeaderSize]), whole[fileHeaderSize+chunk*chunkSize:][:chunkSize]...)
		}
		d, touched := mutate(rnd, whole)
		before := time.Now()
		got := whereOf(t, d)
		if took := time.Since(before); took > slowest {
			slowest = took
		}
		have := map[string]bool{}
		for _, w := range got {
			if have[w] {
				t.Errorf("%s: the event at %s comes twice", name, w)
			}
			have[w] = true
		}
		for _, w := range wholeRecords(whole, touched) {
			if intact++; have[w] {
				kept++
			}
		}
	}
	t.Logf("%d mutations: %d of %d intact records read (%.3f %%); the slowest took %v", n, kept, intact, 100*float64(kept)/float64(intact), slowest)
	if slowest > 30*time.Second { // milliseconds on an idle machine
		t.Error("too slow")
	}
}

// mutate changes a few bytes and says which. Neither header and tables of the chunk, nor places of templates are spared.
func mutate(rnd *rand.Rand, whole []byte) (d []byte, touched []int) {
	d = bytes.Clone(whole)
	for range 1 + rnd.IntN(8) {
		at := fileHeaderSize + rnd.IntN(len(d)-fileHeaderSize)
		if rnd.IntN(8) == 0 {
			at = rnd.IntN(128)
		}
		size := 1
		if rnd.IntN(4) == 0 {
			size = 1 + rnd.IntN(32)
		}
		for i := at; i < min(at+size, len(d)); i++ {
			d[i] = byte(rnd.Uint32())
			touched = append(touched, i)
		}
	}
	return d, touched
}

// wholeRecords gives where the live records stand that no byte was changed of.
func wholeRecords(whole []byte, touched []int) (where []string) {
	for at := fileHeaderSize; at+chunkSize <= len(whole); at += chunkSize {
		d := whole[at:][:chunkSize]
		s := newScanner(d, readChunkHeader(d))
		for {
			rec, _, ok := s.next()
			if !ok {
				break
			}
			hit := rec.slack || rec.damaged
			for _, i := range touched {
				hit = hit || i >= at+rec.at && i < at+rec.end
			}
			if !hit {
				where = append(where, fmt.Sprint(at+rec.at))
			}
		}
	}
	return where
}
