package simulate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// A wireSide is what a receiver expects of one side of a TCP connection.
type wireSide struct {
	begun, fin bool
	next       uint32
	stream     []byte
}

// A frame is what a test needs of a decoded packet.
type frame struct {
	from, to netip.AddrPort
	proto    byte
	flags    byte
	seq, ack uint32
	data     []byte
	length   int
}

func decode(t *testing.T, b []byte) frame {
	t.Helper()
	var f frame
	be := binary.BigEndian
	ip := b[14:]
	var src, dst netip.Addr
	switch be.Uint16(b[12:]) {
	case 0x0800:
		n := int(be.Uint16(ip[2:]))
		if n > len(ip) || n < len(ip) && len(b) != 60 {
			t.Fatalf("IP length %d of %d", n, len(ip))
		}
		ip = ip[:n]
		src, dst, f.proto = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20])), ip[9]
		if be.Uint16(ip[10:]) != 0 && fold(sum(ip[:20])) != 0xffff {
			t.Errorf("IP checksum of a packet from %v", src)
		}
		f.length, ip = len(ip), ip[20:]
	case 0x86dd:
		if int(be.Uint16(ip[4:])) != len(ip)-40 {
			t.Fatalf("IPv6 length %d of %d", be.Uint16(ip[4:]), len(ip)-40)
		}
		src, dst, f.proto = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40])), ip[6]
		f.length, ip = len(ip), ip[40:]
	default:
		t.Fatalf("ethertype %x", b[12:14])
	}
	local := src == netip.MustParseAddr("192.168.1.20")
	pseudo := sum(src.AsSlice()) + sum(dst.AsSlice()) + uint32(f.proto) + uint32(len(ip))
	if f.proto == protoICMP {
		pseudo = 0
	}
	if !local && fold(pseudo+sum(ip)) != 0xffff {
		t.Errorf("checksum of a packet from %v", src)
	}
	switch f.proto {
	case protoTCP:
		f.seq, f.ack, f.flags = be.Uint32(ip[4:]), be.Uint32(ip[8:]), ip[13]
		f.data = ip[ip[12]>>4*4:]
	case protoUDP:
		if int(be.Uint16(ip[4:])) != len(ip) {
			t.Fatal("UDP length")
		}
		f.data = ip[8:]
	default:
		return f
	}
	f.from, f.to = netip.AddrPortFrom(src, be.Uint16(ip)), netip.AddrPortFrom(dst, be.Uint16(ip[2:]))
	return f
}

// Every TCP connection must be one that a receiver could have taken part in: sequence numbers without gaps, nothing
// acknowledged that wasn't sent, and an end.
func TestWire(t *testing.T) {
	p := Duo()
	p.Rows = 0
	c := New(p)
	var b bytes.Buffer
	if err := c.WritePcap(&b, true); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()[24:]
	sides := map[string]*wireSide{}
	var last time.Duration
	n := 0
	for ; len(data) > 0; n++ {
		le := binary.LittleEndian
		at := time.Duration(le.Uint32(data))*time.Second + time.Duration(le.Uint32(data[4:]))
		size := int(le.Uint32(data[8:]))
		if at < last {
			t.Errorf("packet %d goes back in time", n+1)
		}
		last = at
		f := decode(t, data[16:16+size])
		data = data[16+size:]
		k := &c.Connections[c.Packets[n].Conn]
		if got := c.Packets[n].ipLen(k); got != f.length {
			t.Errorf("packet %d: ipLen %d, is %d", n+1, got, f.length)
		}
		if f.proto == protoTCP {
			checkSegment(t, sides, n+1, int(c.Packets[n].Conn), k, f)
		}
	}
	if n != len(c.Packets) {
		t.Errorf("%d packets, want %d", n, len(c.Packets))
	}
	for i, k := range c.Connections {
		if k.Transport != "tcp" || !k.Captured() {
			continue
		}
		for d, ends := range [][2]netip.AddrPort{{k.Source, k.Destination}, {k.Destination, k.Source}} {
			s := sides[fmt.Sprint(i, ends)]
			if int64(len(s.stream)) != k.Payload[d] {
				t.Errorf("connection %d: %d bytes from side %d, want %d", i, len(s.stream), d, k.Payload[d])
			}
			if !s.fin && !k.Open && !k.Reset {
				t.Errorf("connection %d: side %d never ends", i, d)
			}
			if k.Protocol == "tls" {
				checkTLS(t, i, s.stream)
			}
		}
	}
}

func checkSegment(t *testing.T, sides map[string]*wireSide, n, conn int, k *Connection, f frame) {
	t.Helper()
	// The connection is part of the key: ports are used again.
	side := func(from, to netip.AddrPort) *wireSide {
		key := fmt.Sprint(conn, [2]netip.AddrPort{from, to})
		if sides[key] == nil {
			sides[key] = &wireSide{}
		}
		return sides[key]
	}
	me, you := side(f.from, f.to), side(f.to, f.from)
	if !me.begun {
		me.begun, me.next = true, f.seq
		if f.flags&syn == 0 && !k.Midstream {
			t.Errorf("packet %d: a connection begins without SYN", n)
		}
	}
	if d := int32(f.seq - me.next); d > 0 || d < 0 && len(f.data) == 0 && f.flags&(syn|fin|rst) != 0 {
		t.Errorf("packet %d: sequence number %d, want %d (flags %02x)", n, f.seq, me.next, f.flags)
	}
	if int32(f.seq-me.next) == 0 {
		me.next += uint32(len(f.data))
		me.stream = append(me.stream, f.data...)
		if f.flags&(syn|fin) != 0 {
			me.next++
		}
		me.fin = me.fin || f.flags&fin != 0
	}
	if f.flags&ack != 0 && you.begun && int32(f.ack-you.next) > 0 {
		t.Errorf("packet %d: acknowledges %d, only %d was sent", n, f.ack, you.next)
	}
}

func checkTLS(t *testing.T, i int, s []byte) {
	t.Helper()
	for len(s) > 0 {
		if len(s) < 5 || s[0] < 20 || s[0] > 23 || s[1] != 3 {
			t.Fatalf("connection %d: not a TLS record: % x", i, s[:min(5, len(s))])
		}
		n := 5 + int(binary.BigEndian.Uint16(s[3:]))
		if n > len(s) {
			t.Fatalf("connection %d: a TLS record of %d bytes, %d left", i, n, len(s))
		}
		s = s[n:]
	}
}
