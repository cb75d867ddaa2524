package attrib

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"culprit/internal/event"
)

// world builds the two sides of a case: a capture's flows and a host's records.
type world struct {
	t   *testing.T
	x   *Index
	cap *event.Batch
	rec *event.Batch
	// offset is the capture's clock minus the host's.
	offset time.Duration
	basis  string
	n      int64
}

const t0 = int64(1659703800_000000000) // 2022-08-05 12:50 UTC

func newWorld(t *testing.T) *world {
	return &world{t: t, x: New(), cap: &event.Batch{Source: "a.pcap"}, rec: &event.Batch{Source: "host.json"}, basis: event.BasisUTC}
}

func (w *world) at(b *event.Batch, role string, t int64) {
	b.Next()
	w.n++
	b.PutText(event.Role, role)
	b.PutTime(event.Timestamp, t)
	b.PutInt(event.Record, w.n)
	b.PutText(event.TimeBasis, event.BasisUTC)
}

func ends(b *event.Batch, proto, src, dst string) {
	b.PutText(event.NetworkTransport, proto)
	for _, e := range []struct {
		s        string
		ip       event.Field
		port     event.Field
		hostname event.Field
	}{{src, event.SourceIP, event.SourcePort, event.SourceDomain}, {dst, event.DestinationIP, event.DestinationPort, event.DestinationDomain}} {
		if e.s == "" {
			continue
		}
		host, port, _ := cutLast(e.s)
		var n int64
		fmt.Sscan(port, &n)
		b.PutInt(e.port, n)
		if ip, err := netip.ParseAddr(host); err == nil {
			b.PutAddr(e.ip, ip)
		} else if host != "" {
			b.PutText(e.hostname, host)
		}
	}
}

func cutLast(s string) (string, string, bool) {
	i := strings.LastIndexByte(s, ':')
	return s[:i], s[i+1:], true
}

// flow adds a captured flow that begins after the given time and lasts.
func (w *world) flow(proto, src, dst string, after, lasts time.Duration) {
	w.at(w.cap, event.RoleFlow, t0+int64(after))
	ends(w.cap, proto, src, dst)
	w.cap.PutTime(event.EventEnd, t0+int64(after+lasts))
	w.cap.PutInt(event.SourcePackets, 5)
	w.cap.PutInt(event.FlowPayloadSource, 100)
	w.cap.PutInt(event.FlowPayloadDestination, 200)
}

func (w *world) name(from, name, ip string) {
	w.at(w.cap, event.RoleName, t0)
	w.cap.PutText(event.NameValue, name)
	w.cap.PutText(event.NameFrom, from)
	w.cap.AddAddr(event.NameIP, netip.MustParseAddr(ip))
}

// record adds a host's record. local stands first, except in an accept, where it stands second.
func (w *world) record(role, proc string, pid int64, proto, src, dst string, after time.Duration) {
	w.at(w.rec, role, t0+int64(after)-int64(w.offset))
	w.rec.PutText(event.TimeBasis, w.basis)
	w.rec.PutText(event.EventProvider, "Test")
	w.rec.PutText(event.ProcessName, proc)
	w.rec.PutInt(event.ProcessPID, pid)
	if w.basis == event.BasisUTC {
		w.rec.PutText(event.HostName, "WS1")
	}
	ends(w.rec, proto, src, dst)
	if role == event.RoleAccept {
		w.rec.PutText(event.NetworkDirection, "ingress")
	}
}

func (w *world) length(n int64) { w.rec.PutInt(event.NetworkBytes, n) }

func (w *world) solve() Result {
	w.x.Add(w.cap)
	w.x.Add(w.rec)
	return w.x.Solve()
}

