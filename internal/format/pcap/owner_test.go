package pcap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

func comment(s string) []byte { return option(little, 1, []byte(s)...) }
func way(w byte) []byte       { return option(little, 2, w, 0, 0, 0) }

const curlComment = "PID: 77\nCmd: /usr/bin/curl\nArgs: curl -s https://example.com"

// ownersSample is a capture by every tool that names processes, in one file.
func ownersSample() []byte {
	const local = "192.168.0.5:40000"
	var d [][]byte
	units := uint64(begin / 1000)
	put := func(id uint32, ip []byte, options ...[]byte) {
		units += 1000
		d = append(d, enhanced(little, id, units, ip, append(options, make([]byte, 4))...))
	}
	d = append(d, section(little), iface(little, linkRaw, option(little, 2, []byte("eth0")...)), iface(little, linkRaw, option(little, 2, []byte("veth1")...)))

	// ptcpdump: a connection, a lookup that only its answer names, one on the host itself, one of a container.
	parent := comment("ParentPID: 70\nParentCmd: /usr/bin/bash\nParentArgs: -bash")
	put(0, tcp(local, server, tcpSYN, 1, 0, ""), comment(curlComment), comment("ThreadId: 77\nThreadName: curl"), parent, comment("UserId: 1000"), way(2))
	put(0, tcp(server, local, tcpSYN|tcpACK, 5, 2, ""), comment(curlComment), comment("UserId: 1000"), parent, way(1))
	put(0, udp("192.168.0.5:5555", resolve, dnsQuery(3, "example.com", dnsA)), comment("a person's remark"))
	put(0, udp(resolve, "192.168.0.5:5555", dnsAnswer(3, "example.com", dnsA)), comment("PID: 78\nCmd: /usr/bin/dig\nArgs: dig"), way(1))
	put(0, tcp("127.0.0.1:41000", "127.0.0.1:80", tcpSYN, 1, 0, ""), comment(curlComment), way(2))
	put(0, tcp("127.0.0.1:41000", "127.0.0.1:80", tcpSYN, 1, 0, ""), comment(curlComment), way(1))
	put(0, tcp("127.0.0.1:80", "127.0.0.1:41000", tcpSYN|tcpACK, 1, 2, ""), comment(curlComment), way(2))
	put(1, tcp("172.17.0.2:42000", server, tcpSYN, 1, 0, ""), comment("PID: 79\nCmd: /bin/wget\nArgs: wget"), way(1))

	// etl2pcapng: most of what goes out counts, the idle thread doesn't, nor a packet without a direction.
	for i, c := range []string{"PID=4 TID=9", "PID=88 TID=10", "PID=88 TID=11"} {
		put(0, tcp("192.168.0.5:43000", server, tcpACK, 1+i, 1, "x"), comment(c), way(2))
	}
	put(0, tcp(server, "192.168.0.5:43000", tcpACK, 1, 4, ""), comment("PID=4 TID=9"), way(1))
	put(0, tcp("192.168.0.5:43001", server, tcpACK, 1, 1, "x"), comment("PID=0 TID=0"), way(2))
	put(0, tcp("192.168.0.5:43002", server, tcpACK, 1, 1, "x"), comment("PID=88 TID=10"))

	// macOS.
	put(0, tcp("192.168.0.5:44000", server, tcpSYN, 1, 0, ""), option(little, 0x8001, 0, 0, 0, 0), way(2)) // not described yet
	d = append(d, block(little, blockProcess, cat(little.AppendUint32(nil, 501), option(little, 2, []byte("mDNSResponder")...), make([]byte, 4))))
	put(0, tcp("192.168.0.5:44001", server, tcpSYN, 1, 0, ""), option(little, 0x8001, 0, 0, 0, 0), way(2))
	put(0, tcp("192.168.0.5:44002", server, tcpSYN, 1, 0, ""), option(little, 0x8001, 0, 0, 0, 0)) // which way?

	// Wireshark, and one in a section of the other byte order.
	d = append(d, block(little, blockCustom, processBlock(little, 1234)))
	put(0, tcp("192.168.0.5:45000", server, tcpSYN, 1, 0, ""), option(little, 8, 0xd2, 4, 0, 0, 0, 0, 0, 0), way(2))
	put(0, tcp("192.168.0.5:45001", server, tcpSYN, 1, 0, ""), option(little, 8, 9, 0, 0, 0, 0, 0, 0, 0), way(2))
	d = append(d, section(big), iface(big, linkRaw), block(big, blockCustom, processBlock(big, 1235)))
	d = append(d, enhanced(big, 0, units+1000, tcp("192.168.0.5:45002", server, tcpSYN, 1, 0, ""),
		option(big, 8, 0, 0, 4, 0xd3, 0, 0, 0, 0), option(big, 2, 0, 0, 0, 2), make([]byte, 4)))
	return bytes.Join(d, nil)
}

