package pcap

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"culprit/internal/event"
)

// How far the search for names is in one direction of a flow: flow.look.
const (
	lookFirst = iota // nothing seen yet
	lookMore         // the begin is being collected
	lookDone
)

const (
	// maxPrefix is how much of a direction's begin is collected.
	maxPrefix = 16 << 10
	// maxPrefixes is how many begins are collected at once: 64 MB of them.
	maxPrefixes = 4096
)

// A sniffer collects the begins of directions whose first segment doesn't hold a whole ClientHello or HTTP request.
type sniffer struct {
	prefixes map[uint64]*prefix    // by slot and direction
	quic     map[uint64]*quicHello // the same
	streams  int                   // of prefixes those of DNS
	beyond   int64                 // begins that were not followed because there were too many
}

func newSniffer() sniffer {
	return sniffer{prefixes: map[uint64]*prefix{}, quic: map[uint64]*quicHello{}}
}

// A prefix is the begin of a direction, or of one request in it, in order of sequence numbers.
type prefix struct {
	base uint32 // sequence number of its first byte
	gathering
	at  said
	dns bool // messages of DNS, each with its length before it: dnsstream.go
}

// add puts a segment where it belongs and says whether it has anything new.
func (x *prefix) add(seq uint32, d []byte) bool {
	limit := maxPrefix
	if x.dns {
		limit = maxStream
	}
	return x.gathering.add(int(int32(seq-x.base)), d, limit)
}

// look searches the packet's payload for names and for what the flow speaks.
func (r *reader) look(b *event.Batch, slot uint32, fl *flow, dir int) {
	switch fl.proto {
	case protoTCP:
		r.lookTCP(b, slot, fl, dir)
	case protoUDP:
		r.lookUDP(b, slot, fl, dir)
	}
}

func (r *reader) lookUDP(b *event.Batch, slot uint32, fl *flow, dir int) {
	d := r.p.payload
	for _, port := range [2]uint16{fl.ap, fl.bp} {
		switch port {
		case 53:
			r.lookDNS(b, fl, appDNS, d)
			return
		case 5353:
			r.lookDNS(b, fl, appMDNS, d)
			return
		case 5355:
			r.lookDNS(b, fl, appLLMNR, d)
			return
		}
	}
	switch {
	case fl.look[dir] == lookMore:
		r.lookQUIC(b, slot, fl, dir)
	case fl.look[dir] == lookFirst:
		fl.look[dir] = lookDone
		if fl.app == appUnknown {
			fl.app = udpApp(fl.ap, fl.bp, d)
		}
		if _, _, ok := parseQUIC(d); ok {
			r.lookQUIC(b, slot, fl, dir)
		}
	}
}

// udpApp recognises what is spoken by port and first bytes together.
func udpApp(a, b uint16, d []byte) uint8 {
	on := func(port uint16) bool { return a == port || b == port }
	switch {
	case on(443) && len(d) >= 20 && d[0]&0xc0 == 0xc0 && binary.BigEndian.Uint32(d[1:]) != 0 && d[5] <= 20: // long header
		return appQUIC
	case on(67) && len(d) >= 240 && binary.BigEndian.Uint32(d[236:]) == 0x63825363:
		return appDHCP
	case on(123) && len(d) >= 48 && d[0]>>3&7 >= 1 && d[0]>>3&7 <= 4:
		return appNTP
	case on(1900) && (bytes.HasPrefix(d, []byte("M-SEARCH ")) || bytes.HasPrefix(d, []byte("NOTIFY ")) || bytes.HasPrefix(d, []byte("HTTP/1."))):
		return appSSDP
	}
	return appUnknown
}

func (r *reader) lookTCP(b *event.Batch, slot uint32, fl *flow, dir int) {
	p := &r.p
	if fl.ap == 53 || fl.bp == 53 {
		if r.lookStream(b, slot, fl, dir) || fl.app == appDNS { // what is no DNS hides there
			return
		}
	}
	seq := p.payloadSeq()
	switch fl.look[dir] {
	case lookFirst:
		base := seq
		if fl.did[dir]&didISN != 0 {
			if late := seq - (fl.isn[dir] + 1); late < maxPrefix {
				base = fl.isn[dir] + 1
			}
		}
		r.lookAt(b, slot, fl, dir, base, seq)
	case lookMore:
		r.lookOn(b, slot, fl, dir, seq)
	case lookDone:
		if fl.app == appHTTP && maybeMethod(p.payload) == yes {
			r.lookAt(b, slot, fl, dir, seq, seq)
		}
	}
}

