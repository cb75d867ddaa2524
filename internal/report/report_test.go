package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"culprit/internal/attrib"
	"culprit/internal/event"
	"culprit/internal/format/list"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update rewrites it):\n%s", name, got)
	}
}

// base is when the flows of the tests begin.
var base = time.Date(2022, 8, 5, 12, 50, 0, 0, time.UTC).UnixNano()

func at(s float64) int64 { return base + int64(s*1e9) }

var (
	broker = &attrib.Process{
		Host: "LAPTOP", Name: "Broker.exe", PID: 11044, Executable: `C:\Apps\Broker.exe`, Command: `"C:\Apps\Broker.exe" -x`, EntityID: "procmon:7",
		User: `CORP\ana`, Parent: "svchost.exe", ParentPID: 932,
	}
	svchost = &attrib.Process{Host: "LAPTOP", Name: "svchost.exe", PID: 1516}
	server  = &attrib.Process{Host: "FILES", Name: "httpd", PID: 80}
)

func flow(i int, src, dst string) attrib.Flow {
	return attrib.Flow{
		Cite: attrib.Cite{Source: "a.pcap", Record: int64(10 * i)}, Transport: "tcp", Source: netip.MustParseAddrPort(src), Destination: netip.MustParseAddrPort(dst),
		Initiator: "syn", Start: at(float64(i)), End: at(float64(i) + 0.5), Packets: [2]int64{6, 9}, Bytes: [2]int64{1200, 98304}, First: int64(10 * i), Last: int64(10*i + 14),
		State: "SF", CommunityID: "1:abc=", ISN: 7, SameAs: -1, Culprit: attrib.Culprit{Rule: attrib.RuleNoHost, Reason: "no recording of a host was given"},
		Peer: attrib.Culprit{Rule: attrib.RuleForeign},
	}
}

func sure(l attrib.Level, rule string, p *attrib.Process) attrib.Culprit {
	return attrib.Culprit{Level: l, Rule: rule, Process: p, Count: 3, Why: []attrib.Evidence{
		{Cite: attrib.Cite{Source: "log.csv", Record: 118204}, Action: "TCP Connect", Time: at(1), On: at(1), Delta: 3 * time.Millisecond, Length: -1},
		{Cite: attrib.Cite{Source: "log.csv", Record: 118210}, Action: "TCP Send", Time: at(1), On: at(1), Delta: -1200 * time.Millisecond, Length: 14336},
	}}
}

