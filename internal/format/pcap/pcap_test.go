package pcap

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"culprit/internal/format/formattest"
)

func TestPCAP(t *testing.T)   { formattest.Run(t, PCAP) }
func TestPCAPNG(t *testing.T) { formattest.Run(t, PCAPNG) }

func FuzzPCAP(f *testing.F)   { formattest.Fuzz(f, PCAP) }
func FuzzPCAPNG(f *testing.F) { formattest.Fuzz(f, PCAPNG) }

// TestWritten checks that the captures in testdata are what the writers here write; with CULPRIT_WRITE set it writes them.
func TestWritten(t *testing.T) {
	for name, data := range samples() {
		name = filepath.Join("testdata", name)
		if os.Getenv("CULPRIT_WRITE") != "" {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, data, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, data) {
			t.Errorf("%s is not what is written: CULPRIT_WRITE=1 go test -run TestWritten writes it, then -update the goldens", name)
		}
	}
}

const (
	client  = "10.0.0.5:49152"
	server  = "93.184.216.34:443"
	resolve = "10.0.0.1:53"
	client6 = "[2001:db8::5]:49152"
	server6 = "[2001:db8::1:1]:80"
)

var (
	little = binary.LittleEndian
	big    = binary.BigEndian
)

// samples gives the captures of testdata by name.
func samples() map[string][]byte {
	m := map[string][]byte{
		"pcap/web.pcap":          webSample(),
		"pcap/empty.pcap":        writePCAP(little, magicMicro, linkEthernet),
		"pcap/nano-big.pcap":     writePCAP(big, magicNano, linkEthernet, timed(123456789, onEther, conversation(client, server, 1000, 2000, "hello", "world!")...)...),
		"pcap/modified.pcap":     writePCAP(little, magicModified, linkEthernet, timed(0, onEther, conversation(client, server, 1000, 2000, "hello", "world!")...)...),
		"pcap/fragments.pcap":    fragmentsSample(),
		"pcap/reuse.pcap":        reuseSample(),
		"pcap/icmp.pcap":         icmpSample(),
		"pcap/names.pcap":        namesSample(),
		"pcap/unknown-link.pcap": writePCAP(little, magicMicro, 195, timed(0, plain, tcp(client, server, tcpSYN, 1, 0, ""), tcp(server, client, tcpACK, 1, 0, ""))...),
		"pcap/snaplen-tso.pcap":  lengthsSample(),
		"pcapng/sections.pcapng": sectionsSample(),
		"pcapng/blocks.pcapng":   blocksSample(),
		"pcapng/owners.pcapng":   ownersSample(),
		"pcap/tunnels.pcap":      tunnelsSample(),
		"pcap/quic.pcap":         quicSampleFile(),
		"pcap/link-pktap.pcap":   pktapSample(),
	}
	for name, link := range map[string]uint32{
		"null": linkNull, "loop": linkLoop, "raw": linkRaw, "raw12": linkRaw12, "ipv4": linkIPv4, "cooked": linkCooked, "cooked2": linkCooked2, "vlan": linkEthernet,
		"ppp": linkPPP, "ppp-short": linkPPPHDLC, "pppoe": linkPPPoE, "nflog": linkNFLOG, "80211": link80211, "radiotap": linkRadiotap, "avs": linkAVS,
		"prism": linkPrism, "ppi": linkPPI, "fabricpath": linkEthernet, "pbb": linkEthernet, "vntag": linkEthernet,
	} {
		m["pcap/link-"+name+".pcap"] = writePCAP(little, magicMicro, link, timed(0, linker(name), conversation(client, server, 1000, 2000, "hello")...)...)
	}
	whole := m["pcap/web.pcap"]
	m["pcap/cut-in-packet.pcap"] = whole[:len(whole)-20]
	m["pcap/cut-in-header.pcap"] = append(slices.Clone(m["pcap/reuse.pcap"]), 1, 2, 3)
	damaged := slices.Clone(whole)
	copy(damaged[24+16+len(ether(udp(client, resolve, dnsQuery(7, "www.Example.com", dnsA)))):], "garbage garbage garbage")
	m["pcap/damaged.pcap"] = damaged
	ng := m["pcapng/sections.pcapng"]
	m["pcapng/cut-in-packet.pcapng"] = ng[:len(ng)-30]
	return m
}