// noise adds flows and records that agree, so that the clock can be solved.
func (w *world) noise(n int) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		after := time.Duration(r.Int64N(int64(4 * time.Minute)))
		src, dst := fmt.Sprintf("10.0.0.5:%d", 52000+i), fmt.Sprintf("93.184.216.%d:443", i+1)
		w.flow("tcp", src, dst, after, time.Second)
		w.record(event.RoleConnect, "noise.exe", 900, "tcp", src, dst, after+time.Duration(r.IntN(10))*time.Millisecond)
	}
}

// want checks the last flow of the capture in order of addition: the one to src.
func want(t *testing.T, r Result, src string, level Level, rule, proc string) {
	t.Helper()
	for _, f := range r.Flows {
		if f.Source.String() != src {
			continue
		}
		name := ""
		if f.Culprit.Process != nil {
			name = f.Culprit.Process.Name
		}
		if f.Culprit.Level != level || f.Culprit.Rule != rule || name != proc {
			t.Errorf("%s: %s %s %q (%s), want %s %s %q", src, f.Culprit.Level, f.Culprit.Rule, name, f.Culprit.Reason, level, rule, proc)
		}
		return
	}
	t.Errorf("no flow from %s", src)
}

func TestTuple(t *testing.T) {
	for _, offset := range []time.Duration{0, 90 * time.Second, -5 * 24 * time.Hour, 11*time.Hour + 1234567} {
		w := newWorld(t)
		w.offset = offset
		w.noise(10)
		w.flow("tcp", "10.0.0.5:50100", "52.32.63.168:443", time.Minute, 10*time.Second)
		w.record(event.RoleConnect, "broker.exe", 11044, "tcp", "10.0.0.5:50100", "52.32.63.168:443", time.Minute+3*time.Millisecond)
		r := w.solve()
		want(t, r, "10.0.0.5:50100", Certain, RuleTuple, "broker.exe")
		if c := r.Clocks[0]; (c.Offset-offset).Abs() > 20*time.Millisecond || c.Support != 11 || c.Weak {
			t.Errorf("offset %v: solved %+v", offset, c)
		}
	}
}

// A port used again: the join on source port alone blames whoever had more rows.
func TestPortReuse(t *testing.T) {
	w := newWorld(t)
	w.noise(10)
	w.flow("tcp", "10.0.0.5:50100", "40.1.1.1:443", 10*time.Second, 5*time.Second)
	w.flow("tcp", "10.0.0.5:50101", "40.1.1.1:443", 2*time.Minute, 5*time.Second)
	w.flow("tcp", "10.0.0.5:50101", "40.1.1.1:443", 3*time.Minute, 5*time.Second)
	for i := range 20 {
		w.record(event.RoleSend, "svchost.exe", 4, "tcp", "10.0.0.5:50100", "40.1.1.1:443", 11*time.Second+time.Duration(i)*time.Millisecond)
	}
	w.flow("tcp", "10.0.0.5:50100", "52.32.63.168:443", time.Minute, 5*time.Second)
	w.record(event.RoleSend, "broker.exe", 11044, "tcp", "10.0.0.5:50100", "52.32.63.168:443", time.Minute+time.Second)
	// The very same tuple, used by two programs one after the other.
	w.record(event.RoleConnect, "first.exe", 21, "tcp", "10.0.0.5:50101", "40.1.1.1:443", 2*time.Minute+2*time.Millisecond)
	w.record(event.RoleConnect, "second.exe", 22, "tcp", "10.0.0.5:50101", "40.1.1.1:443", 3*time.Minute+2*time.Millisecond)
	blamed := map[string]int{} // what a join on the source port alone says of the connection broker.exe made
	for i := range w.rec.Len {
		if w.rec.Int(event.SourcePort, i) == 50100 {
			blamed[string(w.rec.Str(event.ProcessName, i))]++
		}
	}
	if blamed["svchost.exe"] <= blamed["broker.exe"] {
		t.Fatalf("the join would be right: %v", blamed)
	}
	r := w.solve()
	got := map[string]string{}
	for _, f := range r.Flows {
		if f.Culprit.Process != nil {
			got[fmt.Sprint(f.Source, " ", f.Destination, " ", time.Duration(f.Start-t0))] = f.Culprit.Level.String() + f.Culprit.Process.Name
		}
	}
	for k, v := range map[string]string{
		"10.0.0.5:50100 52.32.63.168:443 1m0s": "certainbroker.exe",
		"10.0.0.5:50100 40.1.1.1:443 10s":      "certainsvchost.exe",
		"10.0.0.5:50101 40.1.1.1:443 2m0s":     "certainfirst.exe",
		"10.0.0.5:50101 40.1.1.1:443 3m0s":     "certainsecond.exe",
	} {
		if got[k] != v {
			t.Errorf("%s: %s, want %s", k, got[k], v)
		}
	}
}

