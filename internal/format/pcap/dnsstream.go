package pcap

import (
	"encoding/binary"

	"culprit/internal/event"
)

// DNS over TCP (RFC 1035 4.2.2): messages with their length in two bytes before each. Most often a segment is one message;
// else they are put together.

const (
	// maxStream is how much of messages that are not whole is kept: the largest there can be.
	maxStream = 2 + 1<<16
	// maxMessages is how many messages of a stream one packet can complete; those beyond wait for the next.
	maxMessages = 4
	dnsHead     = 12 // bytes of a message's header
	// maxStreams is how many streams are put together at once: 32 MB of them.
	maxStreams = 512
)

// lookStream looks for messages in a segment on DNS's port and says whether it took it.
func (r *reader) lookStream(b *event.Batch, slot uint32, fl *flow, dir int) bool {
	p := &r.p
	k := prefixKey(slot, dir)
	x := r.sniff.prefixes[k]
	if x == nil {
		if len(p.payload) >= 2 && int(binary.BigEndian.Uint16(p.payload)) == len(p.payload)-2 && r.lookDNS(b, fl, appDNS, p.payload[2:]) {
			return true
		}
		if !beginsMessage(p.payload, fl.app) || len(p.payload) < p.payLen {
			return false
		}
		if r.sniff.streams >= maxStreams {
			r.sniff.beyond++
			return false
		}
		x = &prefix{base: p.payloadSeq(), at: r.here(), dns: true}
		r.sniff.prefixes[k] = x
		r.sniff.streams++
		fl.look[dir] = lookMore
	}
	if !x.dns {
		return false
	}
	x.add(p.payloadSeq(), p.payload)
	ok := r.takeMessages(b, fl, x)
	if !ok || len(x.spans) == 0 || len(p.payload) < p.payLen || int32(p.payloadSeq()-x.base) > maxStream {
		delete(r.sniff.prefixes, k)
		r.sniff.streams--
		fl.look[dir] = lookDone
	}
	return ok
}

// beginsMessage says whether d can be the begin of a message behind its length. A few bytes are believed only of a flow that
// has not shown itself as something else.
func beginsMessage(d []byte, app uint8) bool {
	if len(d) < 2 || app != appUnknown && app != appDNS || binary.BigEndian.Uint16(d) < dnsHead {
		return false
	}
	if len(d) < 2+dnsHead {
		return len(d) == 2 || app == appDNS
	}
	return binary.BigEndian.Uint16(d[6:]) <= 1 && d[4]>>3&15 <= 6 // one question at most, a known kind of it
}

// takeMessages gives the messages that are whole, and says whether what is there can go on being DNS.
func (r *reader) takeMessages(b *event.Batch, fl *flow, x *prefix) bool {
	taken := 0
	d := x.begin()
	for n := 0; n < maxMessages && len(d)-taken >= 2; n++ {
		size := int(binary.BigEndian.Uint16(d[taken:]))
		if len(d)-taken < 2+size {
			break
		}
		if size < dnsHead || !r.lookDNS(b, fl, appDNS, d[taken+2:taken+2+size]) {
			return false
		}
		taken += 2 + size
	}
	if taken == 0 {
		return true
	}
	var rest gathering
	for _, s := range x.spans {
		if s.to > taken {
			from := max(s.from, taken)
			rest.add(from-taken, x.buf[from:s.to], maxStream)
		}
	}
	x.base, x.gathering = x.base+uint32(taken), rest
	return true
}
