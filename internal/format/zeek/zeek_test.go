package zeek

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

func TestFormat(t *testing.T) { formattest.Run(t, Log) }

func FuzzFormat(f *testing.F) { formattest.Fuzz(f, Log) }

func BenchmarkFormat(b *testing.B) {
	for _, name := range []string{"conn.log", "json_streaming_conn.log"} {
		b.Run(name, func(b *testing.B) {
			var header, rows []byte
			for line := range bytes.Lines(sample(b, name)) {
				switch {
				case bytes.HasPrefix(line, []byte("#close")):
				case line[0] == '#' && len(rows) == 0:
					header = append(header, line...)
				case line[0] != '#' && !bytes.Contains(line, []byte("|")):
					rows = append(rows, line...)
				}
			}
			formattest.Bench(b, Log, append(header, bytes.Repeat(rows, 2<<20/len(rows))...))
		})
	}
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", Log.Name, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// documents gives events without where they stand.
func documents(t *testing.T, o formattest.Outcome) (docs []map[string]any) {
	for _, l := range o.Lines {
		var d map[string]any
		if err := json.Unmarshal([]byte(l), &d); err != nil {
			t.Fatal(err)
		}
		delete(d, "log")
		delete(d["culprit"].(map[string]any), "record")
		docs = append(docs, d)
	}
	return docs
}

// TestTwins: what stands in a tab-separated log and in a JSON log gives the same events.
func TestTwins(t *testing.T) {
	f := func(tsv, twin string, n int) {
		t.Helper()
		read := func(name string) []map[string]any {
			return documents(t, formattest.Read(t, Log, name, bytes.NewReader(sample(t, name)), format.Options{}))
		}
		a, b := read(tsv), read(twin)
		for i := range n {
			if !reflect.DeepEqual(a[i], b[i]) {
				t.Errorf("%s and %s differ in row %d:", tsv, twin, i+1)
				for k := range a[i] {
					if !reflect.DeepEqual(a[i][k], b[i][k]) {
						t.Errorf("%s: %v, %v", k, a[i][k], b[i][k])
					}
				}
			}
		}
	}
	f("conn.log", "json_streaming_conn.log", 6)
	f("dns.log", "json-dns.log", 6)
	f("mixed-headers.log", "json-mixed.log", 5)
}

func TestMatch(t *testing.T) {
	f := func(want bool, head string) {
		t.Helper()
		if Log.Match([]byte(head)) != want {
			t.Errorf("Match(%q) is %v", head, !want)
		}
	}
	f(true, "#separator \\x09\n")
	f(true, "### a comment\r\n#separator |\r\n")
	f(true, "PREFIX<>separator |\nPREFIX<>fields|ts\n")
	f(true, `{"ts":1.5,"uid":"C1"`)
	f(true, `{"_path":"stats","ts":"2020-01-01T00:00:00Z"}`)
	f(false, `{"ts":1.5,"msg":"x"}`)
	f(false, `{"EventID":1,"Channel":"x"}`)
	f(false, "# a list of addresses\n192.0.2.1\n")
	f(false, "ts,uid\n1,2\n")
	f(false, "this separator is in prose\n")
	f(false, "")
}

func TestLogName(t *testing.T) {
	for in, want := range map[string]string{
		"conn.log": "conn", "a/b.zip/conn.2024-01-01-00-00-00.log.gz": "conn", `C:\x\conn.00:00:00-01:00:00.log.gz`: "conn",
		"json_streaming_smb_files.log": "smb_files", "conn_20240101.json": "conn", "dns-2024.log": "dns", "x509.log": "x509", "-": "-", "ä.log": "",
	} {
		if got := logName(in); got != want {
			t.Errorf("logName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestReverse(t *testing.T) {
	for in, want := range map[string]string{
		"13.2.0.192.in-addr.arpa": "192.0.2.13", "13.2.0.192.IN-ADDR.ARPA.": "192.0.2.13", "2.0.192.in-addr.arpa": "", "x.arpa": "",
		"1" + strings.Repeat(".0", 23) + ".8.b.d.0.1.0.0.2.ip6.arpa": "2001:db8::1", strings.Repeat("x.", 32) + "ip6.arpa": "",
	} {
		got, ok := reverse([]byte(in))
		if wantAddr, err := netip.ParseAddr(want); ok != (err == nil) || got != wantAddr {
			t.Errorf("reverse(%q) = %v, %v, want %q", in, got, ok, want)
		}
	}
}