// A Procmon CSV: time of day without zone, names instead of addresses.
func TestTimeOfDay(t *testing.T) {
	w := newWorld(t)
	day := 24 * time.Hour
	w.basis = event.BasisTimeOfDay
	w.offset = time.Duration(t0/int64(day)*int64(day)) + 4*time.Hour + 12*time.Millisecond
	w.n = 0
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 20 {
		after := time.Duration(r.Int64N(int64(4 * time.Minute)))
		w.flow("tcp", fmt.Sprintf("10.0.0.5:%d", 52000+i), fmt.Sprintf("93.184.216.%d:443", i+1), after, time.Second)
		w.name("ptr", fmt.Sprintf("host%d.example", i), fmt.Sprintf("93.184.216.%d", i+1))
		w.record(event.RoleConnect, "noise.exe", 900, "tcp", fmt.Sprintf("ws1.local:%d", 52000+i), fmt.Sprintf("host%d.example:443", i), after+time.Millisecond)
	}
	w.flow("tcp", "10.0.0.5:50100", "52.32.63.168:443", time.Minute, 10*time.Second)
	w.record(event.RoleConnect, "broker.exe", 11044, "tcp", "ws1.local:50100", "ec2-52-32-63-168.us-west-2.compute.amazonaws.com:443", time.Minute+time.Millisecond)
	w.flow("tcp", "10.0.0.5:50101", "52.32.63.169:443", time.Minute, 10*time.Second)
	w.record(event.RoleConnect, "unproved.exe", 11045, "tcp", "ws1.local:50101", "somewhere.example:443", time.Minute+time.Millisecond)
	w.flow("tcp", "10.0.0.5:50102", "52.32.63.170:443", time.Minute, 10*time.Second)
	w.record(event.RoleConnect, "elsewhere.exe", 11046, "tcp", "ws1.local:50102", "host3.example:443", time.Minute+time.Millisecond)
	w.flow("tcp", "10.0.0.5:50103", "52.32.63.171:443", time.Minute, 10*time.Second)
	w.record(event.RoleSend, "lengths.exe", 11047, "tcp", "ws1.local:50103", "other.example:443", time.Minute+time.Second)
	w.length(100)
	w.record(event.RoleReceive, "lengths.exe", 11047, "tcp", "ws1.local:50103", "other.example:443", time.Minute+2*time.Second)
	w.length(200)
	res := w.solve()
	want(t, res, "10.0.0.5:50100", Certain, RulePeerName, "broker.exe")
	want(t, res, "10.0.0.5:50101", Likely, RulePorts, "unproved.exe")
	want(t, res, "10.0.0.5:50102", Unknown, RuleUnrecorded, "") // the name stands for another address
	want(t, res, "10.0.0.5:50103", Certain, RuleLengths, "lengths.exe")
	c := res.Clocks[0]
	if c.Zone != "UTC-04:00" || (c.Offset-12*time.Millisecond).Abs() > 5*time.Millisecond {
		t.Errorf("zone %s offset %v, want UTC-04:00 and 12 ms", c.Zone, c.Offset)
	}
}

