package procmon

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// TestCSVShared compares what several processors make of a file with what one does.
func TestCSVShared(t *testing.T) {
	data := benchCSV(int(numColumns))
	lines := bytes.SplitAfter(data, []byte("\n"))[:20001]
	lines[5000] = []byte("\"a quote that is never closed,\r\n")
	lines[9000] = []byte("too,few\r\n")
	lines[9001] = []byte("\r\n")
	lines[13000] = bytes.Replace(lines[13000], []byte("System"), []byte("two\nlines"), 1)
	lines[17000] = bytes.Replace(lines[17000], []byte("svchost.exe"), []byte("x\xe9y.exe"), 1)
	data = bytes.Join(lines, nil)
	read := func(procs int, name string) string {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		o := formattest.Read(t, CSV, name, bytes.NewReader(data), format.Options{})
		if len(o.Lines) != 19997 || len(o.Bad) != 2 || o.Err != nil {
			t.Errorf("%d events, bad %q, %v", len(o.Lines), o.Bad, o.Err)
		}
		return o.String()
	}
	one, two := read(1, "x"), read(4, "x")
	if one == two {
		return
	}
	a, b := strings.Split(one, "\n"), strings.Split(two, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("line %d\n one: %s\nfour: %s", i, a[i], b[i])
		}
	}
	t.Errorf("%d lines, want %d", len(b), len(a))
}

// recode gives a file in UTF-16.
func recode(text string, big, mark bool) []byte {
	var b []byte
	if mark {
		text = "\ufeff" + text
	}
	for _, r := range text {
		units := []uint16{uint16(r)}
		if r > 0xffff {
			r -= 0x10000
			units = []uint16{0xd800 + uint16(r>>10), 0xdc00 + uint16(r&0x3ff)}
		}
		for _, u := range units {
			if big {
				b = append(b, byte(u>>8), byte(u))
			} else {
				b = append(b, byte(u), byte(u>>8))
			}
		}
	}
	return b
}

func TestCSVUTF16(t *testing.T) {
	text := testHeader + strings.Replace(testRow, "a.exe", "\u044f\U0001f600.exe", 1) + "\"bad\"\r\n" + testRow
	want := formattest.Read(t, CSV, "x.csv", strings.NewReader(text), format.Options{})
	for _, big := range []bool{false, true} {
		for _, mark := range []bool{false, true} {
			data := recode(text, big, mark)
			if !CSV.Match(data) {
				t.Errorf("big %v, mark %v: Match does not claim it", big, mark)
			}
			got := formattest.Read(t, CSV, "x.csv", bytes.NewReader(data), format.Options{})
			if len(got.Lines) != 2 || len(got.Bad) != 1 || got.Err != nil || len(got.Notes) != len(want.Notes) {
				t.Fatalf("big %v, mark %v: %v", big, mark, got)
			}
			for i, row := range []string{"\u044f\U0001f600.exe", "a.exe"} {
				at := bytes.Index(data, recode(`"4:33:14.3062614 PM","`+row, big, false))
				if !strings.Contains(got.Lines[i], fmt.Sprintf(`"offset":%d}`, at)) || !strings.Contains(got.Lines[i], `"name":"`+row+`"`) {
					t.Errorf("big %v, mark %v: offset %d: %s", big, mark, at, got.Lines[i])
				}
			}
		}
	}
}

func TestCSVCodePages(t *testing.T) {
	f := func(name, want, page string) {
		t.Helper()
		data := testHeader + strings.Replace(testRow, "a.exe", name, 1) + testRow
		o := formattest.Read(t, CSV, "x.csv", strings.NewReader(data), format.Options{})
		if len(o.Lines) != 2 || !strings.Contains(o.Lines[0], `"name":"`+want+`"`) ||
			!strings.Contains(o.Lines[1], fmt.Sprintf(`"offset":%d}`, len(data)-len(testRow))) {
			t.Errorf("%q: %v", name, o.Lines)
		}
		if (len(o.Notes) == 0) != (page == "") || page != "" && !strings.Contains(o.Notes[0], page) {
			t.Errorf("%q: notes %q", name, o.Notes)
		}
	}
	f("caf\xe9.exe", "café.exe", "1252")
	f("Gesch\xe4ft-\xdcber.exe", "Geschäft-Über.exe", "1252")
	f("\xcf\xf0\xee\xe3\xf0\xe0\xec\xec\xe0.exe", "Программа.exe", "1251")
	f("\xce\xc4\xbc\xfe.exe", "文件.exe", "936")
	f("x,\xce\xc4\"\"\xbc\xfe.exe", `x,文\"件.exe`, "936")
	f("Программа.exe", "Программа.exe", "")
}