// result has a flow of every kind.
func result() *attrib.Result {
	certain := flow(1, "192.168.1.20:50103", "52.32.63.168:443")
	certain.Culprit = sure(attrib.Certain, attrib.RulePeerName, broker)
	certain.Names = []attrib.Name{
		{Value: "ec2.example.com", From: "ptr", Cite: attrib.Cite{Source: "a.pcap", Record: 4}},
		{Value: "api.example.org", From: "sni", Cite: attrib.Cite{Source: "a.pcap", Record: 12}},
		{Value: "api.example.org", From: "procmon", Cite: attrib.Cite{Source: "log.csv", Record: 118204}},
	}
	likely := flow(2, "192.168.1.20:50104", "52.32.63.169:443")
	likely.Culprit = sure(attrib.Likely, attrib.RulePorts, broker)
	likely.Culprit.Reason = "no name or length proves the peer's address"
	possible := flow(3, "192.168.1.20:50105", "52.32.63.170:443")
	possible.Culprit = sure(attrib.Possible, attrib.RuleSeveral, broker)
	possible.Culprit.Reason = "2 processes fit"
	possible.Culprit.Candidates = []attrib.Candidate{
		{Process: broker, Why: possible.Culprit.Why[:1], Reason: "its record has both ends at that time"}, {Process: svchost, Why: possible.Culprit.Why[1:], Reason: "its record fits this flow, but not this flow alone"},
	}
	unknown := flow(4, "192.168.1.20:50106", "52.32.63.171:443")
	accepted := flow(5, "203.0.113.9:1024", "10.0.0.1:80")
	accepted.Peer = sure(attrib.Certain, attrib.RuleTuple, server)
	repeat := flow(1, "192.168.1.20:50103", "52.32.63.168:443")
	repeat.Cite.Source, repeat.SameAs = "b.pcap", 0
	named := attrib.Flow{
		Cite: attrib.Cite{Source: "log.csv", Record: 9}, Recorded: true, Transport: "tcp", Source: netip.MustParseAddrPort("192.168.1.20:50107"), Destination: netip.MustParseAddrPort("0.0.0.0:443"),
		DestName: "cdn.example.net", Initiator: "host", Start: at(6), End: at(7), LocalTime: true, ISN: -1, SameAs: -1, Culprit: sure(attrib.Certain, attrib.RuleHost, svchost),
	}
	named.Destination = netip.AddrPortFrom(netip.Addr{}, 443)
	return &attrib.Result{
		Flows: []attrib.Flow{certain, likely, possible, unknown, accepted, repeat, named},
		Clocks: []attrib.Clock{{
			Capture: "a.pcap", Source: "log.csv", Provider: "Procmon", Basis: event.BasisTimeOfDay, Offset: 12 * time.Millisecond, Support: 65, Pairs: 65,
			Residual: 3 * time.Millisecond, Zone: "UTC-04:00",
		}},
	}
}

