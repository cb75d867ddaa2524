package doctor

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"culprit/internal/attrib"
	"culprit/internal/event"
)

// codes of a report's findings, those of files first.
func codes(r *Report) string {
	var all []string
	for i := range r.Files {
		for _, f := range r.Files[i].Findings {
			all = append(all, f.Severity.String()+":"+f.Code)
		}
	}
	for _, f := range r.Findings {
		all = append(all, f.Severity.String()+":"+f.Code)
	}
	return strings.Join(all, " ")
}

// rows makes a batch of n events, each filled by put.
func rows(source string, n int, put func(b *event.Batch, i int)) *event.Batch {
	b := &event.Batch{Source: source}
	for i := range n {
		b.Next()
		put(b, i)
	}
	return b
}

func TestFindings(t *testing.T) {
	f := func(file File, b *event.Batch, want string) {
		t.Helper()
		x := New()
		x.Add(b)
		file.Path, file.Events = b.Source, int64(b.Len)
		got := codes(x.Diagnose([]File{file}, &attrib.Result{}))
		if got != want {
			t.Errorf("%s: %s, want %s", file.Format, got, want)
		}
	}
	procmon := func(class, role string) func(*event.Batch, int) {
		return func(b *event.Batch, i int) {
			b.PutText(event.EventDataset, "procmon.events")
			b.PutText(event.ProcmonEventClass, class)
			b.PutText(event.EventAction, "IRP_MJ_CREATE")
			b.PutText(event.ProcessExecutable, `C:\a.exe`)
			b.PutInt(event.EventSequence, int64(10*i))
			if role != "" {
				b.PutText(event.Role, role)
			}
		}
	}
	f(File{Format: "procmon-pml"}, rows("a", 3, procmon("Registry", "")), "missing:network-off warning:no-process-starts info:filtered")
	f(File{Format: "procmon-pml"}, rows("a", 3, procmon("Network", event.RoleProcess)), "warning:filtered-network")
	f(File{Format: "procmon-csv", Basis: event.BasisTimeOfDay}, rows("a", 0, nil), "missing:no-events")
	f(File{Format: "procmon-pml", Notes: []string{"the capture was not closed by Process Monitor: found 3"}}, rows("a", 3, procmon("Profiling", event.RoleStart)),
		"missing:network-off warning:unclosed info:filtered info:profiling")
	windows := func(dataset string, code string, role string) func(*event.Batch, int) {
		return func(b *event.Batch, _ int) {
			b.PutText(event.EventDataset, dataset)
			b.PutText(event.EventCode, code)
			b.PutText(event.Role, role)
		}
	}
	f(File{Format: "procmon-csv", Notes: []string{"saved with advanced output: event.action has the usual names"}}, rows("a", 3, procmon("Network", event.RoleStart)), "warning:filtered-network info:advanced-output")
	f(File{Format: "winevent-json"}, rows("w", 2, windows("windows.sysmon", "1", event.RoleStart)), "missing:no-connections info:no-sysmon-22")
	f(File{Format: "winevent-json"}, rows("w", 2, windows("windows.sysmon", "3", event.RoleConnect)), "warning:no-process-starts info:no-5156 info:no-sysmon-22 info:no-capture")
	f(File{Format: "winevent-json"}, rows("w", 2, windows("windows.security", "5156", event.RoleConnect)), "warning:no-process-starts info:no-sysmon-3 info:no-sysmon-22 info:no-capture")
	flow := func(src, dst int64) func(*event.Batch, int) {
		return func(b *event.Batch, _ int) {
			b.PutText(event.EventDataset, "pcap.flow")
			b.PutText(event.Role, event.RoleFlow)
			b.PutText(event.NetworkTransport, "tcp")
			b.PutText(event.FlowInitiator, "port")
			b.PutInt(event.SourcePackets, src)
			b.PutInt(event.DestinationPackets, dst)
		}
	}
	f(File{Format: "pcapng", Packets: 9}, rows("c", 6, flow(0, 5)), "warning:one-sided info:open-before info:tcp-only info:no-dns missing:no-host")
	f(File{Format: "pcap", Packets: 9}, rows("c", 0, nil), "missing:no-flows")
	f(File{Format: "pcap"}, rows("c", 0, nil), "missing:no-packets")
	f(File{Format: "zeek", Bad: 2, BadText: "x: ends inside line 3", Notes: []string{"something odd"}}, rows("z", 1, windows("zeek.dns", "", event.RoleName)), "warning:bad-records warning:note")
	f(File{Err: "not a log I can read"}, rows("u", 0, nil), "missing:unknown")
}

