package pcap

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
)

// flowsOf reads a capture and writes each of its flows as a line.
func flowsOf(t *testing.T, data []byte, set func(*reader)) (lines []string, notes []string) {
	t.Helper()
	src, err := format.NewSource("t", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	rd, err := PCAP.Open(src, format.Options{RolesOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if set != nil {
		set(rd.(*reader))
	}
	for b := new(event.Batch); ; {
		b.Reset()
		err := rd.Read(b)
		for i := range b.Len {
			if string(b.Str(event.Role, i)) == event.RoleFlow {
				lines = append(lines, fmt.Sprintf("%d>%d %s %s %d/%d", b.Int(event.SourcePort, i), b.Int(event.DestinationPort, i),
					b.Str(event.FlowInitiator, i), b.Str(event.FlowState, i), b.Int(event.SourcePackets, i), b.Int(event.DestinationPackets, i)))
			}
		}
		notes = append(notes, b.Notes...)
		if err == io.EOF {
			return lines, notes
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestConnections writes segments as text, one a word: the sender c or s, flags, a sequence number after a colon, and after
// @ the seconds that have passed since the segment before.
func TestConnections(t *testing.T) {
	const c, s = "10.0.0.5:40000", "10.0.0.6:80"
	f := func(segments, want string) {
		t.Helper()
		var ws []written
		var at time.Duration
		for _, word := range strings.Fields(segments) {
			word, wait, _ := strings.Cut(word, "@")
			word, number, _ := strings.Cut(word, ":")
			var seconds, seq int
			_, _ = fmt.Sscan(wait, &seconds)
			_, _ = fmt.Sscan(number, &seq)
			at += time.Duration(seconds)*time.Second + time.Millisecond
			var flags byte
			payload := ""
			for _, x := range word[1:] {
				switch x {
				case 'S':
					flags |= tcpSYN
				case 'A':
					flags |= tcpACK
				case 'F':
					flags |= tcpFIN
				case 'R':
					flags |= tcpRST
				case 'd':
					flags |= tcpACK
					payload = "data"
				}
			}
			from, to := c, s
			if word[0] == 's' {
				from, to = s, c
			}
			ws = append(ws, written{at: at, data: tcp(from, to, flags, seq, 0, payload)})
		}
		got, _ := flowsOf(t, writePCAP(little, magicMicro, linkRaw, ws...), nil)
		if g := strings.Join(got, ", "); g != want {
			t.Errorf("%s:\n got %s\nwant %s", segments, g, want)
		}
	}
	// how connections go
	f("cS:1", "40000>80 syn S0 1/0")
	f("cS:1 sSA:9", "40000>80 syn S1 1/1")
	f("cS:1 sSA:9 cA:2 cd:2 sd:10", "40000>80 syn S1 3/2")
	f("cS:1 sSA:9 cA:2 cFA:2 sFA:10 cA:3", "40000>80 syn SF 4/2")
	f("cS:1 sSA:9 cA:2 cFA:2 sFA:10 cA:3 sR:11", "40000>80 syn SF 4/3")
	f("cS:1 sRA:0", "40000>80 syn REJ 1/1")
	f("cS:1 sSA:9 cA:2 cFA:2", "40000>80 syn S2 3/1")
	f("cS:1 sSA:9 cA:2 sFA:10", "40000>80 syn S3 2/2")
	f("cS:1 sSA:9 cA:2 cR:2", "40000>80 syn RSTO 3/1")
	f("cS:1 sSA:9 cA:2 sR:10", "40000>80 syn RSTR 2/2")
	f("cS:1 cR:2", "40000>80 syn RSTOS0 2/0")
	f("sSA:9 sR:10", "40000>80 syn RSTRH 0/2")
	f("cS:1 cFA:2", "40000>80 syn SH 2/0")
	f("sSA:9 sFA:10", "40000>80 syn SHR 0/2")
	f("cd:5 sd:6", "40000>80 port OTH 1/1")
	f("sd:6 cd:5", "40000>80 port OTH 1/1")

	// when a SYN begins another connection
	f("cS:1 cS:1 cS:1 sSA:9", "40000>80 syn S1 3/1")
	f("cS:1 sRA:0 cS:1 sRA:0", "40000>80 syn REJ 1/1, 40000>80 syn REJ 1/1")
	f("cS:1 sSA:9 cA:2 sR:10 cA:2@4 cA:2@6 sR:10", "40000>80 syn RSTR 3/2, 40000>80 port RSTR 1/1")
	f("cS:1 sSA:9 cFA:2 sFA:10 sFA:10@6", "40000>80 syn SF 2/2, 40000>80 port SHR 0/1")
	f("cS:1 sSA:9 cFA:2 sA:10@6", "40000>80 syn S2 2/2")
	f("cS:1 sSA:9 cA:2 cFA:2 sFA:10 cS:500 sSA:900", "40000>80 syn SF 3/2, 40000>80 syn S1 1/1")
	f("cS:1 cS:77", "40000>80 syn S0 1/0, 40000>80 syn S0 1/0")
	f("cd:5 sd:6 cS:500", "40000>80 port OTH 1/1, 40000>80 syn S0 1/0")
	f("sd:6 cS:500", "40000>80 port OTH 0/1, 40000>80 syn S0 1/0")
	f("sSA:9 cS:1 cA:2", "40000>80 syn S1 2/1")
	f("cS:1 sS:9 cSA:1 sSA:9", "40000>80 syn S1 2/2")
	f("cd:5 sR:6 sSA:900 cA:20", "40000>80 port RSTR 1/1, 40000>80 syn S1 1/1")
	f("cS:1 cR:2 sSA:9", "40000>80 syn RSTO 2/1")

	// silence
	f("cS:1 sSA:9 cA:2 cd:2@299", "40000>80 syn S1 3/1")
	f("cS:1 sSA:9 cA:2 sd:10@301 cd:2", "40000>80 syn S1 2/1, 40000>80 syn OTH 1/1")
	f("cS:1 cS:1@301", "40000>80 syn S0 1/0, 40000>80 syn S0 1/0")
}

func TestOpeners(t *testing.T) {
	f := func(first, second, want string) {
		t.Helper()
		got, _ := flowsOf(t, writePCAP(little, magicMicro, linkRaw, timed(0, plain, udp(first, second, []byte("x")))...), nil)
		if len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s to %s: %s, want %s", first, second, got, want)
		}
	}
	f("10.0.0.5:50000", "10.0.0.6:53", "50000>53 port")
	f("10.0.0.6:53", "10.0.0.5:50000", "50000>53 port")
	f("10.0.0.5:50000", "10.0.0.6:9999", "50000>9999 first")
	f("10.0.0.5:9999", "10.0.0.6:50000", "9999>50000 first") // UDP servers answer, they seldom begin
	f("10.0.0.1:67", "10.0.0.5:68", "68>67 port")
	f("10.0.0.1:67", "255.255.255.255:68", "67>68 first")
	f("10.0.0.1:5353", "224.0.0.251:5353", "5353>5353 first")
	f("10.0.0.1:1900", "239.255.255.250:50000", "1900>50000 first")
}

func TestIdle(t *testing.T) {
	p := udp("10.0.0.5:5000", "10.0.0.6:6000", []byte("x"))
	got, _ := flowsOf(t, writePCAP(little, magicMicro, linkRaw, written{0, p, 0}, written{60 * time.Second, p, 0}, written{121 * time.Second, p, 0}), nil)
	if len(got) != 2 || !strings.HasSuffix(got[0], "2/0") {
		t.Error(got)
	}
}

// TestSweep gives more flows than may be alive, of which some are idle.
func TestSweep(t *testing.T) {
	var ws []written
	for i := range 5000 {
		ws = append(ws, written{time.Duration(i) * 100 * time.Millisecond, udp(fmt.Sprintf("10.0.0.5:%d", 1000+i), "10.0.0.6:50000", []byte("x")), 0})
	}
	data := writePCAP(little, magicMicro, linkRaw, ws...)
	all, notes := flowsOf(t, data, nil)
	if len(all) != 5000 || len(notes) != 0 {
		t.Errorf("%d flows, notes %s", len(all), notes)
	}
	few, notes := flowsOf(t, data, func(r *reader) { r.table.limit = 100 })
	slices.Sort(all)
	slices.Sort(few)
	if !slices.Equal(all, few) || len(notes) != 1 {
		t.Errorf("%d flows, notes %s", len(few), notes)
	}
	var r *reader
	flowsOf(t, data, func(x *reader) { r = x })
	if r.table.used > 3000 {
		t.Errorf("%d flows were held, though each is idle after 600 others", r.table.used)
	}
	if len(r.table.slots) != 0 || len(r.ready) != 0 || len(r.sniff.prefixes) != 0 {
		t.Error("something is held after the end")
	}
}

func TestLengths(t *testing.T) {
	var ws []written
	for i := range 40 {
		from, to := "10.0.0.5:5000", "10.0.0.6:6000"
		if i%2 == 1 {
			from, to = to, from
		}
		ws = append(ws, written{time.Duration(i), udp(from, to, make([]byte, i)), 0})
	}
	src, _ := format.NewSource("t", bytes.NewReader(writePCAP(little, magicNano, linkRaw, ws...)), -1)
	rd, err := PCAP.Open(src, format.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := new(event.Batch)
	if err := rd.Read(b); err != io.EOF || b.Len != 1 || b.Packets != 40 {
		t.Fatal(err, b.Len, b.Packets)
	}
	got := slices.Collect(b.Ints(event.FlowLengths, 0))
	var want []int64
	for i := int64(1); i <= 32; i++ { // the packet of 0 bytes doesn't count, so one side is one ahead
		want = append(want, i*(1-i%2*2))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d\nwant %d", got, want)
	}
	if b.First != begin || b.Last != begin+39 {
		t.Error(b.First-begin, b.Last-begin)
	}
}

// TestCommunityID has the values of the specification's examples.
func TestCommunityID(t *testing.T) {
	f := func(proto uint8, from, to, want string) {
		t.Helper()
		a, b := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
		for range 2 {
			p := packet{src: a.Addr().As16(), dst: b.Addr().As16(), sport: a.Port(), dport: b.Port(), proto: proto, v6: a.Addr().Is6()}
			k, _ := p.key()
			if got := string(appendCommunityID(nil, &k)); got != want {
				t.Errorf("%d %s %s: %s, want %s", proto, from, to, got, want)
			}
			a, b = b, a
		}
	}
	f(protoTCP, "128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg=")
	f(protoUDP, "192.168.1.52:54585", "8.8.8.8:53", "1:d/FP5EW3wiY1vCndhwleRRKHowQ=")
	f(protoSCTP, "192.168.170.8:7", "192.168.170.56:80", "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ=")
	f(protoICMP, "192.168.0.89:8", "192.168.0.1:0", "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=")
	f(protoICMPv6, "[fe80::200:86ff:fe05:80da]:135", "[fe80::260:97ff:fe07:69ea]:136", "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=")
}

func TestTimes(t *testing.T) {
	f := func(resol uint8, offset int64, units uint64, want int64, ok bool) {
		t.Helper()
		i := ngInterface{resol: resol, offset: offset}
		if got, gotOK := i.when(units); got != want && ok || gotOK != ok {
			t.Errorf("resolution %#x, offset %d, %d: %d %v, want %d %v", resol, offset, units, got, gotOK, want, ok)
		}
	}
	f(6, 0, 1_700_000_000_123_456, 1_700_000_000_123_456_000, true)
	f(9, 0, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789, true)
	f(0, 0, 1_700_000_000, 1_700_000_000_000_000_000, true)
	f(12, 5, 1_500_000_000_000_000, 1505e9, true)
	f(19, 0, 15_000_000_000_000_000_000, 1_500_000_000, true)
	f(20, 0, 15_000_000_000_000_000_000, 150_000_000, true)
	f(40, 0, math.MaxUint64, 0, true)
	f(0x80, 0, 77, 77e9, true)
	f(0x80|1, 0, 3, 1_500_000_000, true)
	f(0x80|32, 0, 5<<32|1<<31, 5_500_000_000, true)
	f(0x80|63, 0, 1<<63|1<<62, 1_500_000_000, true)
	f(0x80|64, 0, 1<<63, 500_000_000, true)
	f(0x80|127, 0, math.MaxUint64, 0, true)
	f(0, 0, math.MaxUint64, 0, false)
	f(0, math.MaxInt64, 5, 0, false)
	f(0, math.MinInt64, 5, 0, false)
	f(6, -1_700_000_000, 1_700_000_001_000_000, 1e9, true)
}

func TestCommas(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 18411: "18,411", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := commas(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