// Two processes whose records of one pair of endpoints can't be told apart are both shown.
func TestTwoCandidates(t *testing.T) {
	w := newWorld(t)
	w.noise(10)
	w.flow("tcp", "10.0.0.5:50100", "52.32.63.168:443", time.Minute, 10*time.Second)
	for i, p := range []string{"one.exe", "two.exe"} {
		w.record(event.RoleConnect, p, int64(i+1), "tcp", "10.0.0.5:50100", "52.32.63.168:443", time.Minute+time.Duration(i)*10*time.Millisecond)
	}
	r := w.solve()
	want(t, r, "10.0.0.5:50100", Possible, RuleSeveral, "one.exe")
	for _, f := range r.Flows {
		if f.Culprit.Rule == RuleSeveral && len(f.Culprit.Candidates) != 2 {
			t.Errorf("%d candidates, want 2", len(f.Culprit.Candidates))
		}
	}
}

func TestUnknown(t *testing.T) {
	w := newWorld(t)
	w.noise(10)
	w.flow("tcp", "10.0.0.5:50100", "1.1.1.1:443", 10*time.Minute, time.Second)
	w.flow("tcp", "10.0.0.5:50101", "1.1.1.1:443", 2*time.Minute, time.Second)
	w.flow("tcp", "10.9.9.9:50102", "1.1.1.1:443", 2*time.Minute, time.Second)
	r := w.solve()
	want(t, r, "10.0.0.5:50100", Unknown, RuleOutside, "")
	want(t, r, "10.0.0.5:50101", Unknown, RuleUnrecorded, "")
	want(t, r, "10.9.9.9:50102", Unknown, RuleForeign, "")

	w = newWorld(t)
	w.flow("tcp", "10.0.0.5:50100", "1.1.1.1:443", time.Minute, time.Second)
	want(t, w.solve(), "10.0.0.5:50100", Unknown, RuleNoHost, "")
}

// One pair is too little for a clock, unless both are UTC and close: even then it is not certain.
func TestWeakClock(t *testing.T) {
	for offset, level := range map[time.Duration]Level{20 * time.Millisecond: Likely, 5 * time.Hour: Likely} {
		w := newWorld(t)
		w.offset = offset
		w.flow("tcp", "10.0.0.5:50100", "52.32.63.168:443", time.Minute, 10*time.Second)
		w.record(event.RoleConnect, "broker.exe", 11044, "tcp", "10.0.0.5:50100", "52.32.63.168:443", time.Minute)
		want(t, w.solve(), "10.0.0.5:50100", level, RuleWeakClock, "broker.exe")
	}
}

func TestBothEndsAndEndpoint(t *testing.T) {
	w := newWorld(t)
	w.noise(10)
	w.flow("tcp", "10.0.0.9:50100", "10.0.0.5:445", time.Minute, 10*time.Second)
	w.record(event.RoleAccept, "System", 4, "tcp", "10.0.0.9:50100", "10.0.0.5:445", time.Minute)
	w.flow("udp", "10.0.0.5:60000", "10.0.0.1:53", time.Minute, time.Second)
	w.flow("udp", "10.0.0.5:60000", "10.0.0.2:53", time.Minute+time.Second, time.Second)
	w.record(event.RoleConnect, "svchost.exe", 80, "udp", "10.0.0.5:60000", "10.0.0.1:53", time.Minute)
	w.flow("tcp", "10.0.0.5:50200", "1.1.1.1:443", time.Minute, time.Second)
	w.record(event.RoleBind, "binder.exe", 81, "tcp", ":50200", "", time.Minute-time.Millisecond)
	r := w.solve()
	for _, f := range r.Flows {
		switch {
		case f.Destination.Port() == 445:
			if f.Peer.Level != Certain || f.Peer.Process.Name != "System" || f.Culprit.Rule != RuleForeign {
				t.Errorf("accepted: peer %+v, source %+v", f.Peer, f.Culprit)
			}
		case f.Destination.String() == "10.0.0.2:53":
			if f.Culprit.Rule != RuleEndpoint || f.Culprit.Process.Name != "svchost.exe" {
				t.Errorf("endpoint: %+v", f.Culprit)
			}
		}
	}
	want(t, r, "10.0.0.5:50200", Likely, RuleBind, "binder.exe")
}

