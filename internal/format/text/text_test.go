package text

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestAddr(t *testing.T) {
	for _, s := range []string{
		"1.2.3.4", "255.255.255.255", "0.0.0.0", "256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1..2.3", "", ".", ":", "::", ":::", "::1", "1::",
		"fe80::1%eth0", "fe80:0:0:0:5d91:ea18:e2b5:9755", "::ffff:192.168.1.4", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "1:2:3:4:5:6:1.2.3.4",
		"1:2:3:4:5:6:7:1.2.3.4", "1::2::3", "12345::", "g::", "1:", ":1", "1:2:3:4:5:6:7::", "::1:2:3:4:5:6:7", "::1:2:3:4:5:6:7:8", "1.2.3.4%x", "::1.2.3.4.5", "%eth0", "::%",
	} {
		checkAddr(t, s)
	}
}

func checkAddr(t *testing.T, s string) {
	t.Helper()
	want, err := netip.ParseAddr(s)
	got, ok := Addr([]byte(s))
	if ok != (err == nil) || ok && got != want.WithZone("").Unmap() {
		t.Errorf("Addr(%q) = %v, %v; netip says %v, %v", s, got, ok, want, err)
	}
}

func FuzzAddr(f *testing.F) {
	f.Add("1:2::3:1.2.3.4%a")
	f.Fuzz(func(t *testing.T, s string) { checkAddr(t, s) })
}

func TestTime(t *testing.T) {
	f := func(s string, wantZoned bool) {
		t.Helper()
		got, zoned, ok := Time([]byte(s))
		want, err := time.Parse(time.RFC3339Nano, strings.Replace(s, " ", "T", 1))
		if err != nil {
			want, err = time.Parse("2006-01-02T15:04:05.999999999", strings.Replace(s, " ", "T", 1))
		}
		if err != nil || !ok || got != want.UnixNano() || zoned != wantZoned {
			t.Errorf("Time(%q) = %d, %v, %v; want %d, %v", s, got, zoned, ok, want.UnixNano(), err)
		}
	}
	f("2020-10-09T22:30:03.242Z", true)
	f("2020-10-09 18:30:02", false)
	f("2022-05-13T08:54:05.1230000Z", true)
	f("2024-02-29T23:59:59.999999999+05:30", true)
	f("1969-12-31T23:59:59.6Z", true)
	f("2000-03-01T00:00:00-08:00", true)
	for _, bad := range []string{"", "2020-10-09", "2020-13-09T00:00:00Z", "2020-10-09T00:00:00.Z", "2020-10-09T00:00:00+1", "XXXXXXXXXX.XXXXXX", "9999-12-31T00:00:00Z"} {
		if _, _, ok := Time([]byte(bad)); ok {
			t.Errorf("Time(%q) is a time", bad)
		}
	}
}

func TestEpochAndInt(t *testing.T) {
	for s, want := range map[string]int64{"1692161622.036086": 1692161622036086000, "0.000317": 317000, "-0.4": -400000000, "1": 1e9, "1.5": 15e8} {
		if got, ok := Epoch([]byte(s)); !ok || got != want {
			t.Errorf("Epoch(%q) = %d, %v", s, got, ok)
		}
	}
	for s, want := range map[string]int64{"0x1d18": 0x1d18, "-42": -42, "9223372036854775807": 1<<63 - 1, "0": 0} {
		if got, ok := Int([]byte(s)); !ok || got != want {
			t.Errorf("Int(%q) = %d, %v", s, got, ok)
		}
	}
	for _, bad := range []string{"", "-", "0x", "1.5", "9223372036854775808", "1692161622."} {
		if _, ok := Int([]byte(bad)); ok {
			t.Errorf("Int(%q) is a number", bad)
		}
	}
}

// TestText compares the taking of escapes away with encoding/json's.
func TestText(t *testing.T) {
	for _, s := range []string{`plain`, `a\r\n\t\b\f\/\\\"`, `\u00e9\u20ac`, `\ud83d\ude80 rocket`, `half \ud83d!`, `\ude80\ud83d`, `\u0000`, `\ud83d\u0041`} {
		var want string
		if err := json.Unmarshal([]byte(`"`+s+`"`), &want); err != nil {
			t.Fatal(err)
		}
		if got := AppendText(nil, []byte(s)); string(got) != want {
			t.Errorf("%s is %q, want %q", s, got, want)
		}
	}
}

// read gives what Objects finds: a line an object, or what is wrong.
func read(r io.Reader) (got []string) {
	o := NewObjects(r)
	for {
		bad, err := o.Next()
		if err != nil {
			if err != io.EOF {
				got = append(got, "error: "+err.Error())
			}
			return got
		}
		s := fmt.Sprintf("%d@%d", o.Line, o.Offset)
		if bad != "" {
			got = append(got, s+" bad: "+bad)
			continue
		}
		for _, f := range o.List {
			s += fmt.Sprintf(" %s=%s", f.Name, f.Raw)
		}
		got = append(got, s)
	}
}

