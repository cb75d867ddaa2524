package procmon

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// corpusPMLs are all recordings of Process Monitor's own.
var corpusPMLs = []string{
	"procmon/LogfileTests32bitUTC.pml.zst", "procmon/LogFileUTC64Filesystem.pml.zst", "procmon/LogFileUTC64Process.pml.zst",
	"procmon/LogFileUTC64Registry.pml.zst", "procmon/Noriben_09_Apr_13__20_16_13_368000.pml", "procmon/filtered-win7.pml", "procmon/polish-windows.pml",
}

// A place says where an event stands and what it is.
type place struct {
	off    int64
	action string
}

// readPMLBytes gives the places of the events in data, sorted, with what the reader had to say.
func readPMLBytes(t *testing.T, data []byte) (places []place, bad, notes []string) {
	t.Helper()
	src, err := format.NewSource("cut", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	o := format.Options{Fields: event.SetOf(event.EventAction, event.EventDataset, event.ProcmonPath)}
	eachBatch(t, src, o, func(b *event.Batch) {
		for i := range b.Len {
			if string(b.Str(event.EventDataset, i)) == "procmon.events" {
				places = append(places, place{b.Int(event.LogOffset, i), string(b.Str(event.EventAction, i))})
			}
		}
		for _, x := range b.Bad {
			bad = append(bad, x.Err)
		}
		notes = append(notes, b.Notes...)
	})
	slices.SortFunc(places, func(a, b place) int { return int(a.off - b.off) })
	return places, bad, notes
}

func corpusBytes(t *testing.T, name string) []byte {
	t.Helper()
	data, err := io.ReadAll(openCorpus(t, name).Stream())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestPMLScan takes the tables away from real logs, as if the capture had never been closed: the scan must find the same events.
// One more is allowed: the version 7 log holds a whole Process Create event that its own table leaves out.
func TestPMLScan(t *testing.T) {
	for _, name := range corpusPMLs {
		data := corpusBytes(t, name)
		want, _, _ := readPMLBytes(t, data)
		open := bytes.Clone(data[:le.Uint64(data[0x248:])])
		clear(open[0x234:0x268])
		clear(open[0x3a0:0x3a8])
		got, bad, notes := readPMLBytes(t, open)
		lost, false_ := difference(want, got), difference(got, want)
		t.Logf("%s: %d events, found %d, %d lost, %d false; %q", name, len(want), len(got), len(lost), len(false_), notes)
		if len(lost) > 0 || len(false_) > 1 || len(bad) > 0 {
			t.Errorf("%s: lost %v, false %v, bad %v", name, lost[:min(5, len(lost))], false_[:min(5, len(false_))], bad)
		}
		if len(notes) == 0 || !strings.Contains(notes[0], "not closed") {
			t.Errorf("%s: the user is not told: %q", name, notes)
		}
	}
}

// difference gives what a has and b has not; both are sorted.
func difference(a, b []place) (d []place) {
	for _, x := range a {
		if _, ok := slices.BinarySearchFunc(b, x, func(p, q place) int { return int(p.off - q.off) }); !ok {
			d = append(d, x)
		}
	}
	return d
}

// TestPMLCut reads beginnings of real logs: what is there of the events must come, and the rest be spoken of.
func TestPMLCut(t *testing.T) {
	for _, name := range []string{"procmon/LogFileUTC64Process.pml.zst", "procmon/Noriben_09_Apr_13__20_16_13_368000.pml", "procmon/polish-windows.pml"} {
		data := corpusBytes(t, name)
		whole, _, _ := readPMLBytes(t, data)
		table, count := int64(le.Uint64(data[0x248:])), int64(le.Uint32(data[0x234:]))
		for n := pmlHeaderSize; n < len(data); n += len(data) / 23 {
			got, bad, notes := readPMLBytes(t, data[:n])
			if len(bad) == 0 {
				t.Errorf("%s cut at %d: nothing is said of it (%q)", name, n, notes)
			}
			want := len(whole)
			if int64(n) < table+count*pmlOffsetSize {
				want = 0
				for _, p := range whole {
					if p.off+pmlEventSize <= int64(n) {
						want++
					}
				}
			}
			if d := want - len(got); d < 0 || d > 1 { // one may be cut inside its first bytes, where nothing can be believed
				t.Errorf("%s cut at %d: %d events, want %d: %q", name, n, len(got), want, bad)
			}
		}
	}
	formattest.Cut(t, PML, corpusBytes(t, "procmon/polish-windows.pml"))
}
