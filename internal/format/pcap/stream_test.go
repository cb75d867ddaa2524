package pcap

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// namesIn gives the names that a capture's packets say, in the order of events.
func namesIn(t *testing.T, ps ...[]byte) []string {
	t.Helper()
	var got []string
	o := formattest.Read(t, PCAP, "x", bytes.NewReader(writePCAP(little, magicMicro, linkRaw, timed(0, plain, ps...)...)), format.Options{})
	for _, l := range o.Lines {
		for _, begin := range []string{`"question":{"name":"`, `"server_name":"`, `"url":{"domain":"`} {
			if n := between(l, begin); n != "" {
				got = append(got, n)
			}
		}
	}
	return got
}

// pieces cuts what one side says into segments of the given sizes, the last one what remains.
func pieces(from, to end, says string, sizes ...int) (ps [][]byte) {
	at := 0
	for _, n := range append(sizes, len(says)) {
		n = min(n, len(says)-at)
		if n > 0 {
			ps = append(ps, tcp(from, to, tcpACK, 1001+at, 1, says[at:at+n]))
		}
		at += n
	}
	return ps
}

func framedDNS(names ...string) string {
	var d []byte
	for i, n := range names {
		q := dnsQuery(i, n, dnsA)
		d = cat(d, be16(len(q)), q)
	}
	return string(d)
}

// TestStreams says names over TCP in pieces of any size and order; some come twice.
func TestStreams(t *testing.T) {
	const dns = "10.0.0.1:53"
	names := []string{"a.example.com", "b.example.com", "c.example.com"}
	syn := tcp(client, dns, tcpSYN, 1000, 0, "")
	for _, sizes := range [][]int{{}, {2}, {2, 31, 2}, {33, 33}, {40, 40}, {20, 5, 5, 5, 5, 5, 5, 5, 5, 5}} {
		got := namesIn(t, append([][]byte{syn}, pieces(client, dns, framedDNS(names...), sizes...)...)...)
		if !slices.Equal(got, names) {
			t.Errorf("DNS in pieces of %v: %q", sizes, got)
		}
	}
	many := slices.Repeat([]string{"d.example.com"}, 9) // more than one packet may complete
	if got := namesIn(t, append(pieces(client, dns, framedDNS(many...)), pieces(client, dns, framedDNS(many...)+framedDNS("e.example.com"), len(framedDNS(many...)))[1])...); len(got) < maxMessages {
		t.Errorf("%q", got)
	}
	if got := namesIn(t, pieces(client, dns, "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n", 20, 10)...); !slices.Equal(got, []string{"www.example.com"}) {
		t.Errorf("HTTP on DNS's port: %q", got)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, says := range []string{clientHello("www.example.com", 4000), "GET / HTTP/1.1\r\nCookie: " + strings.Repeat("x", 4000) + "\r\nHost: www.example.com\r\n\r\n"} {
		for range 50 {
			ps := pieces(client, server, says, 500, 700, 300, 900, 100, 800)
			ps = append(ps, ps[r.IntN(len(ps))])
			r.Shuffle(len(ps), func(i, j int) { ps[i], ps[j] = ps[j], ps[i] })
			got := namesIn(t, append([][]byte{tcp(client, server, tcpSYN, 1000, 0, "")}, ps...)...)
			if !slices.Equal(got, []string{"www.example.com"}) {
				t.Fatalf("%.3q out of order: %q", says, got)
			}
		}
	}
}

// TestStreamsLeaveNothing ends streams in the middle: none may be kept.
func TestStreamsLeaveNothing(t *testing.T) {
	var ps [][]byte
	for i := range 20 {
		from := "10.0.0." + string(rune('1'+i%9)) + ":4000"
		ps = append(ps, pieces(from, "10.0.1.1:53", framedDNS("a.example.com", "b.example.com"), 40)[0])
	}
	r := open(t, PCAP, writePCAP(little, magicMicro, linkRaw, timed(0, plain, ps...)...)).(*reader)
	for b := new(event.Batch); r.Read(b) == nil; b.Reset() {
	}
	if r.sniff.streams != 0 || len(r.sniff.prefixes) != 0 {
		t.Error(r.sniff.streams, len(r.sniff.prefixes), "are still kept")
	}
}
