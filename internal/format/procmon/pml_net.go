package procmon

import (
	"bytes"
	"net/netip"
	"strconv"

	"culprit/internal/event"
)

const pmlNetSize = 44

// A pmlNet is what the details of a network event say. Left and right are as in Process Monitor's path: left is the local
// end, save that a datagram to a group has the group there.
type pmlNet struct {
	tcp         bool
	length      uint32
	left, right pmlEnd
	more        []byte // names and values
}

type pmlEnd struct {
	key  [16]byte // as the host table has it
	v4   bool
	port uint16
}

func (e *pmlEnd) addr() netip.Addr {
	if e.v4 {
		return netip.AddrFrom4([4]byte(e.key[:]))
	}
	return netip.AddrFrom16(e.key)
}

func decodePMLNet(d []byte) pmlNet {
	flags := le.Uint16(d)
	n := pmlNet{
		tcp: flags&4 != 0, length: le.Uint32(d[4:]), more: d[pmlNetSize:],
		left:  pmlEnd{[16]byte(d[8:]), flags&1 != 0, le.Uint16(d[40:])},
		right: pmlEnd{[16]byte(d[24:]), flags&2 != 0, le.Uint16(d[42:])},
	}
	for _, e := range []*pmlEnd{&n.left, &n.right} {
		if e.v4 {
			clear(e.key[4:])
		}
	}
	return n
}

// putNet puts the ends of a network event.
func (r *pmlReader) putNet(b *event.Batch, e *pmlEvent, n *pmlNet) {
	source, destination, direction := &n.left, &n.right, ""
	switch {
	case e.code == opConnect:
		direction = "egress"
	case e.code == opAccept, e.code == opReceive && !n.tcp && r.isGroup(&n.left):
		source, destination, direction = destination, source, "ingress"
	}
	if direction != "" {
		r.putText(b, event.NetworkDirection, direction)
	}
	r.putEnd(b, source, event.SourceIP, event.SourcePort, event.SourceDomain)
	r.putEnd(b, destination, event.DestinationIP, event.DestinationPort, event.DestinationDomain)
	r.putText(b, event.NetworkTransport, transports[n.tcp])
	r.putText(b, event.NetworkType, networkTypes[n.left.v4])
	if n.length > 0 || e.code == opSend || e.code == opReceive {
		r.putInt(b, event.NetworkBytes, int64(n.length))
	}
	if r.o.Fields.Has(event.ProcmonPath) {
		r.path = r.appendEnd(r.path[:0], &n.left, n.tcp)
		r.path = append(r.path, " -> "...)
		r.path = r.appendEnd(r.path, &n.right, n.tcp)
		b.PutStr(event.ProcmonPath, r.path)
	}
	if r.texts {
		r.netText(b, n)
	}
}

var (
	transports   = map[bool]string{false: "udp", true: "tcp"}
	networkTypes = map[bool]string{false: "ipv6", true: "ipv4"}
)

func (r *pmlReader) putEnd(b *event.Batch, e *pmlEnd, ip, port, domain event.Field) {
	if r.o.Fields.Has(ip) {
		b.PutAddr(ip, e.addr())
	}
	r.putInt(b, port, int64(e.port))
	if !r.o.Fields.Has(domain) {
		return
	}
	if h := r.hostOf[e.key]; h != nil && len(h.domain) > 0 {
		b.PutStr(domain, h.domain)
	}
}

// isGroup says whether a datagram to this address was meant for several: multicast, or broadcast as far as it shows without
// the netmask. An address with the computer's own name is the computer's.
func (r *pmlReader) isGroup(e *pmlEnd) bool {
	if !e.v4 {
		return e.key[0] == 0xff
	}
	if e.key[0]>>4 == 14 || [4]byte(e.key[:]) == [4]byte{255, 255, 255, 255} {
		return true
	}
	return e.key[3] == 255 && !r.isOwn(r.hostOf[e.key])
}

// isOwn says whether the host table gives an address the computer's own name.
func (r *pmlReader) isOwn(h *pmlHost) bool {
	if h == nil {
		return false
	}
	first, _, _ := bytes.Cut(h.shown, []byte{'.'})
	return len(first) > 0 && bytes.EqualFold(first, r.header.computer)
}

// appendEnd appends an end as Process Monitor shows it, with the names it had for address and port.
func (r *pmlReader) appendEnd(dst []byte, e *pmlEnd, tcp bool) []byte {
	if h := r.hostOf[e.key]; h != nil {
		dst = append(dst, h.shown...)
	} else {
		dst = e.addr().AppendTo(dst)
	}
	dst = append(dst, ':')
	if name := r.portNames[pmlPort{e.port, tcp}]; len(name) > 0 {
		return append(dst, name...)
	}
	return strconv.AppendUint(dst, uint64(e.port), 10)
}

// netText writes Detail: the length, then the names and values the event has. Process Monitor puts no commas into these.
func (r *pmlReader) netText(b *event.Batch, n *pmlNet) {
	t := &r.text
	t.b, t.want, t.text = b, &r.o.Fields, t.text[:0]
	t.plain("Length", event.ProcmonDetailLength, int64(n.length))
	for d := n.more; ; {
		name := untilNUL(d)
		if len(name) == 0 || len(name)+2 > len(d) {
			break
		}
		d = d[len(name)+2:]
		value := untilNUL(d)
		t.text = append(t.text, ", "...)
		key := len(t.text)
		t.text = appendUTF16(t.text, name)
		f := netFields[string(t.text[key:])]
		t.text = append(t.text, ": "...)
		at := len(t.text)
		t.text = appendUTF16(t.text, value)
		if v, ok := detailNumber(t.text[at:]); ok && f != 0 {
			t.long(f, v)
		}
		d = d[min(len(value)+2, len(d)):]
	}
	r.putStr(b, event.ProcmonDetailText, t.text)
}

// netFields are the names that Detail of network events has.
var netFields = map[string]event.Field{
	"startime": event.ProcmonDetailStartime, "endtime": event.ProcmonDetailEndtime, "mss": event.ProcmonDetailMss,
	"sackopt": event.ProcmonDetailSackopt, "tsopt": event.ProcmonDetailTsopt, "wsopt": event.ProcmonDetailWsopt,
	"rcvwin": event.ProcmonDetailRcvwin, "rcvwinscale": event.ProcmonDetailRcvwinscale,
	"sndwinscale": event.ProcmonDetailSndwinscale, "seqnum": event.ProcmonDetailSeqnum, "connid": event.ProcmonDetailConnid,
}
