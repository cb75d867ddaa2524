package procmon

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"culprit/internal/event"
	"culprit/internal/format"
)

// TestPMLPrefixes cuts real logs short in many places: every event that is whole in front of the cut must come, with its
// details, and no other but the one the cut goes through.
func TestPMLPrefixes(t *testing.T) {
	cuts := 40
	if testing.Short() {
		cuts = 3
	}
	o := format.Options{Fields: event.SetOf(event.Timestamp, event.EventAction, event.ProcmonDetailText)}
	for _, p := range pmlPairs {
		data, err := io.ReadAll(openCorpus(t, p.pml).Stream())
		if err != nil {
			t.Fatal(err)
		}
		whole, more, missing, odd := eventsOf(t, data, o), 0, 0, 0
		is64 := le.Uint32(data[8:]) != 0
		for k := range cuts {
			cut := len(data) * (2*k + 1) / (2 * cuts)
			got := eventsOf(t, data[:cut], o)
			for off, text := range whole {
				e := decodePMLEvent(off, data[off:])
				end := off + e.detailsAt(is64) + int64(e.size)
				if blob := off + int64(e.result); e.result != 0 && blob+2 <= int64(len(data)) {
					end = max(end, blob+2+int64(le.Uint16(data[blob:])))
				}
				there, ok := got[off]
				switch {
				case end <= int64(cut) && !ok:
					missing++
				case end <= int64(cut) && withoutAccount(there) != withoutAccount(text):
					odd++
					if odd < 4 {
						t.Logf("%s cut at %d: event at %d: %q, whole %q", p.pml, cut, off, there, text)
					}
				}
			}
			for off := range got {
				if _, ok := whole[off]; !ok {
					more++
				}
			}
		}
		t.Logf("%s: %d events, %d cuts: %d missing, %d different, %d that are none", p.pml, len(whole), cuts, missing, odd, more)
		if missing > 0 || odd > 0 {
			t.Fail()
		}
	}
}

// withoutAccount cuts a Detail in front of the account: its name is in the tables that a cut takes away.
func withoutAccount(detail string) string {
	detail, _, _ = strings.Cut(detail, ", Impersonating: ")
	return detail
}

// eventsOf gives the text of a log's events by their place.
func eventsOf(t *testing.T, data []byte, o format.Options) map[int64]string {
	t.Helper()
	src, err := format.NewSource("cut", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	events := map[int64]string{}
	if len(data) < pmlHeaderSize {
		return events
	}
	eachBatch(t, src, o, func(b *event.Batch) {
		for i := range b.Len {
			if b.Has(event.Timestamp, i) {
				events[b.Int(event.LogOffset, i)] = string(b.Str(event.EventAction, i)) + " " + string(b.Str(event.ProcmonDetailText, i))
			}
		}
	})
	return events
}