// Without a capture the host's own record is the answer.
func TestRecorded(t *testing.T) {
	w := newWorld(t)
	w.record(event.RoleConnect, "a.exe", 1, "tcp", "10.0.0.5:50100", "1.1.1.1:443", time.Minute)
	w.record(event.RoleSend, "a.exe", 1, "tcp", "10.0.0.5:50100", "1.1.1.1:443", time.Minute)
	w.length(10)
	w.record(event.RoleDisconnect, "a.exe", 1, "tcp", "10.0.0.5:50100", "1.1.1.1:443", time.Minute)
	w.record(event.RoleConnect, "b.exe", 2, "tcp", "10.0.0.5:50100", "1.1.1.1:443", 2*time.Minute)
	r := w.solve()
	if len(r.Flows) != 2 || r.Flows[0].Culprit.Process.Name != "a.exe" || r.Flows[1].Culprit.Process.Name != "b.exe" || r.Flows[0].Bytes[0] != 10 {
		t.Errorf("%+v", r.Flows)
	}
}

// A connection that pauses is two flows, and one process.
func TestGoesOn(t *testing.T) {
	w := newWorld(t)
	w.noise(10)
	w.flow("tcp", "10.0.0.5:50100", "52.32.63.168:443", time.Minute, 10*time.Second)
	w.record(event.RoleConnect, "broker.exe", 11044, "tcp", "10.0.0.5:50100", "52.32.63.168:443", time.Minute+3*time.Millisecond)
	w.flow("tcp", "10.0.0.5:50100", "52.32.63.168:443", 10*time.Minute, 10*time.Second)
	w.flow("tcp", "10.0.0.5:50100", "52.32.63.168:443", 20*time.Minute, 10*time.Second)
	w.cap.PutInt(event.FlowISN, 12345)
	w.flow("tcp", "10.0.0.5:50100", "52.32.63.168:443", 30*time.Minute, 10*time.Second)
	w.cap.PutText(event.FlowInitiator, "syn") // as Zeek has it
	var got []string
	for _, f := range w.solve().Flows {
		if f.Source.Port() == 50100 {
			got = append(got, f.Culprit.Rule)
		}
	}
	if want := "A1 B7 U2 U2"; strings.Join(got, " ") != want {
		t.Errorf("rules %v, want %s", got, want)
	}
}

// Two recordings of one host name a process each in its own way: it is one process, with what both know.
func TestUnite(t *testing.T) {
	w := newWorld(t)
	other := &event.Batch{Source: "other.csv"}
	for i := range 10 {
		src, dst := fmt.Sprintf("10.0.0.5:%d", 52000+i), fmt.Sprintf("93.184.216.%d:443", i+1)
		after := time.Duration(i*i) * time.Second
		w.flow("tcp", src, dst, after, time.Second)
		if i != 3 {
			w.record(event.RoleConnect, "a.exe", 900, "tcp", src, dst, after)
			w.rec.PutText(event.ProcessEntityID, "{guid}")
			w.rec.PutText(event.ProcessExecutable, `C:\a.exe`)
		}
		w.rec, other = other, w.rec
		w.basis = event.BasisLocal // which leaves the host's name out
		w.record(event.RoleConnect, "A.EXE", 900, "tcp", src, dst, after)
		w.rec.PutText(event.ProcessCommandLine, "a.exe -x")
		w.basis = event.BasisUTC
		w.rec, other = other, w.rec
	}
	w.x.Add(other)
	seen := map[*Process]bool{}
	for _, f := range w.solve().Flows {
		seen[f.Culprit.Process] = true
		if p := f.Culprit.Process; p == nil || p.Host != "WS1" || p.Executable != `C:\a.exe` || p.Command != "a.exe -x" {
			t.Errorf("%v: %+v", f.Source, p)
		}
	}
	if len(seen) != 1 {
		t.Errorf("%d processes, want 1", len(seen))
	}
}