func listOf(t *testing.T, text string) *list.List {
	t.Helper()
	l := new(list.List)
	if err := l.Read("duo.txt", strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestWho(t *testing.T) {
	f := func(entries, rows, conclusion string) {
		t.Helper()
		a := Who(result(), listOf(t, entries))
		var got []string
		for i := range a.Answers {
			got = append(got, processText(a.Answers[i].Process)+" "+Count(len(a.Answers[i].Matches))+" "+a.Answers[i].Confidence())
		}
		if s := strings.Join(got, "; "); s != rows {
			t.Errorf("%s\n got %s\nwant %s", entries, s, rows)
		}
		if s := strings.Join(a.Conclusion(), " "); s != conclusion {
			t.Errorf("%s\n got %s\nwant %s", entries, s, conclusion)
		}
	}
	f("52.32.63.168", "Broker.exe (11044) 1 certain", "The connection to 52.32.63.168 was made by Broker.exe (11044).")
	f("52.32.63.169", "Broker.exe (11044) 1 likely", "The connection to 52.32.63.169 was most likely made by Broker.exe (11044).")
	f("52.32.63.168/31", "Broker.exe (11044) 2 certain (1), likely (1)", "Both connections to 52.32.63.168/31 were most likely made by Broker.exe (11044).")
	f("52.32.63.168 52.32.63.169", "Broker.exe (11044) 2 certain (1), likely (1)", "Both connections to these addresses were most likely made by Broker.exe (11044).")
	f("52.32.63.170", "Broker.exe (11044) 1 possible; svchost.exe (1516) 1 possible",
		"1 connection to 52.32.63.170 fits Broker.exe (11044) or svchost.exe (1516): see why with --explain.")
	f("52.32.63.171", "", "1 connection not attributed: no recording of a host was given.")
	f("52.32.63.168/30", "Broker.exe (11044) 3 certain (1), likely (1), possible (1); svchost.exe (1516) 1 possible",
		"2 connections to 52.32.63.168/30: made by Broker.exe (11044) (likely). 1 connection to 52.32.63.168/30 fits Broker.exe (11044) or svchost.exe (1516): see why with --explain. "+
			"1 connection not attributed: no recording of a host was given.")
	f("203.0.113.9", "httpd (80) 1 certain", "The connection from 203.0.113.9 was accepted by httpd (80).")
	f("203.0.113.9 52.32.63.168", "Broker.exe (11044) 1 certain; httpd (80) 1 certain",
		"2 connections with these addresses: 1 by Broker.exe (11044), 1 by httpd (80).")
	f("api.example.org", "Broker.exe (11044) 1 certain", "The connection to api.example.org was made by Broker.exe (11044).")
	f("cdn.example.net", "svchost.exe (1516) 1 certain", "The connection to cdn.example.net was made by svchost.exe (1516).")
	f("198.51.100.0/24", "", "")
}

func TestNoMatch(t *testing.T) {
	a := Who(result(), listOf(t, "52.32.62.0/25 52.32.64.0/24"))
	got := a.NoMatch([]string{"a.pcap"})
	want := "no connection in a.pcap goes to these 2 ranges (6 connections, 7 addresses seen; nearest address seen: 52.32.63.171)"
	if got != want || a.NamedOnly != 0 {
		t.Errorf("got %s, %d by name\nwant %s", got, a.NamedOnly, want)
	}
}

// TestNamedOnly has a host's record alone, which gives names: a list of addresses can't match them, one of names can.
func TestNamedOnly(t *testing.T) {
	res := result()
	res.Flows = res.Flows[6:]
	if a := Who(res, listOf(t, "192.0.2.0/24")); a.NamedOnly != 1 {
		t.Errorf("%d, want 1", a.NamedOnly)
	}
	if a := Who(res, listOf(t, "example.com")); a.NamedOnly != 0 {
		t.Errorf("%d, want none for a list of names", a.NamedOnly)
	}
}

func TestForms(t *testing.T) {
	a := Who(result(), listOf(t, "52.32.63.168/30\n203.0.113.9"))
	session := &Session{
		Inputs: []Input{
			{Path: "log.csv", Format: "procmon-csv", Events: 309730, First: 31800e9, Last: 32040e9, Basis: event.BasisTimeOfDay},
			{Path: "a.pcap", Format: "pcap", Events: 177, Packets: 20000, First: at(0), Last: at(240), Basis: event.BasisUTC, Bad: 1},
			{Path: "gone", Err: "no such file or directory"},
		},
		Warnings: []string{"a.pcap ends inside packet 20,001"},
	}
	for _, form := range Forms {
		var out bytes.Buffer
		style := Style{Form: Form(form), Times: TimesFor(nil, a.Points()...)}
		var err error
		if form == "json" || form == "ndjson" {
			err = a.WriteJSON(&out, Form(form), session, form == "ndjson")
		} else {
			err = a.Write(&out, style, form == "md")
		}
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "who."+form, out.String())
		out.Reset()
		which, repeats := Select(a.Result, nil, "")
		if len(which) != 6 || repeats != 1 {
			t.Errorf("%d flows, %d repeats", len(which), repeats)
		}
		if form == "json" || form == "ndjson" {
			err = WriteFlowsJSON(&out, Form(form), a.Result, which, session)
		} else {
			err = WriteFlows(&out, a.Result, which, style)
		}
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "flows."+form, out.String())
	}
	var out bytes.Buffer
	if err := a.Explain(&out, Style{Form: Table}); err != nil {
		t.Fatal(err)
	}
	golden(t, "explain.txt", out.String())
	out.Reset()
	if err := Heading(&out, session.Inputs, a.List, a.Result.Clocks, Times{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "heading.txt", out.String())
}

// TestHostile puts what does harm into every place of a row, and reads the forms back.
func TestHostile(t *testing.T) {
	evil := []string{"=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "a\x1b[2Jb", "a\u202eb", "a\r\nb", "a\tb", "<script>x</script>", "[x](http://x)", "`x` |", "\xff\xfe", `"q"`, "a,b", "\u0085", " lead", "ä€😀"}
	cols := []Column{{"a", "A", false}, {"b", "B", true}}
	for _, form := range Forms {
		var out bytes.Buffer
		r := NewRows(&out, Form(form), cols)
		for _, e := range evil {
			if err := r.Add(Cell{Text: e}, Cell{Text: e}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		for _, c := range out.String() {
			if event.Unprintable(c) && c != '\n' && c != '\t' && c != '\r' {
				t.Errorf("%s holds %U", form, c)
			}
		}
		golden(t, "hostile."+form, out.String())
		switch Form(form) {
		case CSV:
			all, err := csv.NewReader(&out).ReadAll()
			if err != nil || len(all) != len(evil)+1 || all[1][0] != "'"+evil[0] || all[3][1] != "-1" || all[3][0] != "'-1" {
				t.Errorf("%v: %q", err, all)
			}
		case JSON:
			var doc struct{ Rows []map[string]any }
			if err := json.Unmarshal(out.Bytes(), &doc); err != nil || len(doc.Rows) != len(evil) || doc.Rows[2]["b"] != -1.0 || doc.Rows[4]["a"] != evil[4] {
				t.Errorf("%v: %v", err, doc)
			}
		case HTML:
			if strings.Contains(out.String(), "<script") {
				t.Error("HTML holds a script")
			}
		}
	}
}

func TestEmpty(t *testing.T) {
	f := func(form Form, want string) {
		t.Helper()
		var out bytes.Buffer
		if err := NewRows(&out, form, []Column{{"a", "A", false}}).Close(); err != nil || out.String() != want {
			t.Errorf("%s: %v, %q", form, err, out.String())
		}
	}
	f(Table, "")
	f(JSON, "{\"rows\":[\n\n]}\n")
	f(NDJSON, "")
	f(CSV, "a\r\n")
	f(TSV, "a\n")
	f(Markdown, "")
}

// TestManyRows passes the rows that decide on widths: what comes later is written whole.
func TestManyRows(t *testing.T) {
	var out bytes.Buffer
	r := NewRows(&out, Table, []Column{{"a", "A", false}, {"b", "B", true}})
	for range heldRows + 2 {
		_ = r.Add(Cell{Text: "x"}, Cell{Text: "1"})
	}
	_ = r.Add(Cell{Text: "wider than any before"}, Cell{Text: "1"})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != heldRows+5 || lines[0] != "A  B" || lines[1] != "x  1" || lines[heldRows+3] != "wider than any before  1" {
		t.Errorf("%d lines: %q ... %q", len(lines), lines[:2], lines[len(lines)-2:])
	}
}

func TestNumbers(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(Size(0), "0 B")
	f(Size(1023), "1023 B")
	f(Size(1024), "1 KB")
	f(Size(14336), "14 KB")
	f(Size(63590), "62.1 KB")
	f(Size(428032), "418 KB")
	f(Size(1<<20-1), "1 MB")
	f(Size(5<<40), "5 TB")
	f(Count(0), "0")
	f(Count(-1234567), "-1,234,567")
	f(Count(999), "999")
	f(Count(uint64(1<<32)), "4,294,967,296")
	f(Several(1, "address"), "1 address")
	f(Several(2, "address"), "2 addresses")
	f(Several(2, "entry"), "2 entries")
	f(Several(1000, "flow"), "1,000 flows")
	f(Span(12*time.Millisecond), "12 ms")
	f(Span(-1499*time.Millisecond), "1.4 s")
	f(Span(663*time.Second), "11 min 3 s")
	f(Span(52*time.Hour), "2 d 4 h")
	f(Span(time.Microsecond), "1 µs")
}

func TestTimes(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	day := TimesFor(nil, at(0), 0, at(3600))
	f(day.Milli(at(0.0129), false), "12:50:00.012")
	f(day.Milli(0, false), "")
	f(TimesFor(nil, at(0), at(90000)).Milli(at(0), false), "2022-08-05 12:50:00.000")
	edt := TimesFor(time.FixedZone("-04:00", -4*3600), at(0))
	f(edt.Milli(at(0), false), "08:50:00.000")
	f(edt.Milli(at(0), true), "12:50:00.000")
	f(edt.Name(), "-04:00")
	f(day.Name(), "UTC")
}

func TestClockText(t *testing.T) {
	f := func(c attrib.Clock, want string) {
		t.Helper()
		if got := ClockText(&c, "the capture"); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	f(attrib.Clock{Provider: "Procmon", Basis: event.BasisTimeOfDay, Zone: "UTC-04:00", Offset: 12 * time.Millisecond, Support: 65, Pairs: 65},
		"Procmon has no date or zone: matched to the capture as UTC-04:00, +12 ms (65 of 65 flows agree)")
	f(attrib.Clock{Provider: "Procmon", Basis: event.BasisLocal, Zone: "UTC+05:30", Offset: -90 * time.Second, Support: 1, Pairs: 2, Weak: true},
		"Procmon has no zone: matched to the capture as UTC+05:30, -1 min 30 s (only 1 of 2 flows agree: no answer that rests on it is certain)")
	f(attrib.Clock{Provider: "Sysmon", Host: "PC1", Basis: event.BasisUTC, Offset: -11200 * time.Millisecond, Drift: 1e-5, Support: 20, Pairs: 21},
		"PC1 (Sysmon) 11.2 s ahead of the capture's clock, drifting +36 ms an hour (20 of 21 flows agree)")
	f(attrib.Clock{Source: "a.json", Basis: event.BasisUTC, Support: 4, Pairs: 4}, "a.json agrees with the capture's clock (4 of 4 flows agree)")
	f(attrib.Clock{Provider: "Procmon", Basis: event.BasisLocal, Zone: "UTC-04:00", Given: true}, "Procmon has no zone: matched to the capture as UTC-04:00, +0 µs (given)")
	f(attrib.Clock{Provider: "Procmon", Basis: event.BasisUTC, Pairs: 7}, "Procmon could not be matched to the capture: 7 pairs share endpoints, none agree in time")
}

func TestHeadingOfMany(t *testing.T) {
	var ins []Input
	for range maxInputs + 5 {
		ins = append(ins, Input{Path: "x.log", Format: "zeek", Events: 1000, Basis: event.BasisUTC, First: at(0), Last: at(1)})
	}
	var out bytes.Buffer
	if err := Heading(&out, ins, nil, make([]attrib.Clock, maxClocks+3), Times{}); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, "and 5 files more  5,000 events\n") || !strings.Contains(s, "and 3 clocks more: -o json lists them\n") {
		t.Error(s)
	}
}

func TestWidth(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "ä": 1, "a\u0308": 1, "日本": 4, "😀": 2} {
		if got := Width(s); got != want {
			t.Errorf("Width(%q) = %d, want %d", s, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("a\x1b[2J\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range Plain(s) + mdField(s) + htmlField(s) {
			if event.Unprintable(c) {
				t.Errorf("%q lets %U through", s, c)
			}
		}
		all, err := csv.NewReader(strings.NewReader(csvField(s, false) + ",x\r\n")).ReadAll()
		if err != nil || len(all) != 1 || len(all[0]) != 2 {
			t.Errorf("%q as CSV: %v %q", s, err, all)
		}
	})
}

// Every rule of attrib has a sentence here and a row in docs/attribution.md.
func TestEveryRuleHasASentence(t *testing.T) {
	src, err := os.ReadFile("../attrib/rule.go")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/attribution.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`= "([A-Z]\d)"`).FindAllStringSubmatch(string(src), -1)
	if len(codes) < 15 {
		t.Fatalf("%d rules found", len(codes))
	}
	for _, c := range codes {
		if rules[c[1]] == "" {
			t.Errorf("rule %s has no sentence", c[1])
		}
		if !strings.Contains(string(doc), "| "+c[1]+" |") {
			t.Errorf("rule %s is not in docs/attribution.md", c[1])
		}
	}
}
