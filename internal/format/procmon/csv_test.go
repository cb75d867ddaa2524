package procmon

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

func TestCSVFormat(t *testing.T) { formattest.Run(t, CSV) }
func FuzzCSVFormat(f *testing.F) { formattest.Fuzz(f, CSV) }

// BenchmarkCSVFormat reads rows like those of a long capture: registry and file, one network row in fifty.
func BenchmarkCSVFormat(b *testing.B) {
	for _, columns := range []int{defaultColumns, int(numColumns)} {
		b.Run(fmt.Sprintf("columns=%d", columns), func(b *testing.B) { formattest.Bench(b, CSV, benchCSV(columns)) })
	}
}

func benchCSV(columns int) []byte {
	var s bytes.Buffer
	s.WriteString(utf8BOM)
	row := func(cells [numColumns]string) {
		for i, c := range cells[:columns] {
			if i > 0 {
				s.WriteByte(',')
			}
			s.WriteString(`"` + strings.ReplaceAll(c, `"`, `""`) + `"`)
		}
		s.WriteString("\r\n")
	}
	row(columnNames)
	for i := range 100000 {
		at := fmt.Sprintf("4:%02d:%02d.%07d PM", i/6000%60, i/100%60, i%100*99991)
		cells := [numColumns]string{
			at, "svchost.exe", "1136", "RegQueryValue", `HKLM\System\CurrentControlSet\Services\Tcpip\Parameters\Interfaces\{9b8a}\Domain`,
			"SUCCESS", "Type: REG_SZ, Length: 36, Data: example.org", "7/31/2020 4:33:14 PM", "00:00:09.4121402", "0.0000048", at, "Registry", "n/a",
			`C:\Windows\system32\svchost.exe`, "Microsoft Corporation", "Host Process for Windows Services", "6.1.7600.16385",
			`NT AUTHORITY\NETWORK SERVICE`, "00000000:000003e4", "0", `C:\Windows\system32\svchost.exe -k NetworkService`, "1408",
			"False", "System", "Read", "508", "32-bit",
		}
		switch i % 50 {
		case 0:
			cells[colOperation], cells[colPath] = "TCP Send", fmt.Sprintf("LAB7.example.org:%d -> api.example.net:https", 49152+i%64)
			cells[colDetail], cells[colClass] = "Length: 1,212, startime: 369678, endtime: 369678, seqnum: 0, connid: 0", "Network"
		case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
			cells[colOperation], cells[colPath] = "CreateFile", `C:\Users\ann\AppData\Local\Temp\setup.log`
			cells[colDetail] = "Desired Access: Generic Read, Disposition: Open, Options: Synchronous IO Non-Alert, Attributes: n/a"
		}
		row(cells)
	}
	return s.Bytes()
}

// oracle reads a CSV with the standard library, which takes a bare CR for what it is only when it isn't there.
func oracle(t *testing.T, data []byte) (header []string, rows [][]string) {
	t.Helper()
	const standIn = "\x01"
	data = bytes.TrimPrefix(data, []byte(utf8BOM))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	data = bytes.ReplaceAll(data, []byte("\r"), []byte(standIn))
	r := csv.NewReader(bytes.NewReader(data))
	r.LazyQuotes = true
	for {
		row, err := r.Read()
		if err == io.EOF {
			return rows[0], rows[1:]
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], standIn, "\r")
		}
		rows = append(rows, row)
	}
}

func corpusFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(formattest.Corpus(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".zst") {
		z, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		if data, err = z.DecodeAll(data, nil); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// TestCSVCorpus compares every cell of real exports with what the standard library reads.
func TestCSVCorpus(t *testing.T) {
	for _, name := range []string{
		"procmon/LogFileUTC64Filesystem.csv.zst", "procmon/LogFileUTC64Process.csv.zst", "procmon/LogFileUTC64Registry.csv.zst",
		"procmon/LogfileTests32bitUTC.csv.zst", "procmon/Noriben_09_Apr_13__20_16_13_368000.csv", "procmon/excel-resaved.csv",
		"procmon/locale-comma-seconds.csv", "procmon/locale-nbsp-dots.csv.zst", "misc/phishing-Logfile.csv",
	} {
		t.Run(name, func(t *testing.T) {
			data := corpusFile(t, name)
			if !CSV.Match(data[:min(len(data), format.HeadSize)]) {
				t.Error("Match does not claim it")
			}
			header, rows := oracle(t, data)
			compareCells(t, data, header, rows)
			o := formattest.Read(t, CSV, name, bytes.NewReader(data), format.Options{Fields: event.SetOf(event.Timestamp)})
			if o.Err != nil || len(o.Bad) > 0 || len(o.Lines) != len(rows) {
				t.Errorf("%d events, want %d; error %v; bad: %v", len(o.Lines), len(rows), o.Err, o.Bad)
			}
			for _, n := range o.Notes {
				t.Log(n)
			}
			roles := formattest.Read(t, CSV, name, bytes.NewReader(data), format.Options{RolesOnly: true})
			if n := len(roles.Lines) + roles.Skipped; n != len(rows) {
				t.Errorf("RolesOnly accounts for %d events, want %d", n, len(rows))
			}
		})
	}
}

func compareCells(t *testing.T, data []byte, header []string, rows [][]string) {
	t.Helper()
	s := newCSVScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte(utf8BOM))), ',')
	line := int64(1)
	for i, want := range append([][]string{header}, rows...) {
		at, _, err := s.next(false)
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		if at != line {
			t.Fatalf("row %d stands in line %d, want %d", i, at, line)
		}
		line += 1 + int64(bytes.Count(s.row, []byte("\n")))
		var got []string
		for c := range s.cells {
			got = append(got, string(s.cell(c)))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("row %d\n got %q\nwant %q", i, got, want)
		}
	}
	if _, _, err := s.next(false); err != io.EOF {
		t.Errorf("after the last row: %v", err)
	}
}

