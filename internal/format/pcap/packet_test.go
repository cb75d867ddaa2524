package pcap

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// TestDecode takes packets apart and, cut at every byte, must never read beyond what is there.
func TestDecode(t *testing.T) {
	f := func(what string, link uint16, d []byte, want string) {
		t.Helper()
		var p packet
		got := p.decode(&frame{data: d, orig: len(d), link: link})
		if got == decoded {
			got = fmt.Sprintf("%d %d>%d %d of %d", p.proto, p.sport, p.dport, p.payLen, p.ipLen)
			if p.vlan != 0 {
				got += fmt.Sprintf(" vlan %d", p.vlan)
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
		for n := range d {
			p.decode(&frame{data: d[:n:n], orig: len(d), link: link})
		}
	}
	const a, b = "10.0.0.5:1000", "10.0.0.6:2000"
	const a6, b6 = "[2001:db8::5]:1000", "[2001:db8::6]:2000"
	four, six := udp(a, b, []byte("data")), udp(a6, b6, []byte("data"))
	seg := cat(ends2(a6, b6), be16(12), []byte{0, 0}, []byte("data"))
	macs := make([]byte, 12)
	f("Ethernet", linkEthernet, ether(four), "17 1000>2000 4 of 32")
	f("Ethernet with padding", linkEthernet, append(ether(four), make([]byte, 18)...), "17 1000>2000 4 of 32")
	f("IPv6", linkEthernet, ether(six), "17 1000>2000 4 of 52")
	f("VLAN", linkEthernet, ether(four, 0x2000|77), "17 1000>2000 4 of 32 vlan 77")
	f("priority tag", linkEthernet, ether(four, 0xe000), "17 1000>2000 4 of 32")
	f("QinQ", linkEthernet, cat(macs, be16(etherQinQ), be16(5), be16(etherVLAN), be16(6), be16(etherIPv4), four), "17 1000>2000 4 of 32 vlan 5")
	f("too many tags", linkEthernet, ether(four, 1, 2, 3, 4, 5), notIP)
	f("SNAP", linkEthernet, cat(macs, be16(len(four)+8), []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, four), "17 1000>2000 4 of 32")
	f("spanning tree", linkEthernet, cat(macs, be16(38), []byte{0x42, 0x42, 3}, make([]byte, 35)), notIP)
	f("ARP", linkEthernet, cat(macs, be16(0x806), make([]byte, 28)), notIP)
	f("MPLS", linkEthernet, cat(macs, be16(etherMPLS), []byte{0, 1, 0, 64, 0, 2, 1, 64}, four), "17 1000>2000 4 of 32")
	f("MPLS with Ethernet in it", linkEthernet, cat(macs, be16(etherMPLS), []byte{0, 1, 1, 64, 0, 0, 0, 0}, ether(four)), notIP)
	f("PPPoE", linkEthernet, cat(macs, be16(etherPPP), []byte{0x11, 0, 0, 1}, be16(len(six)+2), be16(0x57), six), "17 1000>2000 4 of 52")
	f("PPPoE, no IP", linkEthernet, cat(macs, be16(etherPPP), []byte{0x11, 0, 0, 1}, be16(4), be16(0xc021), four), notIP)
	f("macOS loopback, IPv6", linkNull, cat([]byte{30, 0, 0, 0}, six), "17 1000>2000 4 of 52")
	f("loopback of a big-endian machine", linkNull, cat([]byte{0, 0, 0, 2}, four), "17 1000>2000 4 of 32")
	f("loopback, no IP", linkNull, cat([]byte{7, 0, 0, 0}, four), notIP)
	f("raw, IP version 5", linkRaw, append([]byte{0x50}, four[1:]...), noIPHeader)
	f("IPv4 header of 16 bytes", linkRaw, append([]byte{0x44}, four[1:]...), noIPHeader)
	f("total below the header", linkRaw, cat(four[:2], be16(19), four[4:]), noIPHeader)

	ext := func(first byte, headers ...[]byte) []byte {
		return ip(first, a6, b6, cat(cat(headers...), seg))
	}
	f("hop by hop, destination", linkRaw, ext(0, []byte{60, 0, 0, 0, 0, 0, 0, 0}, append([]byte{protoUDP, 1}, make([]byte, 14)...)), "17 1000>2000 4 of 76")
	f("authentication", linkRaw, ext(51, append([]byte{protoUDP, 1}, make([]byte, 10)...)), "17 1000>2000 4 of 64")
	f("a fragment by name", linkRaw, ext(44, []byte{protoUDP, 0, 0, 0, 0, 0, 0, 9}), "17 1000>2000 4 of 60")
	f("encrypted", linkRaw, ext(50), "50 0>0 12 of 52")
	f("an extension longer than the packet", linkRaw, ext(0, []byte{protoUDP, 200, 0, 0, 0, 0, 0, 0}), cutInIP)
	f("extensions without end", linkRaw, ip(0, a6, b6, make([]byte, 200)), noIPHeader)
	jumbo := append([]byte(nil), six...)
	jumbo[4], jumbo[5] = 0, 0
	f("not divided yet", linkRaw, jumbo, "17 1000>2000 4 of 52")
	short := tcp(a, b, tcpACK, 1, 1, "data")
	short[32] = 0x40
	f("TCP header of 16 bytes", linkRaw, short, "6 1000>2000 0 of 44")
	f("unknown link", 147, four, unknownLink)
}

func TestFragmentsForgotten(t *testing.T) {
	fs := newFragments()
	first := func(id uint32, at int64) {
		fs.place(&packet{frag: firstFragment, fragID: id, sport: 7, dport: 8}, at)
	}
	later := func(id uint32, at int64) uint16 {
		p := packet{frag: laterFragment, fragID: id}
		fs.place(&p, at)
		return p.sport
	}
	first(1, 0)
	if later(1, fragmentLife) != 7 || later(1, fragmentLife+1) != 0 || later(2, 0) != 0 {
		t.Error("a first fragment must be known for its life, and only then")
	}
	for id := range uint32(3 * maxFragments) {
		first(id, 0)
	}
	if len(fs.ports) != maxFragments || len(fs.order) != maxFragments || later(1, 0) != 0 || later(3*maxFragments-1, 0) != 7 {
		t.Errorf("%d are remembered", len(fs.ports))
	}
}

// TestEnds has captures that end or go wrong in the middle.
func TestEnds(t *testing.T) {
	p := enhanced(little, 0, 0, udp(client, server, []byte("x")))
	head := cat(section(little), iface(little, linkRaw))
	big := block(little, 0x80000099, make([]byte, maxBlock))
	f := func(ft *format.Format, d []byte, want ...string) {
		t.Helper()
		o := formattest.Read(t, ft, "t", bytes.NewReader(d), format.Options{RolesOnly: true})
		check(t, fmt.Sprintf("%x...", d[len(d)-8:]), o.Bad, want...)
		if o.Err != nil {
			t.Error(o.Err)
		}
	}
	f(PCAPNG, cat(head, p))
	f(PCAPNG, cat(head, big, p))
	f(PCAPNG, cat(head, p, big[:1000]), "record 2, offset 116: ends inside a block of type 0x80000099 (2,097,164 bytes announced, 1,000 present)")
	f(PCAPNG, cat(head, p, p[:len(p)-4]), "record 2, offset 116: ends inside the block of packet 2 (64 bytes announced, 60 present)")
	f(PCAPNG, cat(head, p, p[:7]), "record 2, offset 116: ends inside a block's header (12 bytes needed, 7 present)")
	f(PCAPNG, cat(head, p, make([]byte, 40)), "record 2, offset 116: block of 0 bytes, impossible: a pcapng can't be read beyond that")
	f(PCAPNG, cat(head, p, section(little)[:8], []byte("nonsense, and more of it")), "record 2, offset 116: section header with magic 6e6f6e73: a pcapng can't be read beyond that")
	web := writePCAP(little, magicMicro, linkRaw, written{time.Second, udp(client, server, []byte("x")), 0})
	f(PCAP, web)
	f(PCAP, cat(web, web[24:50]), "record 2, offset 69: ends inside packet 2 (29 bytes announced, 10 present)")
	f(PCAP, cat(web, web[24:40]), "record 2, offset 69: ends inside packet 2 (29 bytes announced, 0 present)")
	f(PCAP, cat(web, web[24:30]), "record 2, offset 69: ends inside the header of packet 2 (16 bytes announced, 6 present)")
}
