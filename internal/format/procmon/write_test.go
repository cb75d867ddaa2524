package procmon

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
	"culprit/internal/simulate"
)

// readAll gives every batch of a source, opened anew, to each sink in turn.
func readAll(t testing.TB, f *format.Format, name string, data []byte, sinks ...func(*event.Batch) error) {
	t.Helper()
	for _, sink := range sinks {
		src, err := format.NewSource(name, bytes.NewReader(data), -1)
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.Open(src, format.Options{Fields: WriteFields(true), Display: true})
		if err != nil {
			t.Fatal(err)
		}
		b := &event.Batch{Source: name}
		for {
			b.Reset()
			err := r.Read(b)
			if werr := sink(b); werr != nil {
				t.Fatal(werr)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		src.Close()
	}
}

func toCSV(t testing.TB, f *format.Format, name string, data []byte, columns []string, zone *time.Location) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewCSVWriter(&out, columns, zone)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, f, name, data, w.Write)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func toXML(t testing.TB, f *format.Format, name string, data []byte, columns []string, zone *time.Location) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewXMLWriter(&out, columns, zone)
	if err != nil {
		t.Fatal(err)
	}
	w.Stacks = true
	readAll(t, f, name, data, w.Survey, w.Write)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestWriteCSVAsProcmon converts real PMLs and compares the result with Procmon's own CSV of them, row by row. What differs
// is counted by column; nothing does.
func TestWriteCSVAsProcmon(t *testing.T) {
	f := func(pml, csv string, zone *time.Location, allowed map[string]int) {
		t.Run(pml, func(t *testing.T) {
			data := unpacked(t, formattest.Corpus(t, "procmon/"+pml))
			want := unpacked(t, formattest.Corpus(t, "procmon/"+csv))
			columns := header(want)
			got := toCSV(t, PML, pml, data, columns, zone)
			if !bytes.Contains(want, []byte("\r\n")) { // version control made the one sample of its line ends
				got = bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n"))
			}
			diffs, first := compareCSV(t, got, want, columns)
			for _, c := range slices.Sorted(maps.Keys(diffs)) {
				t.Logf("%s: %d cells differ, first %s", c, diffs[c], first[c])
				if diffs[c] > allowed[c] {
					t.Errorf("%s: %d cells differ, want at most %d: %s", c, diffs[c], allowed[c], first[c])
				}
			}
			if len(diffs) == 0 && !bytes.Equal(got, want) {
				t.Error("all cells are equal, the bytes are not")
			}
		})
	}
	utc := time.UTC
	f("LogfileTests32bitUTC.pml.zst", "LogfileTests32bitUTC.csv.zst", utc, nil)
	f("LogFileUTC64Process.pml.zst", "LogFileUTC64Process.csv.zst", utc, nil)
	f("LogFileUTC64Registry.pml.zst", "LogFileUTC64Registry.csv.zst", utc, nil)
	f("LogFileUTC64Filesystem.pml.zst", "LogFileUTC64Filesystem.csv.zst", utc, nil)
	f("Noriben_09_Apr_13__20_16_13_368000.pml", "Noriben_09_Apr_13__20_16_13_368000.csv", time.FixedZone("", -5*3600), nil)
}

// header gives the columns of a CSV.
func header(csv []byte) (columns []string) {
	line, _, _ := bytes.Cut(bytes.TrimPrefix(csv, []byte(utf8BOM)), []byte("\n"))
	for c := range strings.SplitSeq(strings.TrimRight(string(line), "\r"), ",") {
		columns = append(columns, strings.Trim(c, `"`))
	}
	return columns
}

// compareCSV counts the cells that differ, by column.
func compareCSV(t *testing.T, got, want []byte, columns []string) (diffs map[string]int, first map[string]string) {
	t.Helper()
	diffs, first = map[string]int{}, map[string]string{}
	g, w := newCSVScanner(bytes.NewReader(got), ','), newCSVScanner(bytes.NewReader(want), ',')
	for row := 1; ; row++ {
		_, _, gerr := g.next(false)
		_, _, werr := w.next(false)
		if gerr == io.EOF && werr == io.EOF {
			return diffs, first
		}
		if gerr != nil || werr != nil {
			t.Fatalf("row %d: %v, want %v", row, gerr, werr)
		}
		if row == 1 {
			continue
		}
		for i := range columns {
			if a, b := string(g.cell(i)), string(w.cell(i)); a != b {
				if diffs[columns[i]]++; diffs[columns[i]] == 1 {
					first[columns[i]] = "row " + strings.Join([]string{string(w.cell(3)), " got ", a, " want ", b}, "|")
				}
			}
		}
	}
}

// TestWriteCSVOfSimulated converts the PML of an invented recording: it must be the CSV of the same recording, byte for byte.
func TestWriteCSVOfSimulated(t *testing.T) {
	c := simulate.New(simulate.Small())
	var pml, csv bytes.Buffer
	if err := c.WritePML(&pml, simulate.PMLOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteProcmonCSV(&csv, simulate.CSVOptions{Columns: simulate.AllColumns, Resolve: true}); err != nil {
		t.Fatal(err)
	}
	got := toCSV(t, PML, "x.pml", pml.Bytes(), simulate.AllColumns, c.Zone)
	diffs, first := compareCSV(t, got, csv.Bytes(), simulate.AllColumns)
	for c, n := range diffs {
		t.Errorf("%s: %d cells differ, first %s", c, n, first[c])
	}
	if len(diffs) == 0 && !bytes.Equal(got, csv.Bytes()) {
		t.Error("all cells are equal, the bytes are not")
	}
}

// TestWriteXMLAndBack converts to XML, reads that and compares what both have as Procmon displays it.
func TestWriteXMLAndBack(t *testing.T) {
	f := func(ft *format.Format, name string, data []byte) {
		t.Run(name, func(t *testing.T) {
			all := []string{"all"}
			want := toCSV(t, ft, name, data, all, nil)
			made := toXML(t, ft, name, data, all, nil)
			got := toCSV(t, XML, "made.xml", made, all, nil)
			diffs, first := compareCSV(t, got, want, columnNames[:])
			for c, n := range diffs {
				t.Errorf("%s: %d cells differ, first %s", c, n, first[c])
			}
			again := toXML(t, XML, "made.xml", made, all, nil)
			if !bytes.Equal(again, made) {
				t.Errorf("an XML made of the XML is another: %s", firstDifference(again, made))
			}
		})
	}
	for _, name := range []string{"solved.xml", "daylight.xml"} {
		data, err := os.ReadFile(filepath.Join("testdata", "procmon-xml", name))
		if err != nil {
			t.Fatal(err)
		}
		f(XML, name, data)
	}
	f(XML, "russian-windows.xml", unpacked(t, formattest.Corpus(t, "procmon/russian-windows.xml.zst")))
	f(PML, "Process.pml", unpacked(t, formattest.Corpus(t, "procmon/LogFileUTC64Process.pml.zst")))
	f(CSV, "32bit.csv", unpacked(t, formattest.Corpus(t, "procmon/LogfileTests32bitUTC.csv.zst")))
}

// TestWriteXMLAsProcmon converts a real XML to XML: but for the modules and the English times it must be the same, byte for byte.
func TestWriteXMLAsProcmon(t *testing.T) {
	data := unpacked(t, formattest.Corpus(t, "procmon/russian-windows.xml.zst"))
	got := toXML(t, XML, "russian.xml", data, nil, time.FixedZone("", 5*3600))
	modules, clock := regexp.MustCompile(`(?s)<modulelist>.*?</modulelist>`), regexp.MustCompile(`<Time_of_Day>[^<]*`)
	plain := func(b []byte) []byte {
		return clock.ReplaceAll(modules.ReplaceAll(b, nil), nil)
	}
	g, w := plain(got), plain(data)
	if !bytes.Equal(g, w) {
		t.Error(firstDifference(g, w))
	}
}

// firstDifference shows where two texts part.
func firstDifference(got, want []byte) string {
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	around := func(b []byte) []byte { return b[max(0, n-80):min(len(b), n+80)] }
	return fmt.Sprintf("at byte %d: %q, want %q", n, around(got), around(want))
}

func TestWriteXMLEscapes(t *testing.T) {
	f := func(in, want string, dropped int64) {
		t.Helper()
		x := &XMLWriter{}
		x.escape([]byte(in))
		if string(x.buf) != want || x.Dropped != dropped {
			t.Errorf("escape(%q) = %q, %d dropped, want %q, %d", in, x.buf, x.Dropped, want, dropped)
		}
	}
	f("plain", "plain", 0)
	f(`<a> & "b" 'c'`, "&lt;a&gt; &amp; &quot;b&quot; &apos;c&apos;", 0)
	f("a\x00b\x1fc\x7f", "abc\x7f", 2)
	f("Ж\xffЖ\ufffe\ufffd", "ЖЖ\ufffd", 2)
	f("x: \r;\tA=1\r;\tB=;\r;c", "x: \r\r\n\tA=1\r\r\n\tB=;\r;c", 0)
	f("a\nb\tc", "a\r\nb\tc", 0)
	f("]]>", "]]&gt;", 0)
}

func TestAppendClock(t *testing.T) {
	f := func(ns int64, want string) {
		t.Helper()
		if got := string(appendClock(nil, ns, true)); got != want {
			t.Errorf("appendClock(%d) = %q, want %q", ns, got, want)
		}
	}
	f(0, "12:00:00.0000000 AM")
	f(12*hour, "12:00:00.0000000 PM")
	f(16*hour+33*minute+14*second+306261400, "4:33:14.3062614 PM")
	f(day+hour, "1:00:00.0000000 AM")
	f(-1, "11:59:59.9999999 PM")
}

func TestWriteColumns(t *testing.T) {
	if _, err := NewCSVWriter(io.Discard, []string{"Paht"}, nil); err == nil || !strings.Contains(err.Error(), `called "Paht"`) {
		t.Errorf("error %v", err)
	}
	var out bytes.Buffer
	w, err := NewCSVWriter(&out, []string{"tid", "Date & Time"}, nil)
	if err != nil || w.Close() != nil || out.String() != "\ufeff\"TID\",\"Date & Time\"\r\n" {
		t.Errorf("header %q, error %v", out.String(), err)
	}
}

func BenchmarkWriteCSV(b *testing.B) {
	data := unpacked(b, formattest.Corpus(b, "procmon/LogfileTests32bitUTC.pml.zst"))
	for b.Loop() {
		b.SetBytes(int64(len(toCSV(b, PML, "x", data, []string{"all"}, nil))))
	}
}
