package simulate

import (
	"bytes"
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

type closer struct{ io.Writer }

func (closer) Close() error { return nil }

// outputs gives every file a case can be written as.
func outputs(t testing.TB, c *Case) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	put := func(name string, write func(io.Writer) error) {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = b.Bytes()
	}
	put("9-64.pml", func(w io.Writer) error { return c.WritePML(w, PMLOptions{Version: 9, Bits: 64}) })
	put("9-32.pml", func(w io.Writer) error { return c.WritePML(w, PMLOptions{Version: 9, Bits: 32}) })
	put("7-32.pml", func(w io.Writer) error { return c.WritePML(w, PMLOptions{Version: 7, Bits: 32}) })
	for _, l := range []Locale{EnUS, DeDE, ZhTW, RuRU} {
		put(l.Tag+".csv", func(w io.Writer) error { return c.WriteProcmonCSV(w, CSVOptions{Locale: l, Resolve: true}) })
		put(l.Tag+"-all.csv", func(w io.Writer) error {
			return c.WriteProcmonCSV(w, CSVOptions{Locale: l, Columns: AllColumns})
		})
	}
	for _, nanos := range []bool{false, true} {
		put("pcap"+map[bool]string{true: "-ns"}[nanos], func(w io.Writer) error { return c.WritePcap(w, nanos) })
		put("pcapng"+map[bool]string{true: "-ns"}[nanos], func(w io.Writer) error { return c.WritePcapng(w, PcapngOptions{Nanos: nanos, Names: nanos}) })
	}
	for i, s := range []Shape{NXLog, Winlogbeat7, Winlogbeat8} {
		put([]string{"nxlog.json", "winlogbeat7.json", "winlogbeat8.json"}[i], func(w io.Writer) error { return c.WriteSysmonJSON(w, s) })
	}
	for _, js := range []bool{false, true} {
		put("zeek"+map[bool]string{true: ".json"}[js], func(w io.Writer) error {
			return c.WriteZeek(func(string) (io.WriteCloser, error) { return closer{w}, nil }, ZeekOptions{JSON: js})
		})
	}
	put("truth.jsonl", c.WriteTruth)
	return all
}

func TestSameSeedSameBytes(t *testing.T) {
	p := Small()
	a, b := outputs(t, New(p)), outputs(t, New(p))
	p.Seed++
	other := outputs(t, New(p))
	for name := range a {
		if sha256.Sum256(a[name]) != sha256.Sum256(b[name]) {
			t.Errorf("%s differs between two runs", name)
		}
		if bytes.Equal(a[name], other[name]) {
			t.Errorf("%s does not depend on the seed", name)
		}
	}
}

func TestDuo(t *testing.T) {
	start := time.Now()
	c := New(Duo())
	t.Logf("made in %v", time.Since(start))
	tcp := 0
	for _, r := range c.Records {
		if r.Op.TCP() {
			tcp++
		}
	}
	flows, factor := 0, 0
	for _, k := range c.Connections {
		if k.Captured() {
			flows++
		}
		if c.factor(&k) {
			factor++
			if p := c.Processes[k.Process]; p.Name != "Microsoft.AAD.BrokerPlugin.exe" || p.PID != 11044 {
				t.Errorf("%v is made by %s (%d)", k.Destination, p.Name, p.PID)
			}
		}
	}
	if len(c.Records) != 309730 || tcp != 961 || factor != 5 {
		t.Errorf("%d records, %d of TCP, %d connections to the factor; want 309730, 961, 5", len(c.Records), tcp, factor)
	}
	if n := len(c.Packets); n < 18000 || n > 22000 {
		t.Errorf("%d packets", n)
	}
	if flows < 55 || flows > 75 {
		t.Errorf("%d flows", flows)
	}
	t.Logf("%d records, %d packets, %d flows", len(c.Records), len(c.Packets), flows)
	for _, w := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"PML", func(w io.Writer) error { return c.WritePML(w, c.PML) }},
		{"CSV", func(w io.Writer) error { return c.WriteProcmonCSV(w, c.CSV) }},
		{"pcapng", func(w io.Writer) error { return c.WritePcapng(w, PcapngOptions{}) }},
	} {
		start := time.Now()
		var n count
		if err := w.write(&n); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes in %v", w.name, n, time.Since(start))
	}
}

type count int

func (n *count) Write(b []byte) (int, error) { *n += count(len(b)); return len(b), nil }