// processBlock writes the body of a custom block of Wireshark's.
func processBlock(order binary.AppendByteOrder, pid uint32) []byte {
	entry := cat(little.AppendUint32(nil, pid), option(little, 2, []byte("curl")...), option(little, 3, []byte("/usr/bin/curl")...),
		option(little, 4, []byte("curl\x00https://example.com/\x00")...), option(little, 5, 1, 0, 0, 0), option(little, 6, 0xe8, 3, 0, 0),
		option(little, 7, []byte("alice")...), option(little, 9, little.AppendUint64(nil, uint64(begin-5e9))...), make([]byte, 4))
	return cat(order.AppendUint32(nil, 32622), little.AppendUint32(nil, 3), little.AppendUint32(nil, uint32(len(entry))), entry)
}

// pktapSample has packets behind PKTAP headers, and one cut off in it.
func pktapSample() []byte {
	pktap := func(flags, pid uint32, command string, ip []byte) []byte {
		h := make([]byte, pktapSize)
		for at, v := range map[int]uint32{0: pktapSize, 4: 1, 8: linkRaw, 36: flags, 52: pid} {
			little.PutUint32(h[at:], v)
		}
		copy(h[12:], "en0")
		copy(h[56:], command)
		return cat(h, ip)
	}
	return writePCAP(little, magicMicro, linkPKTAP, timed(0, plain,
		pktap(2, 345, "Safari", tcp(client, server, tcpSYN, 1, 0, "")),
		pktap(1, 345, "Safari", tcp(server, client, tcpSYN|tcpACK, 1, 2, "")),
		pktap(2, 0xffffffff, "", udp(client, resolve, dnsQuery(7, "www.example.com", dnsA))),
		pktap(2, 345, "Safari", nil)[:90],
	)...)
}

// evidence reads what a capture says of processes.
func evidenceOf(t *testing.T, f *format.Format, d []byte) (said []string, notes []string) {
	r, b := open(t, f, d), new(event.Batch)
	for {
		b.Reset()
		err := r.Read(b)
		for i := range b.Len {
			if b.Has(event.Hint, i) {
				said = append(said, fmt.Sprintf("%s %s %s %s %d %s %s:%d", b.Str(event.EventProvider, i), b.Str(event.Hint, i), b.Str(event.Role, i), b.Str(event.NetworkDirection, i),
					b.Int(event.ProcessPID, i), b.Str(event.ProcessName, i), b.Addr(event.SourceIP, i), b.Int(event.SourcePort, i)))
			}
		}
		notes = append(notes, b.Notes...)
		if err != nil {
			return said, notes
		}
	}
}

func open(t *testing.T, f *format.Format, d []byte) format.Reader {
	src, err := format.NewSource("x", bytes.NewReader(d), -1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	r, err := f.Open(src, format.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOwners(t *testing.T) {
	said, notes := evidenceOf(t, PCAPNG, ownersSample())
	want := []string{
		"ptcpdump owner connect egress 77 curl 192.168.0.5:40000",
		"ptcpdump owner receive egress 78 dig 192.168.0.5:5555",
		"ptcpdump owner connect egress 77 curl 127.0.0.1:41000",
		"ptcpdump either accept ingress 79 wget 172.17.0.2:42000",
		"etl2pcapng thread send egress 88  192.168.0.5:43000",
		"darwin owner connect egress 501 mDNSResponder 192.168.0.5:44001",
		"darwin either connect egress 501 mDNSResponder 192.168.0.5:44002",
		"wireshark owner connect egress 1234 curl 192.168.0.5:45000",
		"pcapng owner connect egress 9  192.168.0.5:45001",
		"wireshark owner connect egress 1235 curl 192.168.0.5:45002",
	}
	if !slices.Equal(said, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "1 packets name a thread") {
		t.Error(notes)
	}
	said, _ = evidenceOf(t, PCAP, pktapSample())
	if want := "pktap owner connect egress 345 Safari 10.0.0.5:49152"; len(said) != 1 || said[0] != want {
		t.Error(said, "want", want)
	}
}

// TestOwnersCorpus reads what ptcpdump wrote: each capture is of one program.
func TestOwnersCorpus(t *testing.T) {
	for name, want := range map[string]string{"tcp": "curl", "dns": "dig", "curl-user": "curl", "curl-thread": "curl"} {
		seen := 0
		read(t, formattest.Corpus(t, "pcapng/ptcpdump-"+name+".pcapng"), func(b *event.Batch, i int) {
			if b.Has(event.Hint, i) {
				seen++
				if got := string(b.Str(event.ProcessName, i)); got != want || string(b.Str(event.Hint, i)) != "owner" {
					t.Errorf("%s: %s, want %s", name, b.AppendJSON(nil, i), want)
				}
			}
		})
		if seen != 1 {
			t.Errorf("%s: %d processes named, want 1", name, seen)
		}
	}
}