// linker gives the link header of a name.
func linker(name string) func([]byte) []byte {
	before := map[string][]byte{
		"null": {2, 0, 0, 0}, "loop": {0, 0, 0, 2},
		"cooked":  cat(be16(0), be16(1), be16(6), clientMAC, be16(0), be16(etherIPv4)),
		"cooked2": cat(be16(etherIPv4), be16(0), be32(3), be16(1), []byte{4, 6}, clientMAC, be16(0)),
		"ppp":     {0xff, 3, 0, 0x21}, "ppp-short": {0x21}, "pppoe": {0x11, 0, 0, 1, 0, 0, 0, 0x21},
		"80211": wlan(0x88, 1), "radiotap": cat([]byte{0, 0, 10, 0, 0, 0, 0, 0, 0, 0}, wlan(0x08, 2)), "ppi": cat([]byte{0, 0, 8, 0, 105, 0, 0, 0}, wlan(0x88, 3)),
		"avs": cat(be32(0x80211001), be32(16), make([]byte, 8), wlan(0x08, 0)), "prism": cat(make([]byte, 144), wlan(0x08, 0)),
		"fabricpath": cat(clientMAC, serverMAC, be16(etherFP), be16(0x0110), ether(nil)), "pbb": cat(clientMAC, serverMAC, be16(etherPBB), be32(77), ether(nil)),
		"vntag": cat(clientMAC, serverMAC, be16(etherVN), be32(0), be16(etherIPv4)),
	}
	return func(ip []byte) []byte {
		if name == "vlan" {
			return ether(ip, 100, 7)
		}
		if name == "nflog" {
			return cat([]byte{2, 0, 0, 0, 8, 0, 1, 0, 0x86, 0xdd, 3, 0, 6, 0, 10, 0, 'a', 0, 0, 0}, little.AppendUint16(nil, uint16(len(ip)+4)), []byte{9, 0}, ip)
		}
		return cat(before[name], ip)
	}
}

// webSample is what a browser does: it asks, is told, connects, and says whom to; another client speaks plain HTTP.
func webSample() []byte {
	cname := dnsRR(question, dnsCNAME, dnsLabels("edge.example.net"))
	var ws []written
	ws = append(ws, timed(0, onEther,
		udp(client, resolve, dnsQuery(7, "www.Example.com", dnsA)),
		udp(resolve, client, dnsAnswer(7, "www.Example.com", dnsA, cname, dnsRR(dnsLabels("edge.example.net"), dnsA, []byte{93, 184, 216, 34}))))...)
	ws = append(ws, timed(20*time.Millisecond, onEther, conversation(client, server, 1000, 2000, clientHello("www.example.com", 20), "\x16\x03\x03\x00\x04\x02\x00\x00\x00")...)...)
	ws = append(ws, timed(time.Second, onEther, conversation(client6, server6, 5000, 6000,
		"GET /a?b=c HTTP/1.1\r\nHost: Plain.Example.org:80\r\nUser-Agent: curl/8.1\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
		"POST /second HTTP/1.1\r\nhost: [2001:db8::1:1]\r\n\r\n")...)...)
	return writePCAP(little, magicMicro, linkEthernet, ws...)
}

func fragmentsSample() []byte {
	a, b := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.6")
	head := cat(be16(5000), be16(6000), be16(8+3000), []byte{0, 0}, make([]byte, 1472))
	v6 := func(offset, more int, l4 []byte) []byte {
		return ip(44, client6, server6, cat([]byte{protoUDP, 0}, be16(offset|more), be32(77), l4))
	}
	return writePCAP(little, magicMicro, linkRaw, timed(0, plain,
		ip4(protoUDP, a, b, 9, 0x2000, head),
		ip4(protoUDP, a, b, 9, 0x2000|185, make([]byte, 1480)),
		ip4(protoUDP, a, b, 9, 370, make([]byte, 48)),
		ip4(protoUDP, b, a, 10, 185, make([]byte, 100)), // the first was not captured
		v6(0, 1, cat(be16(5000), be16(6000), be16(8+40), []byte{0, 0}, make([]byte, 24))),
		v6(32, 0, make([]byte, 16)),
	)...)
}

// reuseSample has one 5-tuple used twice, and a SYN sent three times.
func reuseSample() []byte {
	var ws []written
	ws = append(ws, timed(0, onEther, conversation(client, server, 1000, 2000, "one", "two")...)...)
	ws = append(ws, timed(time.Second, onEther, conversation(client, server, 7000, 9000, "three")...)...)
	syn := tcp("10.0.0.5:49153", server, tcpSYN, 55, 0, "")
	ws = append(ws, timed(2*time.Second, onEther, syn)...)
	ws = append(ws, timed(3*time.Second, onEther, syn)...)
	ws = append(ws, timed(5*time.Second, onEther, syn, tcp(server, "10.0.0.5:49153", tcpRST|tcpACK, 0, 56, ""))...)
	dns := udp(client, "10.0.0.9:9999", []byte("ping"))
	ws = append(ws, timed(6*time.Second, onEther, dns)...)
	ws = append(ws, timed(80*time.Second, onEther, dns)...)
	return writePCAP(little, magicMicro, linkEthernet, ws...)
}

