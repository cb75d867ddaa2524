package procmon

import (
	"slices"
	"testing"

	"culprit/internal/event"
	"culprit/internal/format"
)

// agreeing are the fields that a log and its CSV with all columns must give alike. Names of ports are not the same on all
// machines, so of ports a CSV may know fewer.
var agreeing = []event.Field{
	event.Role, event.EventAction, event.EventCategory, event.EventType, event.EventKind, event.EventDataset, event.EventProvider, event.EventDuration,
	event.ProcmonEventClass, event.ProcmonPath, event.ProcmonResult, event.ProcmonSession, event.ProcmonIntegrity, event.ProcmonArchitecture,
	event.ProcmonAuthenticationID, event.ProcmonVirtualized, event.ProcessPID, event.ProcessName, event.ProcessExecutable, event.ProcessCommandLine,
	event.ProcessThreadID, event.ProcessParentPID, event.ProcessTitle, event.ProcessPECompany, event.ProcessPEFileVersion, event.ProcessExitCode,
	event.ProcessWorkingDirectory, event.UserName, event.UserDomain, event.NetworkTransport, event.NetworkDirection, event.NetworkBytes,
	event.SourcePort, event.DestinationPort, event.SourceDomain, event.DestinationDomain, event.Timestamp,
}

// TestPMLAgreesWithCSV reads a log and its CSV with our two readers.
func TestPMLAgreesWithCSV(t *testing.T) {
	for _, p := range pmlPairs[:4] {
		rows := func(f *format.Format, name string) (rows [][]string) {
			src := openCorpus(t, name)
			eachBatchOf(t, f, src, format.Options{}, func(b *event.Batch) {
				for i := range b.Len {
					if string(b.Str(event.EventDataset, i)) != "procmon.events" {
						continue
					}
					var row []string
					for _, f := range agreeing {
						row = append(row, string(b.AppendValue(nil, f, i)))
					}
					rows = append(rows, row)
				}
			})
			return rows
		}
		a, b := rows(PML, p.pml), rows(CSV, p.csv)
		if len(a) != len(b) {
			t.Errorf("%s: %d events, its CSV has %d", p.pml, len(a), len(b))
			continue
		}
		differ := map[event.Field]int{}
		for i := range a {
			if slices.Equal(a[i], b[i]) {
				continue
			}
			for k, f := range agreeing {
				if same(f, a[i][k], b[i][k]) || (f == event.EventAction || f == event.EventType) && b[i][1] == `"<Unknown>"` {
					continue
				}
				if differ[f]++; differ[f] < 4 {
					t.Logf("event %d, %s, %s: PML %s, CSV %s", i+1, a[i][1], f, a[i][k], b[i][k])
				}
			}
		}
		for f, n := range differ {
			t.Errorf("%s: %s differs in %d of %d events", p.pml, f, n, len(a))
		}
	}
}

// same compares two values as JSON. The date of a CSV may be unknown, but the time of day is not.
func same(f event.Field, pml, csv string) bool {
	switch {
	case pml == csv:
		return true
	case f == event.Timestamp:
		return pml[len(`"2020-07-11`):] == csv[len(`"2020-07-11`):]
	case f == event.SourcePort, f == event.DestinationPort:
		return csv == "null"
	}
	return false
}