// Each channel may have a file of its own: what one lacks another has.
func TestChannels(t *testing.T) {
	x := New()
	put := func(dataset, code, role string) func(*event.Batch, int) {
		return func(b *event.Batch, _ int) {
			b.PutText(event.EventDataset, dataset)
			b.PutText(event.EventCode, code)
			b.PutText(event.Role, role)
		}
	}
	x.Add(rows("sysmon", 2, put("windows.sysmon", "3", event.RoleConnect)))
	x.Add(rows("system", 2, put("windows.system", "7036", "")))
	x.Add(rows("security", 2, put("windows.security", "4688", event.RoleStart)))
	got := codes(x.Diagnose([]File{{Path: "sysmon", Format: "evtx", Events: 2}, {Path: "system", Format: "evtx", Events: 2}, {Path: "security", Format: "evtx", Events: 2}}, &attrib.Result{}))
	if want := "info:no-5156 info:no-sysmon-22 info:no-capture"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A host's recording that lies on a solved clock, but not over the whole of the capture.
func TestCoverage(t *testing.T) {
	at := func(clock string) int64 {
		v, err := time.Parse("2006-01-02 15:04", clock)
		if err != nil {
			t.Fatal(err)
		}
		return v.UnixNano()
	}
	f := func(c attrib.Clock, first, last int64, want string) {
		t.Helper()
		c.Capture, c.Source, c.Support, c.Pairs = "cap", "host", 9, 9
		res := attrib.Result{Clocks: []attrib.Clock{c}, Coverage: []attrib.Coverage{
			{Source: "cap", First: at("2022-08-05 12:50"), Last: at("2022-08-05 13:50")},
			{Source: "host", First: first, Last: last},
		}}
		r := New().Diagnose(nil, &res)
		got := ""
		for _, f := range r.Findings {
			got += f.Text
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f(attrib.Clock{Basis: event.BasisUTC}, at("2022-08-05 12:50"), at("2022-08-05 13:50"), "")
	f(attrib.Clock{Basis: event.BasisUTC, Offset: -time.Hour}, at("2022-08-05 13:50"), at("2022-08-05 14:50"), "")
	f(attrib.Clock{Basis: event.BasisUTC}, at("2022-08-05 13:00"), at("2022-08-05 13:30"), "host begins 10 min 0 s after and ends 20 min 0 s before cap: connections of that time can't be explained")
	f(attrib.Clock{Basis: event.BasisLocal, Zone: "UTC-04:00"}, at("2022-08-05 08:50"), at("2022-08-05 09:50"), "")
	f(attrib.Clock{Basis: event.BasisTimeOfDay, Zone: "UTC+05:30"}, at("1970-01-01 18:20"), at("1970-01-01 18:50"), "host ends 30 min 0 s before cap: connections of that time can't be explained")
	f(attrib.Clock{Basis: event.BasisUTC, Weak: true}, 0, 1, "the clock of host rests on 9 of 9 connections with cap: no answer that needs it is certain")
}

// Every rule that can leave a connection without a certain program has a remedy.
func TestRemedies(t *testing.T) {
	p := &attrib.Process{Name: "a.exe", PID: 7}
	q := &attrib.Process{Name: "A.EXE", PID: 7, Host: "pc"}
	var res attrib.Result
	for _, rule := range []string{
		attrib.RulePorts, attrib.RuleWeakClock, attrib.RuleBind, attrib.RuleEndpoint, attrib.RuleLate, attrib.RuleRunnerUp, attrib.RuleGoesOn,
		attrib.RuleSeveral, attrib.RuleNoClock, attrib.RuleFaint, attrib.RuleOutside, attrib.RuleForeign, attrib.RuleUnsolved,
	} {
		level := map[byte]attrib.Level{'B': attrib.Likely, 'C': attrib.Possible, 'U': attrib.Unknown}[rule[0]]
		c := attrib.Culprit{Level: level, Rule: rule, Reason: "because"}
		if rule == attrib.RuleSeveral {
			c.Candidates = []attrib.Candidate{{Process: p}, {Process: q}}
		}
		res.Flows = append(res.Flows, attrib.Flow{SameAs: -1, Source: netip.MustParseAddrPort("192.0.2.1:1"), Culprit: c})
	}
	r := New().Diagnose(nil, &res)
	for i := range r.Reasons {
		if r.remedy(&r.Reasons[i]) == "" {
			t.Errorf("%s has no remedy", r.Reasons[i].Rule)
		}
	}
	if got := codes(r); !strings.Contains(got, "warning:twice") || r.Flows != 13 || r.Levels[attrib.Likely] != 7 {
		t.Errorf("%s; %d flows, %v", got, r.Flows, r.Levels)
	}
}

func BenchmarkAdd(b *testing.B) {
	batch := rows("a", event.MaxLen, func(b *event.Batch, i int) {
		b.PutText(event.EventDataset, "procmon.events")
		b.PutText(event.ProcmonEventClass, "Registry")
		b.PutText(event.EventAction, "RegOpenKey")
		b.PutText(event.HostName, "pc")
	})
	x := New()
	b.ReportAllocs()
	for b.Loop() {
		x.Add(batch)
	}
	b.ReportMetric(float64(b.N*event.MaxLen)/b.Elapsed().Seconds(), "events/s")
}