func TestIntegrityLevel(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got, ok := integrityLevel([]byte(text)); got != want || ok != (want != "") {
			t.Errorf("%q: got %q %v, want %q", text, got, ok, want)
		}
	}
	f("High", "High")
	f("n/a", "")
	f("", "")
	f(`Mandatory Label\High Mandatory Level`, "High")
	f(`Mandatory Label\System Mandatory Level`, "System")
	f(`Обязательная метка\Высокий обязательный уровень`, "High")
	f(`Обязательная метка\Средний обязательный уровень`, "Medium")
	f(`Обязательная метка\Обязательный уровень системы`, "System")
	f(`Etykieta obowiązkowa\Wysoki poziom obowiązkowości`, "High")
	f(`Etykieta obowiązkowa\Średni poziom obowiązkowości`, "Medium")
	f(`Etykieta obowiązkowa\Obowiązkowy poziom systemu`, "System")
	f(`Kötelező címke\Magas kötelező szint`, "High")
	f(`Kötelező címke\Közepes kötelező szint`, "Medium")
	f(`Verbindliche Beschriftung\Hohe Verbindlichkeitsstufe`, "High")
	f(`Verbindliche Beschriftung\Mittlere Verbindlichkeitsstufe`, "Medium")
	f(`Verbindliche Beschriftung\Systemverbindlichkeitsstufe`, "System")
	f(`Étiquette obligatoire\Niveau obligatoire élevé`, "High")
	f(`Étiquette obligatoire\Niveau obligatoire moyen`, "Medium")
	f(`Étiquette obligatoire\Niveau obligatoire système`, "System")
	f(`Etiqueta obligatoria\Nivel obligatorio alto`, "High")
	f(`Etiqueta obligatoria\Nivel obligatorio del sistema`, "System")
	f(`Etichetta obbligatoria\Livello obbligatorio basso`, "Low")
	f(`Rótulo Obrigatório\Nível Obrigatório Médio`, "Medium")
	f(`必須ラベル\高い必須レベル`, "High")
	f(`必須ラベル\システム必須レベル`, "System")
	f(`强制标签\低强制级别`, "Low")
	f(`필수 레이블\중간 필수 수준`, "Medium")
	f(`Ilebel\Izinga eliphezulu`, "")
}

func TestCSVAdvanced(t *testing.T) {
	f := func(operation, detail, want string) {
		t.Helper()
		row := `"4:33:14.3062614 PM","a.exe","7","` + operation + `","C:\x","SUCCESS","` + detail + `"` + "\r\n"
		var got string
		eachEvent(t, CSV, []byte(testHeader+row+row), format.Options{}, func(b *event.Batch, i int) {
			got = fmt.Sprintf("%s %s %s %d", b.Str(event.EventAction, i), b.Str(event.ProcmonOperation, i), b.Str(event.ProcmonDetailName, i),
				b.Int(event.ProcmonDetailLength, i))
		})
		if got != want {
			t.Errorf("%s, %s: got %q, want %q", operation, detail, got, want)
		}
	}
	f("IRP_MJ_CREATE", "", "CreateFile IRP_MJ_CREATE  0")
	f("IRP_MJ_READ", "Offset: 0, Length: 1,024", "ReadFile IRP_MJ_READ  1024")
	f("FASTIO_QUERY_INFORMATION", `Type: QueryNameInformationFile, Name: \x, y`, `QueryNameInformationFile FASTIO_QUERY_INFORMATION \x, y 0`)
	f("IRP_MJ_QUERY_INFORMATION", "Type: RegOpenKey", "QueryInformationFile IRP_MJ_QUERY_INFORMATION  0")
	f("IRP_MJ_99", "", "IRP_MJ_99 IRP_MJ_99  0")
	f("ReadFile", "Offset: 0, Length: 7", "ReadFile   7")
}