// A host that talks to itself records both ends: one connection, two processes.
func TestRecordedBothEnds(t *testing.T) {
	for _, accept := range []bool{true, false} {
		w := newWorld(t)
		if accept {
			w.record(event.RoleAccept, "server.exe", 2, "tcp", "127.0.0.1:50100", "127.0.0.1:8080", time.Minute)
		} else {
			w.record(event.RoleReceive, "server.exe", 2, "tcp", "127.0.0.1:8080", "127.0.0.1:50100", time.Minute)
		}
		w.record(event.RoleConnect, "client.exe", 1, "tcp", "127.0.0.1:50100", "127.0.0.1:8080", time.Minute)
		r := w.solve()
		if len(r.Flows) != 1 {
			t.Fatalf("%d flows", len(r.Flows))
		}
		if f := r.Flows[0]; f.Destination.Port() != 8080 || f.Culprit.Process == nil || f.Culprit.Process.Name != "client.exe" || f.Peer.Process == nil || f.Peer.Process.Name != "server.exe" {
			t.Errorf("%v > %v: %+v, %+v", f.Source, f.Destination, f.Culprit, f.Peer)
		}
	}
}

// Recordings that can't be of one session, or whose zone is given wrongly, are said to be.
func TestWarnings(t *testing.T) {
	f := func(basis string, offset time.Duration, zone *time.Location, want string) {
		t.Helper()
		w := newWorld(t)
		w.basis, w.offset = basis, offset
		w.flow("tcp", "10.0.0.5:50100", "52.32.63.168:443", time.Minute, time.Second)
		w.record(event.RoleConnect, "a.exe", 1, "tcp", "ws1.local:50999", "1.2.3.4:443", time.Minute)
		if zone != nil {
			w.x.Zone("host.json", zone)
		}
		if got := strings.Join(w.solve().Warnings, " "); !strings.Contains(got, want) {
			t.Errorf("offset %v: %q lacks %q", offset, got, want)
		}
	}
	f(event.BasisLocal, 4*time.Hour, nil, "no connection is in both")
	f(event.BasisLocal, 4*time.Hour+7*time.Minute, nil, "never overlap")
	f(event.BasisTimeOfDay, 4*time.Hour, time.FixedZone("", 3*3600), "does not fit")
}

// Two logs of one host tell of one connection: it is shown once.
func TestRecordedTwice(t *testing.T) {
	w := newWorld(t)
	w.record(event.RoleConnect, "a.exe", 1, "tcp", "10.0.0.5:50100", "1.1.1.1:443", time.Minute)
	other := &event.Batch{Source: "other.json"}
	w.rec, other = other, w.rec
	w.record(event.RoleConnect, "A.EXE", 1, "tcp", "10.0.0.5:50100", "1.1.1.1:443", time.Minute)
	w.rec.PutText(event.DestinationDomain, "one.one.one.one")
	w.x.Add(other)
	if r := w.solve(); len(r.Flows) != 1 {
		t.Errorf("%+v", r.Flows)
	}
}

// Nothing may depend on the order of a map.
func TestDeterministic(t *testing.T) {
	build := func() string {
		w := newWorld(t)
		w.noise(40)
		r := w.solve()
		return fmt.Sprintf("%+v", r.Clocks) + fmt.Sprintf("%v", len(r.Flows))
	}
	first := build()
	for range 5 {
		if again := build(); again != first {
			t.Fatalf("two runs differ:\n%s\n%s", first, again)
		}
	}
}

