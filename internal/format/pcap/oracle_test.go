package pcap

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// A row is what Zeek and we both say of a connection.
type row struct {
	tuple string // proto source destination
	n     [4]int64
	state string
}

// zeekLog gives each row of a log, as a function from field to value.
func zeekLog(t *testing.T, name string, each func(get func(field string) string)) {
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for line := range strings.Lines(string(data)) {
		p := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if p[0] == "#fields" {
			clear(at)
			for i, f := range p[1:] {
				at[f] = i
			}
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		each(func(f string) string {
			if i, ok := at[f]; ok && i < len(p) && p[i] != "-" {
				return p[i]
			}
			return ""
		})
	}
}

// zeekRows reads the TCP and UDP rows of a conn.log.
func zeekRows(t *testing.T, name string) (rows []row) {
	zeekLog(t, name, func(get func(string) string) {
		if get("proto") != "tcp" && get("proto") != "udp" {
			return
		}
		r := row{state: get("conn_state")}
		r.tuple = fmt.Sprintf("%s %s %s %s %s", get("proto"), get("id.orig_h"), get("id.orig_p"), get("id.resp_h"), get("id.resp_p"))
		for i, f := range []string{"orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes"} {
			r.n[i], _ = strconv.ParseInt(get(f), 10, 64)
		}
		rows = append(rows, r)
	})
	return rows
}

// read gives every event of a file to each.
func read(t testing.TB, name string, each func(b *event.Batch, i int)) (packets int, bad []event.Bad) {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src, err := format.NewSource(name, f, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	ft, err := format.Detect(src, []*format.Format{PCAP, PCAPNG})
	if err != nil {
		t.Fatal(name, err)
	}
	r, err := ft.Open(src, format.Options{})
	if err != nil {
		t.Fatal(name, err)
	}
	for b := new(event.Batch); ; {
		b.Reset()
		err := r.Read(b)
		packets += b.Packets
		bad = append(bad, b.Bad...)
		for i := range b.Len {
			each(b, i)
		}
		if err == io.EOF {
			return packets, bad
		}
		if err != nil {
			t.Fatal(name, err)
		}
	}
}

func ourRows(t *testing.T, name string) []row {
	var rows []row
	read(t, name, func(b *event.Batch, i int) {
		proto := string(b.Str(event.NetworkTransport, i))
		if string(b.Str(event.Role, i)) != event.RoleFlow || proto != "tcp" && proto != "udp" {
			return
		}
		r := row{state: string(b.Str(event.FlowState, i))}
		r.tuple = fmt.Sprintf("%s %s %d %s %d", proto, b.Addr(event.SourceIP, i), b.Int(event.SourcePort, i), b.Addr(event.DestinationIP, i), b.Int(event.DestinationPort, i))
		for j, f := range []event.Field{event.SourcePackets, event.SourceBytes, event.DestinationPackets, event.DestinationBytes} {
			r.n[j] = b.Int(f, i)
		}
		rows = append(rows, r)
	})
	return rows
}

// take removes the first of rows that fits.
func take(rows *[]row, fits func(row) bool) (row, bool) {
	i := slices.IndexFunc(*rows, fits)
	if i < 0 {
		return row{}, false
	}
	r := (*rows)[i]
	*rows = slices.Delete(*rows, i, i+1)
	return r, true
}

func turned(r row) row {
	p := strings.Fields(r.tuple)
	return row{strings.Join([]string{p[0], p[3], p[4], p[1], p[2]}, " "), [4]int64{r.n[2], r.n[3], r.n[0], r.n[1]}, r.state}
}

// TestZeek compares flows with the connections Zeek found in its own traces.
func TestZeek(t *testing.T) {
	pairs := formattest.Corpus(t, "zeek/pairs.tsv")
	list, err := os.ReadFile(pairs)
	if err != nil {
		t.Fatal(err)
	}
	why := map[string]int{}
	states := map[string]int{}
	traces, total, exact, tcp, sameState := 0, 0, 0, 0, 0
	for line := range strings.Lines(string(list)) {
		p := strings.Split(line, "\t")
		if p[0] != "conn.log" {
			continue
		}
		traces++
		ours := ourRows(t, filepath.Join(filepath.Dir(pairs), p[1]))
		var missed []row
		for _, z := range zeekRows(t, filepath.Join(filepath.Dir(pairs), p[2])) {
			total++
			o, ok := take(&ours, func(r row) bool { return r.tuple == z.tuple && r.n == z.n })
			if !ok {
				missed = append(missed, z)
				continue
			}
			exact++
			if strings.HasPrefix(z.tuple, "tcp") {
				if tcp++; o.state == z.state {
					sameState++
				} else {
					states[z.state+" is "+o.state+" in "+p[1]]++
				}
			}
		}
		for _, z := range missed {
			kind, o := cause(z, &ours)
			why[kind]++
			t.Logf("%s: %s: Zeek %v, we %v", p[1], kind, z, o.n)
		}
	}
	t.Logf("%d traces: %d of %d rows exact, %d of %d TCP states", traces, exact, total, sameState, tcp)
	// The rest is reassembled by Zeek (a fragmented packet counts once), holds IGMP (Zeek then doesn't count the tunnel), or is
	// no longer counted once Zeek knows what it is (GridFTP's data).
	if exact < 132 || sameState < 80 {
		t.Error("that is fewer than there were")
	}
	for _, m := range []map[string]int{why, states} {
		for _, k := range slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Compare(m[b], m[a]) }) {
			t.Logf("%5d %s", m[k], k)
		}
	}
}