// A join on the source port alone must go wrong: another process had the port first, and Procmon recorded both.
func TestPortReuse(t *testing.T) {
	for _, p := range append(Grid(), Duo()) {
		if p.Rows > 100000 {
			p.Rows = 0
		}
		c := New(p)
		reused := 0
		for i, k := range c.Connections {
			if !k.Reused {
				continue
			}
			reused++
			before := slices.ContainsFunc(c.Connections, func(o Connection) bool {
				return o.Source == k.Source && o.Transport == k.Transport && o.End < k.Start && o.Process != k.Process
			})
			if !before && p.UDPShare < 0.5 {
				t.Errorf("%s: connection %d: nobody had %v before", p.Name, i, k.Source)
			}
		}
		if want := 1 + p.PortReuse; reused < want {
			t.Errorf("%s: %d ports reused, want %d", p.Name, reused, want)
		}
	}
}

// What Procmon counts must be what went over the wire.
func TestRecordsMatchPackets(t *testing.T) {
	for _, p := range []Params{Small(), Duo()} {
		p.Rows = 0
		c := New(p)
		sent, got := make([]int64, len(c.Connections)), make([]int64, len(c.Connections))
		for _, r := range c.Records {
			k := c.Connections[r.Conn]
			if ops[r.Op].class != classNetwork {
				continue
			}
			switch r.Op {
			case TCPSend, UDPSend:
				sent[r.Conn] += int64(r.Arg)
			case TCPReceive, UDPReceive:
				got[r.Conn] += int64(r.Arg)
			case TCPConnect:
				if d := r.At - k.Start; !k.Source.Addr().IsLoopback() && (d < time.Millisecond || d > 5*time.Millisecond+500*time.Microsecond) {
					t.Errorf("%v: connect %v after the SYN", k.Destination, d)
				}
			}
			if r.At < 0 || r.At > p.Duration {
				t.Errorf("record at %v", r.At)
			}
		}
		for i, k := range c.Connections {
			up, down := sent[i], got[i]
			if k.Process < 0 && k.Peer >= 0 {
				up, down = down, up
			}
			if k.Records > 0 && !k.Source.Addr().IsLoopback() && (up != k.Payload[0] || down != k.Payload[1]) {
				t.Errorf("%v -> %v: Procmon says %d and %d bytes, the wire %v", k.Source, k.Destination, up, down, k.Payload)
			}
		}
	}
}

func TestRecordsInOrder(t *testing.T) {
	for _, p := range Grid() {
		c := New(p)
		if !slices.IsSortedFunc(c.Records, func(a, b Record) int { return int(a.At - b.At) }) {
			t.Errorf("%s: records out of order", p.Name)
		}
		for _, r := range c.Records {
			if pr := c.Processes[r.Proc]; r.At < pr.Start || pr.End > 0 && r.At > pr.End {
				t.Errorf("%s: %s (%d) does %v outside its life", p.Name, pr.Name, pr.PID, r.Op)
			}
			if r.At%100 != 0 {
				t.Errorf("%s: a time finer than Windows has: %v", p.Name, r.At)
			}
		}
	}
}

func TestGrid(t *testing.T) {
	g := Grid()
	if len(g) < 40 {
		t.Errorf("%d cases", len(g))
	}
	var names []string
	for _, p := range g {
		names = append(names, p.Name)
		c := New(p)
		if p.HostEnd == 0 && len(c.Records) < p.Rows || len(c.Packets) < 500 {
			t.Errorf("%s: %d records, %d packets", p.Name, len(c.Records), len(c.Packets))
		}
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != len(g) {
		t.Error("two cases have one name")
	}
}

func TestLocales(t *testing.T) {
	at := time.Date(2022, 8, 5, 0, 9, 44, 822266400, time.UTC)
	f := func(l Locale, want string) {
		t.Helper()
		if got := string(l.appendTime(nil, at, true)); got != want {
			t.Errorf("%s: %q, want %q", l.Tag, got, want)
		}
	}
	f(EnUS, "12:09:44.8222664 AM")
	f(DeDE, "00:09:44,8222664")
	f(ZhTW, "上午 12:09:44.8222664")
	if got := string(RuRU.appendNumber(nil, 1234567)); got != "1\u00a0234\u00a0567" {
		t.Errorf("%q", got)
	}
	if got := string(EnUS.appendSpan(nil, 4800)); got != "0.0000048" {
		t.Errorf("%q", got)
	}
}

func TestDuoList(t *testing.T) {
	if n := strings.Count(DuoList(), "/26"); n != 11 {
		t.Errorf("%d ranges", n)
	}
}

// Whatever is asked for, something comes.
func TestOddParams(t *testing.T) {
	for _, p := range []Params{
		{},
		{Duration: time.Second, Outside: 3},
		{Duration: 5 * time.Second, Outside: 200, Ports: 3, Rows: 10, TCPRows: 2000},
		{Duration: time.Hour, Outside: 60, UDPShare: 1, Loss: 1, HostEnd: 0.001, CaptureEnd: 0.001, Twins: 5, PortReuse: 5},
		{Duration: time.Minute, Outside: 20, Snap: 1, Machine: 7, Step: time.Hour},
	} {
		outputs(t, New(p))
	}
}