// TestCSVOthers reads what is a CSV of another tool.
func TestCSVOthers(t *testing.T) {
	for _, name := range []string{
		"misc/phishing-dns_results.csv", "misc/phishing-http_results.csv", "misc/phishing-tls_results.csv", "misc/phishing-tcpview.csv",
		"misc/phishing-tcpview-1.csv", "procmon/stack-export.csv",
	} {
		data := corpusFile(t, name)
		if CSV.Match(data[:min(len(data), format.HeadSize)]) {
			t.Errorf("%s: Match claims it", name)
		}
	}
}

func TestCSVMatch(t *testing.T) {
	f := func(head string, want bool) {
		t.Helper()
		if got := CSV.Match([]byte(head)); got != want {
			t.Errorf("%q: %v", head, got)
		}
	}
	f(`"Time of Day","Process Name","PID","Operation"`, true)
	f("\xef\xbb\xbfPID;operation;PATH\n", true)
	f("TID\tProcess Name\tDetail\n", true)
	f("4:33:14.3062614 PM,a.exe,7,ReadFile,,,\n", true)
	f("10.0.0.1,a.exe,7,ReadFile,,,\n", false)
	f("4:33:14,a.exe,seven,ReadFile,,,\n", false)
	f("4:33:14,a.exe,7,ReadFile,,\n", false)
	f(`"No.","Time","Source","Destination","Protocol","Length","Info"`, false)
	f(`"Frame","Module","Location","Address","Path"`, false)
	f(`"Path","Result","Detail"`, false)
	f("Process Name,Process ID,Protocol,State,Local Address\n", false)
	f(`"Process Name","Pa`, false)
	f("", false)
	f("\xff\xfe", false)
	f("{}", false)
}

// TestCSVNetworkRows checks that every network event of a real capture has two ends with ports.
func TestCSVNetworkRows(t *testing.T) {
	data := corpusFile(t, "procmon/LogfileTests32bitUTC.csv.zst")
	n := 0
	eachEvent(t, CSV, data, format.Options{RolesOnly: true}, func(b *event.Batch, i int) {
		if !b.Has(event.NetworkTransport, i) {
			return
		}
		n++
		for _, end := range [][3]event.Field{
			{event.SourceIP, event.SourceDomain, event.SourcePort}, {event.DestinationIP, event.DestinationDomain, event.DestinationPort},
		} {
			if b.Has(end[0], i) == b.Has(end[1], i) || b.Int(end[2], i) == 0 {
				t.Errorf("an end is missing: %s", b.AppendJSON(nil, i))
			}
		}
	})
	if n != 495 {
		t.Errorf("%d network events, want 495", n)
	}
}