func icmpSample() []byte {
	return writePCAP(little, magicMicro, linkRaw, timed(0, plain,
		icmp(protoICMP, "10.0.0.5:0", "10.0.0.6:0", 8, 0),
		icmp(protoICMP, "10.0.0.6:0", "10.0.0.5:0", 0, 0),
		icmp(protoICMP, "10.0.0.1:0", "10.0.0.5:0", 3, 1),
		icmp(protoICMP, "10.0.0.5:0", "10.0.0.1:0", 3, 3),
		icmp(protoICMPv6, "[fe80::1]:0", "[fe80::2]:0", 136, 0),
		icmp(protoICMPv6, "[fe80::2]:0", "[fe80::1]:0", 135, 0),
		ip(47, "10.0.0.5:0", "10.0.0.6:0", []byte{0, 0, 8, 0}),
		ip(protoSCTP, "10.0.0.5:3000", "10.0.0.6:36412", cat(be16(3000), be16(36412), make([]byte, 12), []byte("data"))),
	)...)
}

// namesSample has what is not plain about names.
func namesSample() []byte {
	hello := clientHello("split.example.com", 1500)
	c2, s2 := "10.0.0.5:50001", "10.0.0.80:8080"
	ptr := dnsRR(question, dnsPTR, dnsLabels("host.example.com"))
	mdns := cat(dnsHeader(0, 0x8400, 0, 1, 0, 1), dnsRR(dnsLabels("_ssh._tcp.local"), dnsPTR, dnsLabels("Box._ssh._tcp.local")), dnsRR(dnsLabels("Box.local"), 0x8000|dnsA, nil)[:0], dnsRR(dnsLabels("Box.local"), dnsA, []byte{10, 0, 0, 77}))
	loop := cat(dnsHeader(9, 0x8180, 1, 1, 0, 0), []byte{0xc0, 12}, be16(1), be16(1))
	https := dnsRR(question, dnsHTTPS, cat(be16(1), []byte{0}, be16(1), be16(3), []byte{2, 'h', '2'}, be16(4), be16(4), []byte{192, 0, 2, 9}))
	tcpAnswer := dnsAnswer(12, "tcp.example.com", dnsA, dnsRR(question, dnsA, []byte{192, 0, 2, 1}), dnsRR(question, dnsMX, cat(be16(10), question)))
	ps := [][]byte{
		udp(resolve, client, dnsAnswer(3, "34.216.184.93.in-addr.arpa", dnsPTR, ptr)),
		udp("10.0.0.77:5353", "224.0.0.251:5353", mdns),
		udp("10.0.0.78:5355", "10.0.0.5:50000", dnsAnswer(4, "wpad", dnsA, dnsRR(question, dnsA, []byte{10, 0, 0, 78}))),
		udp(resolve, client, loop),
		udp(resolve, client, cat(dnsHeader(5, 0x8183, 1, 0, 0, 0), dnsLabels("nowhere.example.com"), be16(1), be16(1))),
		udp(resolve, client, dnsAnswer(6, "ech.example.com", dnsHTTPS, https)),
		tcp("10.0.0.5:50002", resolve, tcpACK, 10, 20, string(cat(be16(len(tcpAnswer)), tcpAnswer))),
		// a ClientHello in three segments, the last two exchanged
		tcp(client, server, tcpSYN, 100, 0, ""),
		tcp(client, server, tcpACK, 101, 1, hello[:700]),
		tcp(client, server, tcpACK, 1501, 1, hello[1400:]),
		tcp(client, server, tcpACK, 801, 1, hello[700:1400]),
		// a request in two segments, and one that never ends
		tcp(c2, s2, tcpACK, 1, 1, "GET /x HTTP/1.1\r\nHo"),
		tcp(c2, s2, tcpACK, 20, 1, "st: two.example.com\r\n\r\n"),
		tcp("10.0.0.5:50003", s2, tcpACK, 1, 1, "GET /never HTTP/1.1\r\nHost: cut.example.com\r\nUser-Agent: x"),
		tcp("10.0.0.5:50004", "10.0.0.3:3128", tcpACK, 1, 1, "CONNECT secret.example.com:443 HTTP/1.1\r\nHost: secret.example.com:443\r\n\r\n"),
		tcp("10.0.0.5:50005", "10.0.0.2:25", tcpACK, 1, 1, "MAIL FROM:<a@example.com>\r\n"),
		tcp("10.0.0.2:22", "10.0.0.5:50006", tcpACK, 1, 1, "SSH-2.0-OpenSSH_9.9\r\n"),
		udp("10.0.0.5:50007", "192.0.2.9:443", cat([]byte{0xc3, 0, 0, 0, 1, 8}, make([]byte, 1194))),
	}
	return writePCAP(little, magicMicro, linkEthernet, timed(0, onEther, ps...)...)
}

