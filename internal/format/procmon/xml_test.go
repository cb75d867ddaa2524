package procmon

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

func TestXMLFormat(t *testing.T) { formattest.Run(t, XML) }

func FuzzXMLFormat(f *testing.F) { formattest.Fuzz(f, XML) }

// BenchmarkXMLFormat reads a list of a few processes and a hundred thousand events.
func BenchmarkXMLFormat(b *testing.B) {
	data, err := os.ReadFile("testdata/procmon-xml/solved.xml")
	if err != nil {
		b.Fatal(err)
	}
	head, events, _ := bytes.Cut(data, []byte("<eventlist>"))
	events, tail, _ := bytes.Cut(events, []byte("</eventlist>"))
	all := bytes.Join([][]byte{head, []byte("<eventlist>"), bytes.Repeat(events, 10_000), []byte("</eventlist>"), tail}, nil)
	formattest.Bench(b, XML, all)
}

// BenchmarkXMLList reads a real file, of which most is the process list.
func BenchmarkXMLList(b *testing.B) {
	formattest.Bench(b, XML, unpacked(b, formattest.Corpus(b, "procmon/russian-windows.xml.zst")))
}

func unpacked(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(name) != ".zst" {
		return data
	}
	z, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	data, err = io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestXMLAgainstEncodingXML compares every process and event with what the standard library's parser finds.
func TestXMLAgainstEncodingXML(t *testing.T) {
	f := func(name string, data []byte, processes, events int) {
		t.Run(name, func(t *testing.T) {
			want := standardRecords(t, data)
			got := ownRecords(t, data)
			if len(got) != len(want) || len(got) != processes+events {
				t.Fatalf("%d records, want %d and %d+%d", len(got), len(want), processes, events)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("record %d\n got %q\nwant %q", i+1, got[i], want[i])
				}
			}
		})
	}
	for _, name := range []string{"solved.xml", "daylight.xml"} {
		data := unpacked(t, "testdata/procmon-xml/"+name)
		f(name, data, bytes.Count(data, []byte("<process>")), bytes.Count(data, []byte("<event>")))
	}
	f("russian-windows.xml", unpacked(t, formattest.Corpus(t, "procmon/russian-windows.xml.zst")), 185, 543)
}

// standardRecords gives every process and event as its leaves' names and texts.
func standardRecords(t *testing.T, data []byte) (records []string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte(utf8BOM))))
	var rec, text strings.Builder
	inside, leaf := false, false
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if n := tok.Name.Local; n == "process" || n == "event" {
				inside = true
				rec.Reset()
				continue
			}
			leaf = true
			text.Reset()
		case xml.CharData:
			text.Write(tok)
		case xml.EndElement:
			switch n := tok.Name.Local; {
			case n == "process" || n == "event":
				records = append(records, rec.String())
				inside = false
			case inside && leaf:
				rec.WriteString(n + "=" + text.String() + "\x00")
			}
			leaf = false
		}
	}
}

// ownRecords does the same with our scanner, line ends as XML has them.
func ownRecords(t *testing.T, data []byte) (records []string) {
	t.Helper()
	s := newXMLScanner(bytes.NewReader(data))
	for {
		_, _, body, err := s.next()
		if err == io.EOF {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		var rec strings.Builder
		for {
			e, rest, ok := nextElement(body)
			if !ok {
				break
			}
			body = rest
			if e.kind == xmlLeaf {
				text := strings.ReplaceAll(string(e.append(nil)), "\r", "\n")
				rec.WriteString(string(e.name) + "=" + text + "\x00")
			}
		}
		records = append(records, rec.String())
	}
}

// TestXMLLongEvents reads events larger than the buffer, and one that is too large.
func TestXMLLongEvents(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	event := func(detail string) string {
		return "<event><ProcessIndex>1</ProcessIndex><Time_of_Day>10:00:00.0000000 AM</Time_of_Day><Operation>ReadFile</Operation><Detail>" + detail + "</Detail></event>"
	}
	in := "<procmon><processlist></processlist><eventlist>" + event(long) + event(strings.Repeat(long, 6)) + event("y") + "</eventlist></procmon>"
	o := formattest.Read(t, XML, "long", strings.NewReader(in), format.Options{})
	if len(o.Lines) != 2 || len(o.Bad) != 1 || !strings.Contains(o.Bad[0], "event 2: it has more than 16 MiB") || o.Err != nil {
		t.Errorf("%d events, bad %q, %v", len(o.Lines), o.Bad, o.Err)
	}
}

func TestAppendRepaired(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		got, ok := appendRepaired(nil, []byte(in))
		if ok != (want != "") || ok && string(got) != want {
			t.Errorf("appendRepaired(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
	f("Ð\u009fÑ\u0080Ð¾Ð³Ñ\u0080Ð°Ð¼Ð¼Ð°.exe", "Программа.exe") // Latin-1
	f("â‚¬ Ã©t\u00c3\u00a9", "€ été")                           // Windows-1252
	f("æ–‡æ¡£.exe", "文档.exe")
	f("Программа.exe", "")
	f("José", "")
	f("Microsoft® Windows®", "")
	f("Â®", "") // no letter: nobody's name, but no proof either
	f("plain", "")
	f("Ã", "")
	f("\xff\xfe", "")
}

func TestQuarters(t *testing.T) {
	f := func(utc, local, late, want int64, ok bool) {
		t.Helper()
		got, gotOK := quarters(utc, local, late)
		if gotOK != ok || ok && got != want {
			t.Errorf("quarters(%d, %d, %d) = %d, %v, want %d, %v", utc, local, late, got, gotOK, want, ok)
		}
	}
	f(10*hour, 15*hour, 0, -5*hour, true)
	f(10*hour-6000, 15*hour, startDelay, -5*hour, true)
	f(15*hour+6000, 10*hour, startDelay, 5*hour, true)
	f(10*hour+45*minute, 5*hour, 0, 5*hour+45*minute, true)
	f(10*hour+40*minute, 5*hour, startDelay, 0, false)
	f(19000*day+10*hour, 11*hour, 0, 19000*day-hour, true)
}