func TestObjects(t *testing.T) {
	f := func(in string, want ...string) {
		t.Helper()
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
			if got := read(r); !slices.Equal(got, want) {
				t.Errorf("%q gives\n%s\nwant\n%s", in, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
	f(``)
	f("\xef\xbb\xbf{\"a\":1}\r\n\n{\"b\":\"x\\\"y\"}\n", "1@3 a=1", `3@13 b=x\"y`)
	f(`{"a":{"b":{"c":null},"d":[1,{"e":"]"}]},"f":{}}`, `1@0 a.b.c=null a.d=[1,{"e":"]"}] f={}`)
	f(`{}{"a":true} {"a":false}`, "1@0", "1@2 a=true", "1@13 a=false")
	f("[\n  {\n    \"a\": 1,\n    \"b\": {\n      \"c\": 2\n    }\n  },\n  {\n    \"a\": -3.5e7\n  }\n]\n", "2@4 a=1 b.c=2", "8@55 a=-3.5e7")
	f("[{\"a\":1},{\"a\":2}]", "1@1 a=1", "1@9 a=2")
	f("{\"a\":1}\nhello\n{\"a\":2\n{\"a\":3}\n{\"a\":\"4\n{\"a\":5}\n{\"a\":6", "1@0 a=1", "2@8 bad: is no JSON object",
		"3@14 bad: is no JSON: a comma was due at byte 8 of it, not '{'", "4@21 a=3",
		"5@29 bad: is cut off: it ends after 7 bytes inside a JSON object", "6@37 a=5",
		"7@45 bad: is cut off: it ends after 6 bytes inside a JSON object")
	f("{\"a\":XX}\n{\"b\":[1,\n2]}\n{\"c\":1}\n", "1@0 bad: is no JSON: a value was due at byte 6 of it, not 'X'", "2@9 b=[1,\n2]", "4@22 c=1")
	f("{\"a\":\n\"x\ny\"}\n{\"b\":1}\n", "1@0 bad: ends inside a quoted text", "4@13 b=1")
	f("{\"a\":{\n\"b\":1", "1@0 bad: is cut off: the source ends inside a JSON object")
	f(strings.Repeat(`{"a":`, 100)+"\n{}\n", "1@0 bad: has more than 32 objects inside each other", "2@501")
}

func TestLongObject(t *testing.T) {
	long := `{"a":"` + strings.Repeat("x", 3<<20) + `"}`
	in := long + "\n{\n\"b\":1}\n" + long
	got := read(strings.NewReader(in))
	if len(got) != 3 || len(got[0]) < 3<<20 || got[1] != fmt.Sprintf("2@%d b=1", len(long)+1) || len(got[2]) < 3<<20 {
		t.Errorf("%d objects: %.60q", len(got), got)
	}
}

// TestManyUnclosed would take minutes if every line were read to the end of the source.
func TestManyUnclosed(t *testing.T) {
	got := read(strings.NewReader(strings.Repeat("{\"a\":[\n", 300_000)))
	if len(got) == 0 {
		t.Error("nothing is bad")
	}
}

func TestElements(t *testing.T) {
	var p Fields
	if _, err := p.Parse([]byte(`{"a":[1, "x,]", {"b":[2]}, [3], null],"b":[],"c":"one"}`)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range p.List {
		for v := range f.Elements() {
			got = append(got, string(f.Name)+" "+string(v.Raw))
		}
	}
	if want := []string{"a 1", "a x,]", `a {"b":[2]}`, "a [3]", "a null", "c one"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzObjects(f *testing.F) {
	f.Add([]byte("{\"a\":[1,{\"b\":\"\\u00e9\"}]}\n[{\n\"c\":{\"d\":null}}]"))
	f.Fuzz(func(t *testing.T, d []byte) {
		o := NewObjects(bytes.NewReader(d))
		var text []byte
		for {
			bad, err := o.Next()
			if err != nil {
				return
			}
			if bad != "" {
				continue
			}
			text = text[:0]
			for _, f := range o.List {
				for v := range f.Elements() {
					v.Text(&text)
				}
			}
		}
	})
}

func TestLines(t *testing.T) {
	long := strings.Repeat("y", 3<<20)
	in := "a\r\n\n" + long + "\nlast"
	for _, r := range []io.Reader{strings.NewReader(in), iotest.HalfReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
		l := NewLines(r)
		var got []string
		for {
			line, err := l.Next()
			if err != nil {
				break
			}
			got = append(got, fmt.Sprintf("%d@%d %v %d", l.Number, l.Offset, l.Open, len(line)))
		}
		want := []string{"1@0 false 1", "2@3 false 0", "3@4 false 3145728", "4@3145733 true 4"}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