// lengthsSample has packets cut by a snaplen, one the network card had yet to divide, padding, and what is too short.
func lengthsSample() []byte {
	big := tcp(client, server, tcpACK, 1, 1, string(make([]byte, 1400)))
	tso := tcp(client, server, tcpACK, 1401, 1, string(make([]byte, 5000)))
	tso[2], tso[3] = 0, 0
	small := append(ether(tcp(server, client, tcpACK, 1, 1, "")), make([]byte, 6)...)
	return writePCAP(little, magicMicro, linkEthernet,
		written{0, ether(big)[:68], len(big) + 14},
		written{time.Millisecond, ether(tso)[:96], len(tso) + 14},
		written{2 * time.Millisecond, small, 0},
		written{3 * time.Millisecond, ether(big)[:30], len(big) + 14},
		written{4 * time.Millisecond, ether(big)[:36], len(big) + 14},
		written{5 * time.Millisecond, ether(big)[:10], len(big) + 14},
		written{6 * time.Millisecond, cat(serverMAC, clientMAC, be16(0x0806), make([]byte, 28)), 0},
		written{7 * time.Millisecond, ether([]byte{0x45, 0, 0, 0})[:18], 0},
	)
}

// sectionsSample has two sections of different byte orders, interfaces of different resolutions.
func sectionsSample() []byte {
	ps := conversation(client, server, 1000, 2000, clientHello("ng.example.com", 0), "ok")
	micro := uint64(begin / 1000)
	d := cat(section(little), iface(little, linkEthernet), iface(little, linkRaw, option(little, 2, []byte("eth1")...), option(little, 9, 9)))
	for i, p := range ps[:4] {
		if i%2 == 0 {
			d = append(d, enhanced(little, 0, micro+uint64(i)*1000, ether(p))...)
		} else {
			d = append(d, enhanced(little, 1, uint64(begin)+uint64(i)*1e6, p)...)
		}
	}
	// 2^-20 s, and a base of begin's second
	d = cat(d, section(big), iface(big, linkRaw, option(big, 9, 0x80|20), option(big, 14, big.AppendUint64(nil, uint64(begin/1e9))...)))
	for i, p := range ps[4:] {
		d = append(d, enhanced(big, 0, uint64(i+4)<<20/1000+1, p, option(big, 2, 0, 0, 0, 1))...)
	}
	return d
}

// blocksSample has every other kind of block, and blocks with something wrong.
func blocksSample() []byte {
	o := little
	names := cat(
		be16(0x0100), be16(0x1900), []byte{93, 184, 216, 34}, []byte("www.Example.com\x00alias\x00")[:21], []byte{0, 0, 0},
		be16(0x0200), be16(0x1500), netip.MustParseAddr("2001:db8::1").AsSlice(), []byte("six\x00\x00")[:5], []byte{0, 0, 0},
		be16(0), be16(0))
	p := udp(client, server, []byte("simple"))
	old := cat([]byte{0, 0, 3, 0}, o.AppendUint32(nil, uint32(begin/1000>>32)), o.AppendUint32(nil, uint32(begin/1000)), o.AppendUint32(nil, uint32(len(p))), o.AppendUint32(nil, uint32(len(p))), p)
	stats := cat(make([]byte, 12), option(o, 5, 42, 0, 0, 0, 0, 0, 0, 0), make([]byte, 4))
	wrong := enhanced(o, 0, uint64(begin/1000), p)
	wrong[len(wrong)-4]++
	long := enhanced(o, 0, uint64(begin/1000), p)
	long[20] = 255
	return cat(section(o), iface(o, linkRaw, option(o, 2, []byte("eth0")...)), block(o, blockNames, names),
		block(o, blockSimple, cat(o.AppendUint32(nil, uint32(len(p))), p)), block(o, blockPacket, old),
		block(o, 0xbad, []byte("custom")), wrong, long, enhanced(o, 9, 0, p), block(o, blockEnhanced, []byte("short")),
		block(o, blockSimple, cat(o.AppendUint32(nil, uint32(len(p))), p)), block(o, blockStats, stats))
}
