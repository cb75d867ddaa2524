package event

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
)

func TestBatch(t *testing.T) {
	b := new(Batch)
	for round := range 3 { // the same memory again
		b.Reset()
		b.Source = "a.log"
		b.Next()
		b.PutText(ProcessName, "a.exe")
		b.PutText(ProcessName, "b.exe")
		b.PutInt(ProcessPID, 7)
		b.PutTime(Timestamp, 5e9)
		b.PutAddr(SourceIP, netip.MustParseAddr("10.0.0.1"))
		b.AddText(DNSAnswersData, "x")
		b.AddText(DNSAnswersData, "")
		b.AddInt(FlowLengths, -3)
		b.AddInt(FlowLengths, 4)
		b.AddAddr(DNSResolvedIP, netip.MustParseAddr("2001:db8::1"))
		b.PutExtra("winlog.event_data.Foo", []byte("bar\x1b[2J"))
		b.Next()
		b.PutTime(Timestamp, 2e9)
		b.Skip(9e9)
		want := `{"@timestamp":"1970-01-01T00:00:05.000000000Z","culprit":{"flow":{"lengths":[-3,4]}},"dns":{"answers":{"data":["x",""]},"resolved_ip":["2001:db8::1"]},` +
			`"log":{"file":{"path":"a.log"}},"process":{"name":"b.exe","pid":7},"source":{"ip":"10.0.0.1"},"winlog.event_data.Foo":"bar\u001b[2J"}`
		if got := string(b.AppendJSON(nil, 0)); got != want {
			t.Errorf("round %d\n got %s\nwant %s", round, got, want)
		}
		if got := string(b.AppendJSON(nil, 1)); got != `{"@timestamp":"1970-01-01T00:00:02.000000000Z","log":{"file":{"path":"a.log"}}}` {
			t.Errorf("the second event has the first one's values: %s", got)
		}
		if b.First != 2e9 || b.Last != 9e9 || b.Skipped != 1 {
			t.Errorf("span %d to %d, skipped %d", b.First, b.Last, b.Skipped)
		}
		if b.Column(UserName) != nil || b.Has(UserName, 0) || b.Str(UserName, 0) != nil || b.Addr(DestinationIP, 0).IsValid() {
			t.Error("a field nobody put has a value")
		}
	}
}

func TestRepeat(t *testing.T) {
	b := new(Batch)
	fields := []Field{ProcessName, ProcessPID, SourceIP, DNSAnswersData, UserName}
	b.Next()
	b.PutText(ProcessName, "a.exe")
	b.PutInt(ProcessPID, 7)
	b.PutAddr(SourceIP, netip.IPv6Loopback())
	b.AddText(DNSAnswersData, "x")
	b.PutText(FileName, "not repeated")
	b.Next()
	b.Repeat(0, fields)
	b.PutText(FileName, "own")
	want := `{"dns":{"answers":{"data":["x"]}},"file":{"name":"own"},"process":{"name":"a.exe","pid":7},"source":{"ip":"::1"}}`
	if got := string(b.AppendJSON(nil, 1)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestJSONIsJSON(t *testing.T) {
	b := new(Batch)
	b.Next()
	for f := Field(1); f < NumFields; f++ {
		switch f.Type() {
		case Keyword:
			b.PutText(f, "q\"\\\x00\xff\u202e\u2028é\U0001f600")
		case Long, Date:
			b.PutInt(f, 1)
		case IP:
			b.PutAddr(f, netip.IPv6Loopback())
		case Keywords:
			b.AddText(f, "")
		case Longs:
			b.AddInt(f, 1)
		case IPs:
			b.AddAddr(f, netip.IPv6Loopback())
		}
	}
	var m map[string]any
	if err := json.Unmarshal(b.AppendJSON(nil, 0), &m); err != nil {
		t.Fatalf("%v in %s", err, b.AppendJSON(nil, 0))
	}
	name := m["process"].(map[string]any)["name"].(string)
	if want := "q\"\\\x00\ufffd\u202e\u2028é\U0001f600"; name != want {
		t.Errorf("%q, want %q", name, want)
	}
}

// A field that is also the beginning of others' names must not make two values of one name: every field of a document with
// all of them is found again.
// A field that were also an object would make a document that no mapping takes.
func TestNoFieldIsAnObject(t *testing.T) {
	for _, f := range Fields() {
		for _, g := range Fields() {
			if strings.HasPrefix(g.Name, f.Name+".") {
				t.Errorf("%s is a field, and so is %s", f.Name, g.Name)
			}
		}
	}
}

func TestJSONHasEveryField(t *testing.T) {
	b := new(Batch)
	b.Source = "x"
	b.Next()
	for f := Field(1); f < NumFields; f++ {
		switch f.Type() {
		case Keyword:
			b.PutText(f, f.String())
		case Keywords:
			b.AddText(f, f.String())
		}
	}
	var m map[string]any
	if err := json.Unmarshal(b.AppendJSON(nil, 0), &m); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, v := range v {
				walk(strings.TrimPrefix(path+"."+k, "."), v)
			}
		case []any:
			found[path] = len(v) == 1 && v[0] == path
		default:
			found[path] = v == path || path == LogFilePath.String()
		}
	}
	walk("", m)
	for f := Field(1); f < NumFields; f++ {
		if n := f.String(); (f.Type() == Keyword || f.Type() == Keywords) && !found[n] {
			t.Errorf("%s isn't in the document, or not under its name", n)
		}
		if g, ok := Lookup(f.String()); !ok || g != f {
			t.Errorf("Lookup(%s) = %v %v", f, g, ok)
		}
	}
}

func TestSet(t *testing.T) {
	var all Set
	some := SetOf(ProcessPID, FlowLengths)
	if !all.Has(UserName) || some.Has(UserName) || !some.Has(ProcessPID) || !some.Has(FlowLengths) {
		t.Error("a set has what it should not, or lacks what it should have")
	}
}

func BenchmarkPut(b *testing.B) {
	batch := new(Batch)
	v := []byte("svchost.exe")
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if batch.Full() {
			batch.Reset()
		}
		batch.Next()
		batch.PutTime(Timestamp, 1)
		batch.PutStr(ProcessName, v)
		batch.PutInt(ProcessPID, 4)
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkRepeat(b *testing.B) {
	batch := new(Batch)
	fields := []Field{ProcessName, ProcessPID, ProcessExecutable, ProcessCommandLine, UserName, UserDomain}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if batch.Full() {
			batch.Reset()
		}
		batch.Next()
		if batch.Len > 1 {
			batch.Repeat(0, fields)
		} else {
			for _, f := range fields {
				if f.Type() == Long {
					batch.PutInt(f, 4)
				} else {
					batch.PutText(f, "C:\\Windows\\System32\\svchost.exe")
				}
			}
		}
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkAppendJSON(b *testing.B) {
	batch := new(Batch)
	batch.Source = "Duo-ProcMon.PML"
	batch.Next()
	for f := Field(1); f < NumFields; f += 4 {
		switch f.Type() {
		case Keyword:
			batch.PutText(f, `C:\Windows\System32\svchost.exe`)
		case Long, Date:
			batch.PutInt(f, 1659703800000000000)
		case IP:
			batch.PutAddr(f, netip.IPv6Loopback())
		}
	}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = batch.AppendJSON(out[:0], 0)
	}
	b.SetBytes(int64(len(out)))
}