// lookAt looks at what may be the first segment of something, whose first byte has sequence number base. Most often it is
// whole and nothing need be kept.
func (r *reader) lookAt(b *event.Batch, slot uint32, fl *flow, dir int, base, seq uint32) {
	p := &r.p
	cut := len(p.payload) < p.payLen
	if base == seq && r.examine(b, fl, dir, r.here(), p.payload, cut) || cut {
		fl.look[dir] = lookDone
		return
	}
	if len(r.sniff.prefixes) >= maxPrefixes {
		r.sniff.beyond++
		fl.look[dir] = lookDone
		return
	}
	x := &prefix{base: base, at: r.here()}
	x.add(seq, p.payload)
	r.sniff.prefixes[prefixKey(slot, dir)] = x
	fl.look[dir] = lookMore
}

func prefixKey(slot uint32, dir int) uint64 { return uint64(slot)<<1 | uint64(dir) }

// lookOn adds a segment to what was kept, and looks again.
func (r *reader) lookOn(b *event.Batch, slot uint32, fl *flow, dir int, seq uint32) {
	p := &r.p
	k := prefixKey(slot, dir)
	x := r.sniff.prefixes[k]
	before := len(x.begin())
	x.add(seq, p.payload)
	// What is far ahead shows that the missing piece was not captured.
	last := len(p.payload) < p.payLen || len(x.begin()) >= maxPrefix || int32(seq-x.base) > maxPrefix
	if len(x.begin()) == before && !last || !r.examine(b, fl, dir, x.at, x.begin(), last) {
		return
	}
	delete(r.sniff.prefixes, k)
	fl.look[dir] = lookDone
}

// endSniff looks for the last time at what was kept of a flow that has ended.
func (r *reader) endSniff(b *event.Batch, slot uint32) {
	fl := r.table.flow(slot)
	for dir := range 2 {
		if fl.look[dir] != lookMore {
			continue
		}
		k := prefixKey(slot, dir)
		fl.look[dir] = lookDone
		if q := r.sniff.quic[k]; q != nil {
			r.examineQUIC(b, fl, dir, q, true)
			delete(r.sniff.quic, k)
			continue
		}
		x := r.sniff.prefixes[k]
		if x.dns {
			r.sniff.streams--
		} else {
			r.examine(b, fl, dir, x.at, x.begin(), true)
		}
		delete(r.sniff.prefixes, k)
	}
}

// A verdict is what can be said of the begin of something.
type verdict uint8

const (
	no   verdict = iota
	more         // it could be, but more bytes are needed
	yes
)

// examine looks at the begin of a direction and says whether it has seen enough. last: there will be no more.
func (r *reader) examine(b *event.Batch, fl *flow, dir int, at said, d []byte, last bool) (enough bool) {
	if len(d) == 0 {
		return last
	}
	if d[0] == tlsHandshake {
		name, v := parseHello(d)
		if v == no {
			return true
		}
		if len(d) >= 6 {
			fl.app = appTLS
		}
		if v == more && !last {
			return false
		}
		if len(name) > 0 {
			r.putHello(b, fl, dir, at, name)
		}
		return true
	}
	req, v := parseRequest(d)
	switch {
	case v == more && !last:
		return false
	case v == yes || v == more && req.version != nil:
		fl.app = appHTTP
		if !bytes.HasPrefix(req.version, []byte("HTTP/2")) { // a preface, no request
			r.putRequest(b, fl, dir, at, &req)
		}
	case fl.app == appUnknown:
		fl.app = tcpApp(d)
	}
	return true
}

func tcpApp(d []byte) uint8 {
	switch {
	case bytes.HasPrefix(d, []byte("SSH-")):
		return appSSH
	case bytes.HasPrefix(d, []byte("HTTP/1.")):
		return appHTTP
	case len(d) >= 8 && d[0] == 0 && (d[4] == 0xff || d[4] == 0xfe) && string(d[5:8]) == "SMB":
		return appSMB
	}
	return appUnknown
}

func (r *reader) putHello(b *event.Batch, fl *flow, dir int, at said, name []byte) {
	name = lower(name)
	_, err := netip.ParseAddr(string(name))
	if err == nil && r.o.RolesOnly {
		r.skip(b, at)
		return
	}
	r.putSaid(b, fl, at, "tls-client-hello", "pcap.tls")
	b.PutStr(event.TLSClientServerName, name)
	if err != nil {
		server, _ := fl.end(1 - dir)
		putName(b, "sni", name, server)
	}
}

// lower makes a name lower case and drops its final dot.
func lower(name []byte) []byte { return bytes.TrimSuffix(bytes.ToLower(name), []byte{'.'}) }

// canonical is lower for a name of a table; "" for what is no name.
func canonical(name []byte) string {
	name = lower(name)
	if len(name) > 255 || slices.ContainsFunc(name, func(c byte) bool { return c < ' ' }) {
		return ""
	}
	return string(name)
}
