package procmon

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// openCorpus opens a real recording.
func openCorpus(t testing.TB, name string) *format.Source {
	t.Helper()
	f, err := os.Open(formattest.Corpus(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	src, err := format.NewSource(name, f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src
}

// eachBatch reads a source to its end.
func eachBatch(t testing.TB, src *format.Source, o format.Options, f func(b *event.Batch)) {
	t.Helper()
	eachBatchOf(t, PML, src, o, f)
}

func eachBatchOf(t testing.TB, ft *format.Format, src *format.Source, o format.Options, f func(b *event.Batch)) {
	t.Helper()
	r, err := ft.Open(src, o)
	if err != nil {
		t.Fatal(err)
	}
	b := &event.Batch{Source: src.Path}
	for {
		b.Reset()
		err := r.Read(b)
		f(b)
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// pmlPairs are captures that Process Monitor saved both ways.
var pmlPairs = []struct {
	pml, csv string
	zone     time.Duration // of the machine that wrote the CSV
}{
	{"procmon/LogfileTests32bitUTC.pml.zst", "procmon/LogfileTests32bitUTC.csv.zst", 0},
	{"procmon/LogFileUTC64Filesystem.pml.zst", "procmon/LogFileUTC64Filesystem.csv.zst", 0},
	{"procmon/LogFileUTC64Process.pml.zst", "procmon/LogFileUTC64Process.csv.zst", 0},
	{"procmon/LogFileUTC64Registry.pml.zst", "procmon/LogFileUTC64Registry.csv.zst", 0},
	{"procmon/Noriben_09_Apr_13__20_16_13_368000.pml", "procmon/Noriben_09_Apr_13__20_16_13_368000.csv", -5 * time.Hour},
}

// cell gives what Process Monitor's CSV should have in a column for event i; false for a column we don't compare.
func cell(b *event.Batch, i int, column string, zone time.Duration) (string, bool) {
	str := func(f event.Field) (string, bool) { return string(b.Str(f, i)), true }
	num := func(f event.Field) (string, bool) { return strconv.FormatInt(b.Int(f, i), 10), true }
	at := time.Unix(0, b.Int(event.Timestamp, i)).UTC().Add(zone)
	const tick = int64(time.Second / 100)
	switch column {
	case "Time of Day":
		return at.Format("3:04:05.0000000 PM"), true
	case "Date & Time":
		return at.Format("1/2/2006 3:04:05 PM"), true
	case "Duration":
		if !b.Has(event.EventDuration, i) {
			return "", true
		}
		d := b.Int(event.EventDuration, i) / 100
		return fmt.Sprintf("%d.%07d", d/tick, d%tick), true
	case "Completion Time":
		if !b.Has(event.EventDuration, i) {
			return "", true
		}
		return at.Add(time.Duration(b.Int(event.EventDuration, i))).Format("3:04:05.0000000 PM"), true
	case "User":
		if !b.Has(event.UserDomain, i) {
			return str(event.UserName)
		}
		return string(b.Str(event.UserDomain, i)) + `\` + string(b.Str(event.UserName, i)), true
	}
	if f, ok := textColumns[column]; ok {
		return str(f)
	}
	if f, ok := numberColumns[column]; ok {
		return num(f)
	}
	return "", false
}

var textColumns = map[string]event.Field{
	"Process Name": event.ProcessName, "Operation": event.EventAction, "Path": event.ProcmonPath, "Result": event.ProcmonResult,
	"Event Class": event.ProcmonEventClass, "Image Path": event.ProcessExecutable, "Company": event.ProcessPECompany,
	"Description": event.ProcessTitle, "Version": event.ProcessPEFileVersion, "Authentication ID": event.ProcmonAuthenticationID,
	"Command Line": event.ProcessCommandLine, "Virtualized": event.ProcmonVirtualized, "Integrity": event.ProcmonIntegrity,
	"Architecture": event.ProcmonArchitecture, "Category": event.ProcmonCategory, "Relative Time": event.ProcmonRelativeTime,
}

// trimmed are the columns whose blanks at the ends we drop.
var trimmed = map[string]bool{"Command Line": true, "Company": true, "Description": true, "Version": true}

var numberColumns = map[string]event.Field{
	"PID": event.ProcessPID, "TID": event.ProcessThreadID, "Session": event.ProcmonSession, "Parent PID": event.ProcessParentPID,
}

// named gives a known reason for a difference, "" for none.
func named(column, got, want string) string {
	switch {
	case column == "Operation" && want == unknownName:
		return "named by later versions of Process Monitor: " + got
	case column == "Operation" && want == "SetAllInformationFile":
		return "version 2.8's name of " + got
	}
	return ""
}

// TestPMLAgainstCSV compares every event, cell by cell, with Process Monitor's own CSV of the same capture.
func TestPMLAgainstCSV(t *testing.T) {
	for _, p := range pmlPairs {
		t.Run(p.pml, func(t *testing.T) {
			text := bufio.NewReader(openCorpus(t, p.csv).Stream())
			if _, err := text.Discard(len("\ufeff")); err != nil {
				t.Fatal(err)
			}
			rows := csv.NewReader(text)
			rows.ReuseRecord = true
			head, err := rows.Read()
			if err != nil {
				t.Fatal(err)
			}
			columns := append([]string(nil), head...)
			wrong, cells, reasons := map[string]int{}, map[string]int{}, map[string]int{}
			last := map[bool]int64{}
			eachBatch(t, openCorpus(t, p.pml), format.Options{}, func(b *event.Batch) {
				for _, bad := range b.Bad {
					t.Errorf("bad: record %d, offset %d: %s", bad.Record, bad.Offset, bad.Err)
				}
				for i := range b.Len {
					if string(b.Str(event.EventDataset, i)) != "procmon.events" {
						continue
					}
					row, err := rows.Read()
					if err != nil {
						t.Fatalf("event %d: no row: %v", b.Int(event.Record, i), err)
					}
					for k, want := range row {
						got, ok := cell(b, i, columns[k], p.zone)
						if !ok {
							continue
						}
						cells[columns[k]]++
						if got == want || trimmed[columns[k]] && got == strings.TrimRight(want, " ") {
							continue
						}
						if why := named(columns[k], got, want); why != "" {
							reasons[why]++
							continue
						}
						if wrong[columns[k]]++; wrong[columns[k]] < 4 {
							t.Logf("event %d, %s: %s: got %q, want %q", b.Int(event.Record, i), b.Str(event.EventAction, i), columns[k], got, want)
						}
					}
					network := string(b.Str(event.ProcmonEventClass, i)) == "Network"
					if seq := b.Int(event.EventSequence, i); seq <= last[network] && p.zone == 0 {
						t.Errorf("event %d: sequence %d after %d", b.Int(event.Record, i), seq, last[network])
					} else {
						last[network] = seq
					}
				}
			})
			if _, err := rows.Read(); err != io.EOF {
				t.Errorf("the CSV has rows that the PML has not: %v", err)
			}
			for _, c := range columns {
				t.Logf("%-18s %6d cells, %d wrong", c, cells[c], wrong[c])
				if wrong[c] > 0 {
					t.Errorf("%s: %d of %d cells are wrong", c, wrong[c], cells[c])
				}
			}
			t.Logf("named differences: %v", reasons)
		})
	}
}

// TestPMLReadsCorpus reads the recordings that have no CSV beside them.
func TestPMLReadsCorpus(t *testing.T) {
	for name, want := range map[string]int{"procmon/filtered-win7.pml": 1250, "procmon/polish-windows.pml": 717} {
		n, rows := 0, map[string]int{}
		eachBatch(t, openCorpus(t, name), format.Options{}, func(b *event.Batch) {
			if len(b.Bad) > 0 || len(b.Notes) > 0 {
				t.Errorf("%s: %v %v", name, b.Bad, b.Notes)
			}
			for i := range b.Len {
				if b.Has(event.Timestamp, i) {
					n++
				}
				rows[string(b.Str(event.EventDataset, i))+" "+string(b.Str(event.Role, i))]++
			}
		})
		if n != want {
			t.Errorf("%s: %d events, want %d", name, n, want)
		}
		t.Logf("%s: %v", name, rows)
	}
}
