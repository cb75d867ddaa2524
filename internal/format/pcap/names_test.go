package pcap

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
)

// namesOf reads packets on raw IP and writes each name they give as a line.
func namesOf(t *testing.T, ps ...[]byte) (lines []string) {
	t.Helper()
	src, err := format.NewSource("t", bytes.NewReader(writePCAP(little, magicMicro, linkRaw, timed(0, plain, ps...)...)), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	rd, err := PCAP.Open(src, format.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for b := new(event.Batch); ; {
		b.Reset()
		err := rd.Read(b)
		for i := range b.Len {
			if string(b.Str(event.Role, i)) == event.RoleName {
				var ips []string
				for a := range b.Addrs(event.NameIP, i) {
					ips = append(ips, a.String())
				}
				lines = append(lines, fmt.Sprintf("%s %s %s", b.Str(event.NameFrom, i), b.Str(event.NameValue, i), strings.Join(ips, " ")))
			}
		}
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func check(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func TestDNSNames(t *testing.T) {
	answer := func(d []byte) []byte { return udp(resolve, client, d) }
	a := func(owner []byte, last byte) []byte { return dnsRR(owner, dnsA, []byte{192, 0, 2, last}) }
	alias := func(from, to string) []byte { return dnsRR(dnsLabels(from), dnsCNAME, dnsLabels(to)) }
	f := func(what string, d []byte, want ...string) {
		t.Helper()
		check(t, what, namesOf(t, answer(d)), want...)
	}
	f("two addresses, one twice", dnsAnswer(1, "A.Example", dnsA, a(question, 1), a(question, 2), a(question, 1)), "dns a.example 192.0.2.1 192.0.2.2")
	f("aliases in the wrong order", dnsAnswer(1, "a.example", dnsA, a(dnsLabels("c.example"), 1), alias("b.example", "c.example"), alias("a.example", "b.example")), "dns a.example 192.0.2.1")
	f("aliases in a circle", dnsAnswer(1, "a.example", dnsA, alias("a.example", "b.example"), alias("b.example", "a.example"), a(dnsLabels("b.example"), 1)), "dns a.example 192.0.2.1")
	f("an address of somebody else", dnsAnswer(1, "a.example", dnsA, a(dnsLabels("bank.example"), 1)))
	f("six", dnsAnswer(1, "a.example", dnsAAAA, dnsRR(question, dnsAAAA, append([]byte{0x20, 1, 0xd, 0xb8}, make([]byte, 12)...))), "dns a.example 2001:db8::")
	f("an A record of 16 bytes", dnsAnswer(1, "a.example", dnsA, dnsRR(question, dnsA, make([]byte, 16))))
	f("service with its host's address", func() []byte {
		d := dnsAnswer(1, "_ldap._tcp.example", dnsSRV, dnsRR(question, dnsSRV, cat(be16(0), be16(100), be16(389), dnsLabels("dc.example"))), a(dnsLabels("dc.example"), 4))
		copy(d[4:], cat(be16(1), be16(1), be16(0), be16(1)))
		return d
	}(), "dns dc.example 192.0.2.4")
	ptr := dnsRR(question, dnsPTR, dnsLabels("host.example"))
	f("ptr", dnsAnswer(1, "9.2.0.192.in-addr.arpa", dnsPTR, ptr), "ptr host.example 192.0.2.9")
	f("two names of an address", dnsAnswer(1, "9.2.0.192.in-addr.arpa", dnsPTR, ptr, dnsRR(question, dnsPTR, dnsLabels("other.example"))), "ptr host.example 192.0.2.9", "ptr other.example 192.0.2.9")
	f("a delegated range", dnsAnswer(1, "9.2.0.192.in-addr.arpa", dnsPTR, alias("9.2.0.192.in-addr.arpa", "9.0-31.2.0.192.in-addr.arpa"),
		dnsRR(dnsLabels("9.0-31.2.0.192.in-addr.arpa"), dnsPTR, dnsLabels("host.example"))), "ptr host.example 192.0.2.9")
	f("ptr six", dnsAnswer(1, "1."+strings.Repeat("0.", 23)+"8.b.d.0.1.0.0.2.ip6.arpa", dnsPTR, ptr), "ptr host.example 2001:db8::1")
	f("ptr of a service", dnsAnswer(1, "_http._tcp.example", dnsPTR, ptr))

	// what doesn't end
	head := dnsHeader(1, 0x8180, 1, 1, 0, 0)
	f("a name that points at itself", cat(head, []byte{0xc0, 12}, be16(1), be16(1)))
	f("two that point at each other", cat(head, []byte{0xc0, 14, 0xc0, 12}, be16(1), be16(1)))
	f("a pointer forward", cat(head, []byte{1, 'a', 0xc0, 40}, be16(1), be16(1), make([]byte, 60)))
	f("a label and back", cat(head, []byte{1, 'a', 0xc0, 12}, be16(1), be16(1), make([]byte, 60)))
	f("a record that ends too early", dnsAnswer(1, "a.example", dnsA, a(question, 1), a(question, 2)[:14]), "dns a.example 192.0.2.1")
	many := make([][]byte, 500)
	for i := range many {
		many[i] = a(question, byte(i))
	}
	if got := namesOf(t, answer(dnsAnswer(1, "a.example", dnsA, many...))); len(got) != 1 || strings.Count(got[0], " ") != 1+maxAddrs {
		t.Error(got)
	}
}

func TestHelloNames(t *testing.T) {
	seg := func(seq int, s string) []byte { return tcp(client, server, tcpACK, seq, 1, s) }
	syn := tcp(client, server, tcpSYN, 99, 0, "")
	whole := clientHello("www.example.com", 4000)
	const want = "sni www.example.com 93.184.216.34"
	check(t, "whole", namesOf(t, syn, seg(100, clientHello("WWW.example.com", 0))), want)
	check(t, "midstream", namesOf(t, seg(100, clientHello("www.example.com", 0))), want)
	check(t, "with the SYN", namesOf(t, tcp(client, server, tcpSYN, 99, 0, clientHello("www.example.com", 0))), want)
	check(t, "in order", namesOf(t, syn, seg(100, whole[:1400]), seg(1500, whole[1400:2800]), seg(2900, whole[2800:])), want)
	check(t, "with one repeated, one overlapping", namesOf(t, syn, seg(100, whole[:1400]), seg(100, whole[:1400]), seg(1400, whole[1300:2800]), seg(2900, whole[2800:])), want)
	check(t, "first segment late", namesOf(t, syn, seg(1500, whole[1400:]), seg(100, whole[:1400])), want)
	check(t, "byte by byte", namesOf(t, append([][]byte{syn}, bytewise(seg, clientHello("www.example.com", 0))...)...), want)
	check(t, "one missing", namesOf(t, syn, seg(100, whole[:1400]), seg(2900, whole[2800:])))
	check(t, "name before the end", namesOf(t, syn, seg(100, clientHello("www.example.com", 0)[:80])), want)
	check(t, "address for a name", namesOf(t, syn, seg(100, clientHello("192.0.2.1", 0))))
	check(t, "no name", namesOf(t, syn, seg(100, clientHello("", 0))))

	// one message in two records
	body := whole[5:]
	record := func(s string) string { return string(cat([]byte{22, 3, 1}, be16(len(s)), []byte(s))) }
	check(t, "two records", namesOf(t, syn, seg(100, record(body[:3])+record(body[3:2000])+record(body[2000:]))), want)
	check(t, "an alert between", namesOf(t, syn, seg(100, record(body[:2000])+"\x15\x03\x01\x00\x02\x02\x28")))
}

func bytewise(seg func(int, string) []byte, s string) (ps [][]byte) {
	for i := range s {
		ps = append(ps, seg(100+i, s[i:i+1]))
	}
	return ps
}

func TestRequestNames(t *testing.T) {
	const at = "10.0.0.80:8081"
	f := func(request string, want ...string) {
		t.Helper()
		check(t, request, namesOf(t, tcp(client, at, tcpACK, 1, 1, request)), want...)
	}
	f("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "http a.example 10.0.0.80")
	f("GET / HTTP/1.1\nhOST:a.example:8081\n\n", "http a.example 10.0.0.80")
	f("OPTIONS * HTTP/1.1\r\nHost: a.example.\r\n\r\n", "http a.example 10.0.0.80")
	f("GET / HTTP/1.1\r\nHost: 10.0.0.80:8081\r\n\r\n")
	f("GET / HTTP/1.1\r\nHost: [fe80::1]:8081\r\n\r\n")
	f("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
	f("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n")
	f("GET / HTTP/1.0\r\n\r\n")
	f("GET / FTP\r\nHost: a.example\r\n\r\n")
	f("EHLO a.example\r\n")
	f("GET \x01 HTTP/1.1\r\nHost: a.example\r\n\r\n")
	f("GET / HTTP/1.1\r\nHost: a.exa")
}

// TestNotDNS has HTTP where DNS is expected.
func TestNotDNS(t *testing.T) {
	check(t, "HTTP on port 53", namesOf(t, tcp(client, resolve, tcpACK, 1, 1, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")), "http a.example 10.0.0.1")
}

// TestManyNames gives more names in one batch's worth of packets than a batch holds.
func TestManyNames(t *testing.T) {
	var ps [][]byte
	for i := range 3000 {
		ps = append(ps, udp(resolve, client, dnsAnswer(i, fmt.Sprintf("h%d.example", i), dnsA, dnsRR(question, dnsA, []byte{192, 0, 2, byte(i)}))))
	}
	if got := namesOf(t, ps...); len(got) != 3000 || got[2999] != "dns h2999.example 192.0.2.183" {
		t.Error(len(got), got[len(got)-1])
	}
}

// TestPrefixes opens more half ClientHellos than are kept.
func TestPrefixes(t *testing.T) {
	var ws []written
	hello := clientHello("a.example", 600)
	for i := range maxPrefixes + 100 {
		ws = append(ws, written{time.Duration(i), tcp(fmt.Sprintf("10.0.%d.%d:5000", i/250, i%250), server, tcpACK, 1, 1, hello[:500]), 0})
	}
	var r *reader
	flowsOf(t, writePCAP(little, magicMicro, linkRaw, ws...), func(x *reader) { r = x })
	if len(r.sniff.prefixes) != 0 {
		t.Errorf("%d are still kept", len(r.sniff.prefixes))
	}
}