// eachEvent hands every event of a source to f.
func eachEvent(t testing.TB, ft *format.Format, data []byte, o format.Options, f func(b *event.Batch, i int)) {
	t.Helper()
	src, err := format.NewSource("test", bytes.NewReader(data), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	r, err := ft.Open(src, o)
	if err != nil {
		t.Fatal(err)
	}
	b := &event.Batch{}
	for {
		b.Reset()
		err := r.Read(b)
		for i := range b.Len {
			f(b, i)
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestCSVAgainstPML compares what the CSV and the PML of one capture say of its network events, row by row.
func TestCSVAgainstPML(t *testing.T) {
	for _, pair := range [][2]string{
		{"procmon/LogfileTests32bitUTC.csv.zst", "procmon/LogfileTests32bitUTC.pml.zst"},
		{"procmon/Noriben_09_Apr_13__20_16_13_368000.csv", "procmon/Noriben_09_Apr_13__20_16_13_368000.pml"},
	} {
		t.Run(pair[0], func(t *testing.T) {
			var want []netRow
			eachEvent(t, PML, corpusFile(t, pair[1]), format.Options{}, func(b *event.Batch, i int) {
				if b.Has(event.NetworkTransport, i) {
					want = append(want, netRowOf(b, i))
				}
			})
			n := 0
			eachEvent(t, CSV, corpusFile(t, pair[0]), format.Options{}, func(b *event.Batch, i int) {
				if !b.Has(event.NetworkTransport, i) {
					return
				}
				got := netRowOf(b, i)
				if n < len(want) && got != want[n] {
					t.Errorf("network row %d: %s\n got %+v\nwant %+v", n, b.Str(event.ProcmonPath, i), got, want[n])
				}
				n++
			})
			if n != len(want) || n == 0 {
				t.Errorf("%d network events, want %d", n, len(want))
			}
		})
	}
}

// A netRow is what a CSV and a PML both know of a network event. The hour may differ by the zone.
type netRow struct {
	action, transport, process, role, direction string
	pid, source, destination, bytes, inHour     int64
}

func netRowOf(b *event.Batch, i int) netRow {
	text := func(f event.Field) string { return string(b.Str(f, i)) }
	return netRow{
		text(event.EventAction), text(event.NetworkTransport), text(event.ProcessName), text(event.Role), text(event.NetworkDirection),
		b.Int(event.ProcessPID, i), b.Int(event.SourcePort, i), b.Int(event.DestinationPort, i), b.Int(event.NetworkBytes, i),
		b.Int(event.Timestamp, i) % hour,
	}
}

// TestCSVFieldsAgainstPML compares the fields that Procmon's CSV and our reading of its PML share, row by row.
func TestCSVFieldsAgainstPML(t *testing.T) {
	fields := []event.Field{
		event.EventAction, event.EventKind, event.EventProvider, event.EventDataset, event.EventDuration, event.EventCategory, event.EventType,
		event.Role, event.ProcmonEventClass, event.ProcmonPath, event.ProcmonResult, event.ProcmonIntegrity, event.ProcmonArchitecture,
		event.ProcmonAuthenticationID, event.ProcmonSession, event.ProcmonVirtualized, event.ProcessName, event.ProcessPID,
		event.ProcessExecutable, event.ProcessThreadID, event.ProcessParentPID, event.ProcessTitle, event.ProcessPECompany,
		event.ProcessPEFileVersion, event.ProcessExitCode, event.ProcessWorkingDirectory, event.UserName, event.UserDomain,
		event.NetworkBytes, event.NetworkTransport, event.NetworkDirection, event.SourcePort, event.DestinationPort,
	}
	for _, name := range []string{"LogfileTests32bitUTC", "LogFileUTC64Process"} {
		t.Run(name, func(t *testing.T) {
			var want [][]byte
			row := func(b *event.Batch, i int) (r []byte) {
				for _, f := range fields {
					r = append(b.AppendValue(r, f, i), '\n')
				}
				return r
			}
			eachEvent(t, PML, corpusFile(t, "procmon/"+name+".pml.zst"), format.Options{}, func(b *event.Batch, i int) {
				if string(b.Str(event.EventDataset, i)) == "procmon.events" {
					want = append(want, row(b, i))
				}
			})
			n, wrong := 0, 0
			eachEvent(t, CSV, corpusFile(t, "procmon/"+name+".csv.zst"), format.Options{}, func(b *event.Batch, i int) {
				if n < len(want) && wrong < 5 {
					if got := row(b, i); !bytes.Equal(got, want[n]) {
						t.Errorf("row %d\n got %q\nwant %q", n, got, want[n])
						wrong++
					}
				}
				n++
			})
			if n != len(want) {
				t.Errorf("%d events, want %d", n, len(want))
			}
		})
	}
}

// FuzzCSVRolesOnly checks that RolesOnly gives the same events with a role and accounts for the rest.
func FuzzCSVRolesOnly(f *testing.F) {
	for _, s := range []string{testHeader + testRow, testHeader + testRow + "\"a\"b\n\"\n" + testRow, testHeader + "\"x\n" + testRow} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all := formattest.Read(t, CSV, "fuzz", bytes.NewReader(data), format.Options{})
		roles := formattest.Read(t, CSV, "fuzz", bytes.NewReader(data), format.Options{RolesOnly: true})
		if len(roles.Lines)+roles.Skipped != len(all.Lines) || !slices.Equal(roles.Roles, all.Roles) {
			t.Errorf("%d events and %d skipped, want %d", len(roles.Lines), roles.Skipped, len(all.Lines))
		}
		if len(all.Bad) < 60 && !slices.Equal(all.Bad, roles.Bad) {
			t.Errorf("bad: %q, want %q", roles.Bad, all.Bad)
		}
	})
}
