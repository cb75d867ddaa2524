package procmon

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

const (
	testHeader = `"Time of Day","Process Name","PID","Operation","Path","Result","Detail"` + "\r\n"
	testRow    = `"4:33:14.3062614 PM","a.exe","7","TCP Send","10.0.0.1:1 -> 10.0.0.2:2","SUCCESS","Length: 1"` + "\r\n"
)

func TestCSVLongLine(t *testing.T) {
	long := `"4:33:14.3062614 PM","a.exe","7","ReadFile","` + strings.Repeat("x", maxRow) + `","",""` + "\r\n"
	o := formattest.Read(t, CSV, "long.csv", strings.NewReader(testHeader+testRow+long+testRow), format.Options{RolesOnly: true})
	off := len(testHeader + testRow)
	if len(o.Lines) != 2 || !strings.Contains(o.Lines[1], `"record":4`) ||
		!strings.Contains(o.Lines[1], fmt.Sprintf(`"offset":%d`, off+len(long))) {
		t.Errorf("events: %v", o.Lines)
	}
	want := fmt.Sprintf("record 3, offset %d: a line of %d bytes: the longest I take is %d", off, len(long), maxRow)
	if !slices.Equal(o.Bad, []string{want}) {
		t.Errorf("bad: %v, want %v", o.Bad, want)
	}
}

func TestCSVLongLineAtEnd(t *testing.T) {
	o := formattest.Read(t, CSV, "long.csv", strings.NewReader(testHeader+testRow+`"`+strings.Repeat("x", maxRow)), format.Options{})
	if len(o.Lines) != 1 || len(o.Bad) != 1 || o.Err != nil {
		t.Errorf("%d events, bad: %v, error: %v", len(o.Lines), o.Bad, o.Err)
	}
}

// TestCSVLongRow reads rows whose cells hold many lines: one that is taken and one that is too long.
func TestCSVLongRow(t *testing.T) {
	row := func(size int) string {
		return `"4:33:14.3062614 PM","a.exe","7","ReadFile","` + strings.Repeat("a line of many\r\n", size/16) + `","",""` + "\r\n"
	}
	o := formattest.Read(t, CSV, "long.csv", strings.NewReader(testHeader+row(1<<20)+testRow), format.Options{RolesOnly: true})
	if len(o.Lines) != 1 || o.Skipped != 1 || len(o.Bad) != 0 || !strings.Contains(o.Lines[0], `"record":65539`) {
		t.Errorf("%v, %d skipped, bad: %v", o.Lines, o.Skipped, o.Bad)
	}
	o = formattest.Read(t, CSV, "long.csv", strings.NewReader(testHeader+row(2*maxRow)+testRow), format.Options{RolesOnly: true})
	if len(o.Lines) != 1 || o.Skipped != 0 || len(o.Bad) == 0 || !strings.HasPrefix(o.Bad[0], "record 2, offset 73: the quote opened in cell 5 is never closed") {
		t.Errorf("%v, %d skipped, bad: %.3q", o.Lines, o.Skipped, o.Bad)
	}
}

// TestCSVQuotesInLinearTime reads what makes every row look for a closing quote in vain.
func TestCSVQuotesInLinearTime(t *testing.T) {
	for _, line := range []string{"\"a\"b\n", "\"\n", "\"\"\"\n", "\"a\"b\n\"\n", "\"a\n\n\n\n", testRow + "\"a\"b\n"} {
		data := testHeader + strings.Repeat(line, (1<<20)/len(line)) + testRow
		start := time.Now()
		o := formattest.Read(t, CSV, "quotes.csv", strings.NewReader(data), format.Options{RolesOnly: true, Fields: event.SetOf(event.Role)})
		if len(o.Lines) == 0 || o.Err != nil {
			t.Errorf("%q: %d events, error %v", line, len(o.Lines), o.Err)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("%q: %v for a megabyte", line, d)
		} else {
			t.Logf("%q: %v", line, d)
		}
	}
}

func TestCSVBrokenStream(t *testing.T) {
	r := io.MultiReader(strings.NewReader(testHeader+testRow+testRow[:20]), iotest.ErrReader(fmt.Errorf("the disk is gone")))
	o := formattest.Read(t, CSV, "broken.csv", r, format.Options{})
	if len(o.Lines) != 1 || o.Err == nil || o.Err.Error() != "line 3: the disk is gone" {
		t.Errorf("%d events, error: %v", len(o.Lines), o.Err)
	}
}

// TestCSVRandom reads random rows, quoted at random, in pieces of random size, beside the standard library.
func TestCSVRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{`"`, `""`, ",", ";", "\t", "\n", "\r;", "x", "quite a bit of text", " ", "ü", "\u00a0", `","`}
	for range 300 {
		sep := ",;\t"[rng.IntN(3)]
		var data bytes.Buffer
		var want [][]string
		for range 1 + rng.IntN(30) {
			row := make([]string, 2+rng.IntN(4))
			for i := range row {
				for range rng.IntN(6) {
					row[i] += alphabet[rng.IntN(len(alphabet))]
				}
				if i > 0 {
					data.WriteByte(sep)
				}
				if rng.IntN(2) == 0 || strings.ContainsAny(row[i], "\"\r\n,;\t") {
					data.WriteString(`"` + strings.ReplaceAll(row[i], `"`, `""`) + `"`)
				} else {
					data.WriteString(row[i])
				}
			}
			data.WriteString([]string{"\n", "\r\n"}[rng.IntN(2)])
			want = append(want, row)
		}
		s := newCSVScanner(&chunks{data.Bytes(), rng}, sep)
		line, off := int64(1), int64(0)
		for i, row := range want {
			gotLine, gotOff, err := s.next(false)
			if err != nil || gotLine != line || gotOff != off {
				t.Fatalf("row %d: line %d, offset %d, error %v; want %d, %d\n%q", i, gotLine, gotOff, err, line, off, data.Bytes())
			}
			var got []string
			for c := range s.cells {
				got = append(got, string(s.cell(c)))
			}
			if !slices.Equal(got, row) {
				t.Fatalf("row %d\n got %q\nwant %q\n%q", i, got, row, data.Bytes())
			}
			line += int64(bytes.Count(data.Bytes()[off:s.base+int64(s.pos)], []byte("\n")))
			off = s.base + int64(s.pos)
		}
		if _, _, err := s.next(false); err != io.EOF {
			t.Fatalf("after the last row: %v", err)
		}
		r := csv.NewReader(bytes.NewReader(data.Bytes()))
		r.Comma, r.FieldsPerRecord, r.LazyQuotes = rune(sep), -1, true
		if _, err := r.ReadAll(); err != nil {
			t.Fatalf("the test writes what is no CSV: %v", err)
		}
	}
}

// chunks gives bytes in pieces of random size.
type chunks struct {
	b   []byte
	rng *rand.Rand
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.b[:min(len(c.b), c.rng.IntN(40))])
	c.b = c.b[n:]
	return n, nil
}