// TestCSVDateOrder settles the order of dates over rows.
func TestCSVDateOrder(t *testing.T) {
	f := func(detail string, want, note string, cells ...string) {
		t.Helper()
		text := `"Time of Day","Process Name","PID","Operation","Path","Result","Detail","Date & Time"` + "\r\n"
		for _, c := range cells {
			_, clock, _ := strings.Cut(c, " ")
			text += `"` + clock + `","a.exe","7","QueryBasicInformationFile","C:\x","SUCCESS","` + detail + `","` + c + `"` + "\r\n"
		}
		o := formattest.Read(t, CSV, "x.csv", strings.NewReader(text), format.Options{})
		if len(o.Lines) != len(cells) || !strings.Contains(o.Lines[0], `"@timestamp":"`+want) {
			t.Errorf("%q: want %s: %v", cells, want, o.Lines)
		}
		if i := slices.IndexFunc(o.Notes, func(n string) bool { return strings.Contains(n, note) }); i < 0 && note != "" {
			t.Errorf("%q: want a note of %s: %q", cells, note, o.Notes)
		}
	}
	f("", "2020-07-08", "English (United States)", "7/8/2020 4:33:14 PM")
	f("", "1970-01-01", "two ways", "7/8/2020 4:33:14 pm")
	f("", "1970-01-01", "two ways", "07/08/2020 4:33:14 PM")
	f("", "1970-01-01", "two ways", "07/08/2020 16:33:14")
	f("", "2020-07-08", "", "7/8/2020 4:33:14 pm", "7/13/2020 4:33:14 pm")
	f("", "2020-07-08", "a day apart", "7/8/2020 4:33:14 pm", "7/9/2020 4:33:14 pm")
	f("", "2020-08-07", "a day apart", "07/08/2020 4:33:14", "08/08/2020 4:33:14")
	f("CreationTime: 7/13/2009 8:31:09 PM, LastAccessTime: 1/1/1601 12:00:00 AM", "2020-07-08", "", "7/8/2020 4:33:14 PM")
	f("CreationTime: 13/07/2009 8:31:09 pm", "2020-08-07", "", "07/08/2020 4:33:14 pm")
	f("CreationTime: 13/07/2009 8:31:09 pm", "1970-01-01", "two ways", "7/8/2020 4:33:14 pm", "7/31/2020 4:33:15 pm") // it can't be both
}

// TestCSVSteps reads captures in which the clock was set.
func TestCSVSteps(t *testing.T) {
	f := func(want string, note string, rows ...[2]string) {
		t.Helper()
		header, text := `"Time of Day","Process Name","PID","Operation","Path"`, ""
		for _, r := range rows {
			text += `"` + r[0] + `","a.exe","7","ReadFile","C:\x"`
			if r[1] != "" {
				text += `,"` + r[1] + `"`
			}
			text += "\r\n"
		}
		if rows[0][1] != "" {
			header += `,"Relative Time"`
		}
		var got []string
		var notes []string
		o := formattest.Read(t, CSV, "x.csv", strings.NewReader(header+"\r\n"+text), format.Options{})
		for _, l := range o.Lines {
			_, at, _ := strings.Cut(l, "1970-01-")
			got = append(got, at[:11])
		}
		for _, n := range o.Notes {
			if strings.Contains(n, "line") {
				notes = append(notes, n)
			}
		}
		if fmt.Sprint(got) != want || (note == "") != (len(notes) == 0) || note != "" && !strings.Contains(notes[0], note) {
			t.Errorf("%v: got %v, want %s; notes %q", rows, got, want, notes)
		}
	}
	f("[01T02:59:59 01T03:00:01]", "line 3 the clock steps by -1h0m0s",
		[2]string{"2:59:59.0000000", "00:00:01.0000000"}, [2]string{"2:00:01.0000000", "00:00:03.0000000"})
	f("[01T01:59:59 01T02:00:01 01T02:00:02]", "line 3 the clock steps by 1h0m0s",
		[2]string{"1:59:59.0000000", "00:00:01.0000000"}, [2]string{"3:00:01.0000000", "00:00:03.0000000"}, [2]string{"3:00:02.0000000", "00:00:04.0000000"})
	f("[01T23:00:00 03T22:00:00]", "line 3", [2]string{"23:00:00", "00:00:00"}, [2]string{"22:00:00", "47:00:00"}) // two midnights
	f("[01T23:59:59 02T00:00:01]", "", [2]string{"23:59:59", "00:00:01"}, [2]string{"0:00:01", "00:00:03"})
	f("[01T02:59:59 01T02:00:01]", "line 3 the time falls by an hour", [2]string{"2:59:59.0", ""}, [2]string{"2:00:01.0", ""})
	f("[01T02:59:59 01T02:30:01]", "", [2]string{"2:59:59.0", ""}, [2]string{"2:30:01.0", ""})
}