// cause says how a row of Zeek's differs from ours, which it takes.
func cause(z row, ours *[]row) (string, row) {
	if o, ok := take(ours, func(r row) bool { return turned(r).tuple == z.tuple && turned(r).n == z.n }); ok {
		return "the other end opened it", o
	}
	if o, ok := take(ours, func(r row) bool { return r.tuple == z.tuple }); ok {
		return "counts differ", o
	}
	if o, ok := take(ours, func(r row) bool { return turned(r).tuple == z.tuple }); ok {
		return "counts differ, and the other end opened it", o
	}
	return "not found: in a tunnel, or a connection that Zeek split", row{}
}

// TestZeekNames compares what was said in connections with what Zeek heard.
func TestZeekNames(t *testing.T) {
	pairs := formattest.Corpus(t, "zeek/pairs.tsv")
	list, err := os.ReadFile(pairs)
	if err != nil {
		t.Fatal(err)
	}
	zeek := map[string]func(get func(string) string) string{
		"dns.log": func(get func(string) string) string {
			return strings.ToLower(get("query") + " " + get("qtype_name"))
		},
		"ssl.log":  func(get func(string) string) string { return strings.ToLower(get("server_name")) },
		"http.log": func(get func(string) string) string { return get("method") + " " + get("uri") },
	}
	ours := map[string]func(b *event.Batch, i int) string{
		"dns.log": func(b *event.Batch, i int) string {
			if !b.Has(event.DNSQuestionName, i) {
				return ""
			}
			return strings.ToLower(string(b.Str(event.DNSQuestionName, i)) + " " + string(b.Str(event.DNSQuestionType, i)))
		},
		"ssl.log": func(b *event.Batch, i int) string { return string(b.Str(event.TLSClientServerName, i)) },
		"http.log": func(b *event.Batch, i int) string {
			return string(b.Str(event.HTTPRequestMethod, i)) + " " + string(b.Str(event.URLPath, i))
		},
	}
	total, found := map[string]int{}, map[string]int{}
	for line := range strings.Lines(string(list)) {
		p := strings.Split(line, "\t")
		say := ours[p[0]]
		if say == nil {
			continue
		}
		heard := map[string]bool{}
		read(t, filepath.Join(filepath.Dir(pairs), p[1]), func(b *event.Batch, i int) { heard[say(b, i)] = true })
		zeekLog(t, filepath.Join(filepath.Dir(pairs), p[2]), func(get func(string) string) {
			want := zeek[p[0]](get)
			if strings.TrimSpace(want) == "" {
				return
			}
			total[p[0]]++
			if heard[want] {
				found[p[0]]++
			} else {
				t.Logf("%s: %s: %s", p[0], p[1], want)
			}
		})
	}
	t.Log(found, "of", total)
	// The rest is in RDP, is NetBIOS, HTTP/0.9 or malformed, or was never sent: Zeek's script made it up.
	if found["dns.log"] < 45 || found["http.log"] < 62 || found["ssl.log"] < 6 {
		t.Error("that is fewer than there were")
	}
}
