package pcap

import (
	"encoding/binary"
	"io"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
)

// A flood is a capture that asks for as much memory as it can, made while it is read: every packet is of another flow and
// begins something that never ends.
type flood struct {
	n, packets int
	buf        []byte
	quic       []byte
}

func (f *flood) Read(d []byte) (int, error) {
	for len(f.buf) < len(d) && f.n < f.packets {
		if f.n == 0 {
			f.buf = writePCAP(little, magicMicro, linkRaw)
		}
		ip := f.packet(f.n)
		at := begin + int64(f.n)*int64(20*time.Microsecond)
		for _, v := range []uint32{uint32(at / 1e9), uint32(at % 1e9 / 1000), uint32(len(ip)), uint32(len(ip))} {
			f.buf = little.AppendUint32(f.buf, v)
		}
		f.buf = append(f.buf, ip...)
		f.n++
	}
	if len(f.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(d, f.buf)
	f.buf = f.buf[n:]
	return n, nil
}

func (f *flood) packet(i int) []byte {
	addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	from := netip.AddrPortFrom(addr, 40000).String()
	switch i % 8 {
	case 0: // a hello of which the second byte is never sent, and one far ahead
		return tcp(from, server, tcpACK, 1, 1, "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc"+strings.Repeat("x", 800))
	case 1:
		return tcp(from, "10.255.0.1:80", tcpACK, 1, 1, "GET /"+strings.Repeat("y", 800))
	case 2:
		return tcp(from, "10.255.0.1:53", tcpACK, 1, 1, "\xff\xff\x00\x01\x01\x00\x00\x01"+strings.Repeat("\x00", 800))
	case 3: // first fragments, overlapping
		return ip4(protoUDP, addr, netip.MustParseAddr("10.255.0.1"), i, 0x2000, cat(be16(1), be16(2), be16(60000), be16(0), make([]byte, 400)))
	case 4: // later fragments without a first
		return ip4(protoUDP, addr, netip.MustParseAddr("10.255.0.1"), i, 0x2000|(i%100+1), make([]byte, 200))
	case 5: // tunnels in tunnels
		in := udp(from, server, []byte("abc"))
		for range 12 {
			in = ip(protoIPIP, "192.0.2.1:0", "192.0.2.2:0", in)
		}
		return in
	case 6: // a tunnel in UDP for each packet
		return udp(from, "10.255.0.1:2152", cat([]byte{0x30, 255, 0, 0, 0, 0, 0, 1}, udp(from, "10.255.0.2:2152", cat([]byte{0x30, 255, 0, 0, 0, 0, 0, 1}, udp(from, server, nil)))))
	}
	return udp(from, "93.184.216.34:443", f.quic) // a QUIC hello of which the rest is missing
}

// TestHostile reads a flood and looks at what is held on the way: it stays within a limit, and what was left out is said.
func TestHostile(t *testing.T) {
	const packets, flows, limit = 120_000, 30_000, 160 << 20
	h := []byte(clientHello("never.example.com", 3000))[5:]
	src, err := format.NewSource("flood", &flood{packets: packets, quic: sealQUIC(quic1, "flood-id", 0, crypto(0, h[:600]))}, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	got, err := PCAP.Open(src, format.Options{RolesOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	r := got.(*reader)
	r.table = newTable(flows)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	most, seen, notes := uint64(0), 0, ""
	for b := new(event.Batch); err == nil; {
		b.Reset()
		err = r.Read(b)
		seen += b.Packets
		notes += strings.Join(b.Notes, "\n")
		if len(r.table.slots) > flows || len(r.sniff.prefixes) > maxPrefixes+maxStreams || len(r.sniff.quic) > maxPrefixes || len(r.frags.ports) > maxFragments {
			t.Fatal("more is held than may be")
		}
		runtime.GC()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
	}
	if err != io.EOF || seen != packets {
		t.Errorf("%d packets, want %d: %v", seen, packets, err)
	}
	if most > limit {
		t.Errorf("%d MB were held, more than %d", most>>20, limit>>20)
	}
	for _, want := range []string{"flows at once", "begins of streams", "fragmented packets at once", "packets in tunnels"} {
		if !strings.Contains(notes, want) {
			t.Errorf("nothing is said of %q: %s", want, notes)
		}
	}
	if len(r.sniff.prefixes)+len(r.sniff.quic)+r.sniff.streams != 0 {
		t.Error("something is kept at the end")
	}
	t.Logf("%d MB at most; %s", most>>20, notes)
}

// TestManyPackets completes as many events in one packet as can be: none may be one too many for a batch.
func TestManyPackets(t *testing.T) {
	var rrs [][]byte
	for i := range 40 {
		rrs = append(rrs, dnsRR(dnsLabels(string(rune('a'+i%26))+"x.example.com"), dnsA, []byte{1, 2, 3, byte(i)}))
	}
	answer := dnsAnswer(1, "www.example.com", dnsA, rrs...)
	message := binary.BigEndian.AppendUint16(nil, uint16(len(answer)))
	message = append(message, answer...)
	all := strings.Repeat(string(message), 12)
	var ps [][]byte
	for i := range 60 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}), 53).String()
		ps = append(ps, pieces(from, client, all, 100)...)
	}
	if n := len(namesIn(t, ps...)); n < 60 {
		t.Error(n)
	}
}
