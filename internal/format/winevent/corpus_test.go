package winevent

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// recordings are the Windows events among the real recordings.
func recordings(t testing.TB) []string {
	dir := formattest.Corpus(t, "otrf")
	var names []string
	for _, pattern := range []string{"LSASS_campaign_*/*_dump.zip", "*/host.zip", "Log4Shell/s[ey][cs][um]*.zip"} {
		n, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, n...)
	}
	return slices.DeleteFunc(names, func(n string) bool { return strings.Contains(n, "syslog_") })
}

// member opens the first file of an archive.
func member(t testing.TB, name string) io.Reader {
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { z.Close() })
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A tally counts events by channel and ID.
type tally map[string]int

// count is the independent count: encoding/json, line by line.
func count(t *testing.T, name string) (tally, []map[string]any) {
	got := tally{}
	var rows []map[string]any
	lines := bufio.NewScanner(member(t, name))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var d map[string]any
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		got[fmt.Sprintf("%v %v", d["Channel"], d["EventID"])]++
		if id := fmt.Sprint(d["EventID"]); d["SourceIp"] != nil && id == "3" || id == "5156" && d["Application"] != nil {
			delete(d, "Message")
			rows = append(rows, d)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return got, rows
}

// batches reads a recording and calls f with every batch.
func batches(t testing.TB, name string, o format.Options, f func(*event.Batch)) {
	src, err := format.NewSource(name, member(t, name), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	head, err := src.Head()
	if err != nil || !JSON.Match(head) {
		t.Fatalf("%s: not claimed (%v)", name, err)
	}
	r, err := JSON.Open(src, o)
	if err != nil {
		t.Fatal(err)
	}
	b := &event.Batch{Source: name}
	for {
		b.Reset()
		err := r.Read(b)
		for _, bad := range b.Bad {
			t.Errorf("%s: record %d: %s", name, bad.Record, bad.Err)
		}
		f(b)
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestCorpus compares every recording with what encoding/json finds in it: the events by channel and ID, and the ends of
// every connection.
func TestCorpus(t *testing.T) {
	for _, name := range recordings(t) {
		t.Run(filepath.Base(filepath.Dir(name))+"/"+filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			want, rows := count(t, name)
			got := tally{}
			batches(t, name, format.Options{}, func(b *event.Batch) {
				for i := range b.Len {
					code := string(b.Str(event.EventCode, i))
					got[string(b.Str(event.WinlogChannel, i))+" "+code]++
					if !b.Has(event.Timestamp, i) || !b.Has(event.HostName, i) {
						t.Errorf("no time or host: %s", b.AppendJSON(nil, i))
					}
					if d := string(b.Str(event.EventDataset, i)); len(rows) > 0 && (d == "windows.sysmon" && code == "3" || code == "5156") {
						checkConnection(t, b, i, rows[0])
						rows = rows[1:]
					}
				}
			})
			if !maps.Equal(got, want) {
				t.Errorf("%v\nwant %v", got, want)
			}
			if len(rows) > 0 {
				t.Errorf("%d connections are missing", len(rows))
			}
			if len(want) == 0 {
				t.Error("nothing in it")
			}
		})
	}
}

// checkConnection compares an event of a connection with its members as encoding/json reads them.
func checkConnection(t *testing.T, b *event.Batch, i int, d map[string]any) {
	t.Helper()
	first := func(names ...string) string {
		for _, n := range names {
			if s, ok := d[n].(string); ok {
				return s
			}
		}
		return ""
	}
	path := first("Image", "Application")
	if unknownProcess([]byte(path)) {
		path = ""
	}
	src, _ := netip.ParseAddr(first("SourceIp", "SourceAddress"))
	dst, _ := netip.ParseAddr(first("DestinationIp", "DestAddress"))
	role := event.RoleConnect
	if first("Initiated") == "false" || first("Direction") == "%%14592" {
		role = event.RoleAccept
	}
	srcPort, dstPort := first("SourcePort"), first("DestinationPort", "DestPort")
	if first("Protocol") == "udp" && first("Initiated") == "false" {
		src, srcPort, dst, dstPort = dst, dstPort, src, srcPort
	}
	want := fmt.Sprint(role, src.WithZone(""), srcPort, dst.WithZone(""), dstPort, path, first("ProcessGuid"), first("ProcessId", "ProcessID"), strings.TrimPrefix(first("User"), "-"))
	user := string(b.Str(event.UserName, i))
	if dom := b.Str(event.UserDomain, i); dom != nil {
		user = string(dom) + `\` + user
	}
	pid := ""
	if b.Has(event.ProcessPID, i) {
		pid = fmt.Sprint(b.Int(event.ProcessPID, i))
	}
	got := fmt.Sprint(string(b.Str(event.Role, i)), b.Addr(event.SourceIP, i), fmt.Sprint(b.Int(event.SourcePort, i)), b.Addr(event.DestinationIP, i),
		fmt.Sprint(b.Int(event.DestinationPort, i)), string(b.Str(event.ProcessExecutable, i)), string(b.Str(event.ProcessEntityID, i)), pid, user)
	if got != want && !(path == "" && strings.HasPrefix(first("ProcessGuid"), "{00000000")) {
		t.Errorf("record %d: %s, want %s", b.Int(event.Record, i), got, want)
	}
}

// TestCorpusSides: in an accepted connection the host's own address is destination, where its address is known from the
// connections it opened.
func TestCorpusSides(t *testing.T) {
	accepted := 0
	for _, name := range recordings(t) {
		own := map[string]map[netip.Addr]bool{}
		type conn struct {
			host     string
			src, dst netip.Addr
		}
		var in []conn
		batches(t, name, format.Options{RolesOnly: true}, func(b *event.Batch) {
			for i := range b.Len {
				c := conn{string(b.Str(event.HostName, i)), b.Addr(event.SourceIP, i), b.Addr(event.DestinationIP, i)}
				switch string(b.Str(event.Role, i)) {
				case event.RoleConnect:
					if own[c.host] == nil {
						own[c.host] = map[netip.Addr]bool{}
					}
					own[c.host][c.src] = true
				case event.RoleAccept:
					in = append(in, c)
				}
			}
		})
		for _, c := range in {
			if c.dst.IsMulticast() || strings.HasSuffix(c.dst.String(), ".255") || own[c.host] == nil {
				continue
			}
			if accepted++; !own[c.host][c.dst] {
				t.Errorf("%s: %s accepted %v -> %v", filepath.Base(name), c.host, c.src, c.dst)
			}
		}
	}
	t.Log(accepted, "accepted connections")
}

// TestCorpusJSONOfEVTX reads the rendering of single events by an EVTX parser.
func TestCorpusJSONOfEVTX(t *testing.T) {
	n := 0
	err := filepath.WalkDir(formattest.Corpus(t, "sigma/regression"), func(name string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".json" {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if !JSON.Match(data) {
			t.Errorf("%s: not claimed", name)
		}
		o := formattest.Read(t, JSON, name, bytes.NewReader(data), format.Options{})
		if o.Err != nil || len(o.Bad) > 0 || len(o.Lines) == 0 {
			t.Errorf("%s: %d events, bad %v, %v", name, len(o.Lines), o.Bad, o.Err)
		}
		n += len(o.Lines)
		return nil
	})
	t.Log(n, "events")
	if err != nil {
		t.Error(err)
	}
}

// BenchmarkCorpus reads the recordings of two tools.
func BenchmarkCorpus(b *testing.B) {
	for _, name := range []string{"LSASS_campaign_01/metasploit_logonpasswords_lsass_memory_dump.zip", "empire_shell_dcerpc_smb_service_dll_hijack/host.zip"} {
		data, err := io.ReadAll(member(b, formattest.Corpus(b, "otrf/"+name)))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(filepath.Dir(name), func(b *testing.B) { formattest.Bench(b, JSON, data) })
	}
}
