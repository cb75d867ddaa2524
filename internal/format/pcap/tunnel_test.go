package pcap

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// wlan writes an 802.11 header of a data frame with LLC and SNAP behind it, the QoS field if the type has it.
func wlan(kind, flags byte) []byte {
	d := cat([]byte{kind, flags, 0, 0}, clientMAC, serverMAC, clientMAC, be16(0))
	if flags&3 == 3 {
		d = cat(d, serverMAC)
	}
	if kind&0x80 != 0 {
		d = cat(d, be16(0))
	}
	return cat(d, []byte{0xaa, 0xaa, 3, 0, 0, 0}, be16(etherIPv4))
}

// wraps has a way into each tunnel: the packet in it, and around it.
func wraps() map[string]func(ip []byte) []byte {
	const a, b = "192.0.2.1:0", "192.0.2.2:0"
	over := func(port int, header ...byte) func([]byte) []byte {
		return func(in []byte) []byte {
			return udp("192.0.2.1:40000", fmt.Sprintf("192.0.2.2:%d", port), cat(header, in))
		}
	}
	framed := func(f func([]byte) []byte) func([]byte) []byte { return func(in []byte) []byte { return f(ether(in)) } }
	proto := func(n byte, header ...byte) func([]byte) []byte {
		return func(in []byte) []byte { return ip(n, a, b, cat(header, in)) }
	}
	return map[string]func([]byte) []byte{
		"ip":         proto(protoIPIP),
		"gre":        proto(protoGRE, 0x30, 0, 8, 0, 0, 0, 0, 9, 0, 0, 0, 1),
		"gre-frame":  framed(proto(protoGRE, 0, 0, 0x65, 0x58)),
		"gre-ppp":    proto(protoGRE, 0x30, 0x81, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 3, 0, 0x21),
		"gre-erspan": framed(proto(protoGRE, 0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)),
		"vxlan":      framed(over(portVXLAN, 8, 0, 0, 0, 0, 0, 1, 0)),
		"geneve":     framed(over(portGeneve, 1, 0, 0x65, 0x58, 0, 0, 1, 0, 1, 2, 3, 4)),
		"gtp":        over(portGTP, 0x30, 255, 0, 0, 0, 0, 0, 1),
		"gtp-ext":    over(portGTP, 0x34, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0),
		"ayiya":      over(portAYIYA, 0x41, 0x52, 0x11, protoIPIP, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20),
	}
}

const (
	teredoClient = "[2001:0:4137:9e50::1]:1286"
	teredoServer = "[2001:4860::68]:80"
)

// TestTunnels looks for the flow inside, and for the tunnel's own where that is UDP.
func TestTunnels(t *testing.T) {
	check := func(name, kind string, d []byte, want ...string) {
		t.Helper()
		var got []string
		o := formattest.Read(t, PCAP, name, bytes.NewReader(writePCAP(little, magicMicro, linkRaw, timed(0, plain, d)...)), format.Options{})
		for _, l := range o.Lines {
			if strings.Contains(l, `"role":"flow"`) {
				got = append(got, between(l, `"tunnel":"`), between(l, `"destination":{"bytes":0,"ip":"`), between(l, `"source":{"bytes":`))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	in := tcp(client, server, tcpACK, 1, 1, "hello")
	for name, wrap := range wraps() {
		kind, _, _ := strings.Cut(name, "-")
		d := wrap(in)
		want := []string{kind, "93.184.216.34", "45"}
		if d[9] == protoUDP {
			want = append([]string{"", "192.0.2.2", fmt.Sprint(len(d))}, want...)
		}
		check(name, kind, d, want...)
		if d[9] == protoUDP { // what only looks like it
			d[28] ^= 0xff
			check(name+" damaged", kind, d, "", "192.0.2.2", fmt.Sprint(len(d)))
		}
	}
	six := udp(teredoClient, teredoServer, []byte("abc"))
	check("6in4", "ip", ip(proto6in4, "192.0.2.1:0", "192.0.2.2:0", six), "ip", "2001:4860::68", "51")
	check("teredo", "teredo", udp("192.0.2.1:4000", "192.0.2.2:3544", cat([]byte{0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0}, []byte{0, 0, 1, 2, 3, 4, 5, 6}, six)),
		"", "192.0.2.2", "100", "teredo", "2001:4860::68", "51")
	check("teredo of peers", "teredo", udp("192.0.2.1:4000", "192.0.2.2:3545", six), "", "192.0.2.2", "79", "teredo", "2001:4860::68", "51")
	check("ipv6 in udp", "", udp("192.0.2.1:4000", "192.0.2.2:3545", udp(client6, server6, []byte("abc"))), "", "192.0.2.2", "79")
	deep := in
	for range 6 {
		deep = ip(protoIPIP, "192.0.2.1:0", "192.0.2.2:0", deep)
	}
	check("deep", "ip", deep, "ip+ip+ip+ip", "192.0.2.2", "85")
	w := wraps()
	check("one in the other", "", w["gre"](w["vxlan"](in)), "gre", "192.0.2.2", "95", "gre+vxlan", "93.184.216.34", "45")
}

// between gives what stands behind begin, up to a quote or comma.
func between(l, begin string) string {
	_, after, _ := strings.Cut(l, begin)
	if i := strings.IndexAny(after, `",`); i >= 0 {
		return after[:i]
	}
	return ""
}

// tunnelsSample has each tunnel once, with a name inside that must be found.
func tunnelsSample() []byte {
	var ps [][]byte
	w := wraps()
	for i, name := range sortedKeys(w) {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), 5353).String()
		ps = append(ps, w[name](udp(from, "10.0.0.1:53", dnsQuery(i, name+".example.com", dnsA))))
	}
	return writePCAP(little, magicMicro, linkRaw, timed(0, plain, ps...)...)
}