// Drift of 300 ppm over six hours moves the clocks 6 s apart: evidence must still be found.
func TestDrift(t *testing.T) {
	w := newWorld(t)
	for i := range 200 {
		after := time.Duration(i) * 108 * time.Second
		src, dst := fmt.Sprintf("10.0.0.5:%d", 52000+i), fmt.Sprintf("93.184.%d.%d:443", i/200, i%200+1)
		w.flow("tcp", src, dst, after, time.Second)
		w.record(event.RoleConnect, "noise.exe", 900, "tcp", src, dst, after+time.Duration(float64(after)*300e-6))
	}
	r := w.solve()
	for _, f := range r.Flows {
		if f.Culprit.Level != Certain {
			t.Fatalf("%v: %+v, clock %+v", f.Source, f.Culprit, r.Clocks[0])
		}
	}
}

func BenchmarkSolve(b *testing.B) {
	const flows, records = 20_000, 10
	b.ReportAllocs()
	for b.Loop() {
		x := New()
		capture, host := &event.Batch{Source: "a.pcap"}, &event.Batch{Source: "host.pml"}
		w := &world{x: x, cap: capture, rec: host, basis: event.BasisUTC, offset: time.Minute}
		for i := range flows {
			after := time.Duration(i) * 200 * time.Millisecond
			src, dst := fmt.Sprintf("10.0.0.5:%d", 49152+i%16000), fmt.Sprintf("93.184.%d.%d:443", i/250%250, i%250+1)
			w.flow("tcp", src, dst, after, time.Second)
			for j := range records {
				w.record(event.RoleSend, fmt.Sprintf("p%d.exe", i%50), int64(i%50+4), "tcp", src, dst, after+time.Duration(j)*time.Millisecond)
				if host.Full() {
					x.Add(host)
					host.Reset()
				}
			}
			if capture.Full() {
				x.Add(capture)
				capture.Reset()
			}
		}
		x.Add(capture)
		x.Add(host)
		certain := 0
		for _, f := range x.Solve().Flows {
			if f.Culprit.Level == Certain {
				certain++
			}
		}
		if certain != flows {
			b.Fatalf("%d of %d certain", certain, flows)
		}
	}
	b.ReportMetric(float64(b.N)*flows*(records+1)/b.Elapsed().Seconds(), "events/s")
}

// A virtual machine's clock that gains and loses a minute: order is kept, no line fits.
func TestWander(t *testing.T) {
	w := newWorld(t)
	for i := range 60 {
		after := time.Duration(i) * 4 * time.Second
		w.offset = time.Duration(30 * float64(time.Second) * (1 - math.Cos(float64(i)/10)))
		src, dst := fmt.Sprintf("10.0.0.5:%d", 52000+i), fmt.Sprintf("93.184.216.%d:443", i+1)
		w.flow("tcp", src, dst, after, time.Second)
		if i != 30 {
			w.record(event.RoleConnect, fmt.Sprintf("p%d.exe", i), int64(900+i), "tcp", src, dst, after)
		}
	}
	// Flow 30 has a record of its endpoints only a minute before: another connection, that nobody captured.
	w.record(event.RoleConnect, "other.exe", 7, "tcp", "10.0.0.5:52030", "93.184.216.31:443", time.Minute)
	r := w.solve()
	if c := r.Clocks[0]; !c.Wanders || c.Support < 55 {
		t.Errorf("clock %+v", c)
	}
	for i, f := range r.Flows {
		switch {
		case f.Source.Port() == 52030:
			if f.Culprit.Level != Unknown {
				t.Errorf("a record of another time was believed: %+v", f.Culprit)
			}
		case f.Culprit.Level != Certain && f.Culprit.Level != Likely, f.Culprit.Process.PID != int64(900+i):
			t.Errorf("%v: %+v", f.Source, f.Culprit)
		}
	}
}
