package procmon

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
)

// A mismatch is a class of cells that are not as Process Monitor's.
type mismatch struct{ column, operation string }

// displayed gives what Process Monitor's CSV has in a column for event i of a batch read with Options.Display.
func displayed(b *event.Batch, i int, column string, zone time.Duration) string {
	at := time.Unix(0, b.Int(event.Timestamp, i)).UTC().Add(zone)
	num := func(f event.Field) string { return strconv.FormatInt(b.Int(f, i), 10) }
	const tick = int64(time.Second / 100)
	switch column {
	case "Time of Day":
		return at.Format("3:04:05.0000000 PM")
	case "Date & Time":
		return at.Format("1/2/2006 3:04:05 PM")
	case "Detail":
		return string(b.Str(event.ProcmonDetailText, i))
	case "Sequence":
		return "n/a"
	case "Duration":
		if !b.Has(event.EventDuration, i) {
			return ""
		}
		d := b.Int(event.EventDuration, i) / 100
		return fmt.Sprintf("%d.%07d", d/tick, d%tick)
	case "Completion Time":
		if !b.Has(event.EventDuration, i) {
			return ""
		}
		return at.Add(time.Duration(b.Int(event.EventDuration, i))).Format("3:04:05.0000000 PM")
	case "User":
		if !b.Has(event.UserDomain, i) {
			return string(b.Str(event.UserName, i))
		}
		return string(b.Str(event.UserDomain, i)) + `\` + string(b.Str(event.UserName, i))
	case "TID":
		if !b.Has(event.ProcessThreadID, i) {
			return "0"
		}
	}
	if f, ok := textColumns[column]; ok {
		return string(b.Str(f, i))
	}
	if f, ok := numberColumns[column]; ok {
		return num(f)
	}
	return "no such column"
}

// TestPMLDisplay compares every cell of all columns with Process Monitor's own CSV of the same capture.
func TestPMLDisplay(t *testing.T) {
	total, all := 0, map[mismatch]int{}
	for _, p := range pmlPairs {
		t.Run(p.pml, func(t *testing.T) {
			rows, columns := openRows(t, p.csv)
			found := map[mismatch]int{}
			eachBatch(t, openCorpus(t, p.pml), format.Options{Display: true}, func(b *event.Batch) {
				for i := range b.Len {
					if string(b.Str(event.EventDataset, i)) != "procmon.events" {
						continue
					}
					row, err := rows.Read()
					if err != nil {
						t.Fatalf("event %d: no row: %v", b.Int(event.Record, i), err)
					}
					for k, want := range row {
						total++
						got := displayed(b, i, columns[k], p.zone)
						if got == want {
							continue
						}
						d := mismatch{columns[k], string(b.Str(event.EventAction, i))}
						all[d]++
						if found[d]++; found[d] < 4 {
							t.Logf("event %d, %s %s: %s:\n got %q\nwant %q", b.Int(event.Record, i), d.operation, b.Str(event.ProcmonPath, i), d.column, got, want)
						}
					}
				}
			})
			if _, err := rows.Read(); err != io.EOF {
				t.Errorf("the CSV has rows that the PML has not: %v", err)
			}
			for _, d := range mismatches(found) {
				t.Errorf("%6d %s, %s", found[d], d.column, d.operation)
			}
		})
	}
	sum := 0
	for _, n := range all {
		sum += n
	}
	t.Logf("%d of %d cells differ", sum, total)
}

// mismatches gives the classes found, the most frequent first.
func mismatches(found map[mismatch]int) []mismatch {
	return slices.SortedFunc(maps.Keys(found), func(a, b mismatch) int {
		return cmp.Or(cmp.Compare(found[b], found[a]), cmp.Compare(a.column, b.column), cmp.Compare(a.operation, b.operation))
	})
}

// TestPMLTruth counts the Details that Process Monitor gets wrong: where they are not as in its CSV without Options.Display.
func TestPMLTruth(t *testing.T) {
	want := []map[string]int{
		{"RegQueryKey": 4759, "RegQueryValue": 27, "QueryDirectory": 51},
		{"CreateFileMapping": 1282, "QueryDirectory": 401},
		{},
		{"RegQueryKey": 1143, "RegQueryValue": 32, "RegSetInfoKey": 693, "RegSetValue": 23},
		{"CreateFile": 1},
	}
	for n, p := range pmlPairs {
		rows, columns := openRows(t, p.csv)
		column, wrong := slices.Index(columns, "Detail"), map[string]int{}
		eachBatch(t, openCorpus(t, p.pml), format.Options{}, func(b *event.Batch) {
			for i := range b.Len {
				if string(b.Str(event.EventDataset, i)) != "procmon.events" {
					continue
				}
				row, err := rows.Read()
				if err != nil {
					t.Fatal(err)
				}
				if string(b.Str(event.ProcmonDetailText, i)) != row[column] {
					op := string(b.Str(event.EventAction, i))
					if wrong[op]++; wrong[op] < 2 {
						t.Logf("%s: event %d\n true %q\nshown %q", op, b.Int(event.Record, i), b.Str(event.ProcmonDetailText, i), row[column])
					}
				}
			}
		})
		if !maps.Equal(wrong, want[n]) {
			t.Errorf("%s: %v, want %v", p.pml, wrong, want[n])
		}
	}
}

func openRows(t *testing.T, name string) (rows *csv.Reader, columns []string) {
	t.Helper()
	text := bufio.NewReader(openCorpus(t, name).Stream())
	if _, err := text.Discard(len("\ufeff")); err != nil {
		t.Fatal(err)
	}
	rows = csv.NewReader(text)
	rows.ReuseRecord = true
	head, err := rows.Read()
	if err != nil {
		t.Fatal(err)
	}
	return rows, slices.Clone(head)
}
