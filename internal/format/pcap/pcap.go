// Package pcap reads network captures, pcap and pcapng, into flows and the names that stood for addresses.
//
// A capture's events are not its packets: every packet is counted to a flow (flow.go), a flow becomes an event when it
// ends, and what packets say about names becomes events as they come: DNS (dns.go), TLS (tls.go), HTTP (http.go) and
// pcapng's own name blocks. One pass, in order; memory grows with the flows alive, up to a limit.
//
// # The formats
//
// pcap (draft-ietf-opsawg-pcap): a header of 24 bytes, in the byte order of the machine that wrote it:
//
//	0  magic    a1b2c3d4 microseconds, a1b23c4d nanoseconds, a1b2cd34 microseconds with longer record headers
//	4  version  2.4
//	8  zone, accuracy: always 0, nobody heeds them
//	16 snaplen  16 MiB and 0 happen: it is no bound for what follows
//	20 link     link type in the low 16 bits, length of a frame check sequence in the high 4
//
// then for each packet seconds, fraction, captured length, original length (32 bits each) and the captured bytes. The
// records of magic a1b2cd34 (Kuznetzov's patched libpcap, Red Hat 6) have 8 bytes more: interface, protocol, packet type.
// Nothing marks where a record begins, so there is no way on after a damaged one.
//
// pcapng (draft-ietf-opsawg-pcapng): blocks of type, length, body padded to 32 bits, length again. A section header block
// (0a0d0d0a) says by its magic 1a2b3c4d which byte order holds until the next one; interfaces are numbered from 0 in every
// section, and each has a link type, a snaplen, a resolution of time (if_tsresol, a power of 10 or of 2) and an offset of
// seconds. Blocks of a type we don't know are passed over.
//
// Link types: https://www.tcpdump.org/linktypes.html, link.go. Packets lie about lengths in two honest ways: a snaplen cuts
// what is captured, so lengths are taken from the IP header; and a packet caught before the network card divided it (TSO)
// has IP length 0, so then the original length counts. Checksums are never looked at: offloading leaves them wrong.
package pcap

import (
	"bytes"

	"culprit/internal/event"
	"culprit/internal/format"
)

// PCAP is the format of tcpdump -w.
var PCAP = &format.Format{
	Name:  "pcap",
	Doc:   "network capture as tcpdump writes it: flows, and names from DNS, TLS and HTTP",
	Exts:  []string{".pcap", ".cap", ".dmp"},
	Match: matchClassic,
	Open:  openClassic,
}

// PCAPNG is the format Wireshark writes.
var PCAPNG = &format.Format{
	Name:  "pcapng",
	Doc:   "network capture as Wireshark writes it: flows, and names from DNS, TLS, HTTP and its own name table",
	Exts:  []string{".pcapng", ".ntar"},
	Match: matchNG,
	Open:  openNG,
}

const (
	// headroom is how many events one packet can add at most: the names of a message in each tunnel and of several in a
	// stream, requests that were pending, a flow and its processes.
	headroom = (maxTunnels+maxMessages)*maxNames + 16 + 2*maxPerEnd
	// burst is how many packets one Read takes at most, so that progress can be shown between.
	burst = 1 << 16
	// maxFrame is the largest packet taken for one: a larger length is damage. Linux aggregates up to 512 KiB.
	maxFrame = 1 << 20
)

// A frame is one packet as the capture holds it. Its data is valid until the next one is read.
type frame struct {
	num  int64 // from 1
	off  int64 // of its record
	time int64 // ns UTC
	data []byte
	orig int // its length on the wire
	link uint16

	owner  int32 // process the capture names for it: 1 + index in owners.list, 0 none
	way    uint8 // wayIn, wayOut
	shared bool  // of an interface where packets are passed on
}

// A capture gives frames in order. next fills f, or leaves f.data nil when it read something else; bad records go to b.
type capture interface {
	next(b *event.Batch, f *frame) error
	// finish tells what is only known at the end.
	finish(b *event.Batch)
}

// reader builds flows and names from the frames of a capture.
type reader struct {
	o      format.Options
	in     capture
	f      frame
	p      packet
	table  *table
	frags  fragments
	sniff  sniffer
	dns    dnsMessage
	owners owners

	untimed bool             // no frame had a time yet
	hosts   hostNames        // a pcapng's own names, not given yet
	ready   []uint32         // flows that ended and were not given yet: slots of table
	end     error            // why there are no more frames; nil while there are
	links   map[uint16]int64 // frames of link types we can't read
	notIP   int64
	cut     int64 // packets of which only a part was captured
	tunnels [numTunnels]int64
	scratch []byte
}

func newReader(o format.Options) *reader {
	return &reader{o: o, table: newTable(maxFlows), frags: newFragments(), sniff: newSniffer(), owners: newOwners(), links: map[uint16]int64{}}
}

// Read implements format.Reader.
func (r *reader) Read(b *event.Batch) error {
	for range burst {
		if !r.drain(b) {
			return nil
		}
		if r.end != nil {
			return r.end
		}
		r.f.data, r.f.owner, r.f.way, r.f.shared = nil, 0, wayUnknown, false
		if err := r.in.next(b, &r.f); err != nil {
			r.finish(b, err)
			continue
		}
		if r.f.data != nil {
			b.Packets++
			if !r.untimed {
				b.Saw(r.f.time)
			}
			r.packet(b)
		}
	}
	return nil
}

// drain gives what is ready. It says whether b has room for what the next packet may add.
func (r *reader) drain(b *event.Batch) bool {
	for ; r.hosts.more() && b.Len <= event.MaxLen-headroom; r.hosts.pop() {
		r.putHost(b)
	}
	n := 0
	for ; n < len(r.ready) && b.Len <= event.MaxLen-headroom && !b.Full(); n++ {
		slot := r.ready[n]
		r.endSniff(b, slot)
		r.putFlow(b, r.table.flow(slot))
		r.putOwners(b, slot, r.table.flow(slot))
		r.table.free(slot)
	}
	if n > 0 {
		r.ready = append(r.ready[:0], r.ready[n:]...)
	}
	return b.Len <= event.MaxLen-headroom && !b.Full()
}

// finish ends every flow when the capture has ended with err.
func (r *reader) finish(b *event.Batch, err error) {
	r.end = err
	r.ready = r.table.drop(r.ready, func(*flow) bool { return true })
	r.in.finish(b)
	r.notes(b)
}

func (r *reader) notes(b *event.Batch) {
	for _, link := range sortedKeys(r.links) {
		b.Note("link type " + linkName(link) + " is not read: " + commas(r.links[link]) + " packets")
	}
	if r.table.evicted > 0 {
		b.Note("more than " + commas(int64(r.table.limit)) + " flows at once: " + commas(r.table.evicted) +
			" of them were ended early, their later packets are flows of their own")
	}
	if n := r.sniff.beyond; n > 0 {
		b.Note("more begins of streams at once than are followed: " + commas(n) + " of them were not, their names are missing")
	}
	if n := r.frags.beyond; n > 0 {
		b.Note("more than " + commas(maxFragments) + " fragmented packets at once: " + commas(n) + " were forgotten, their fragments can be flows of their own, without ports")
	}
	r.owners.notes(b)
	if s := tunnelNote(&r.tunnels); s != "" {
		b.Note(s)
	}
	if r.cut > 0 {
		b.Note(commas(r.cut) + " of " + commas(r.f.num) + " packets were cut when captured (snaplen): names in them can be missing")
	}
	if r.notIP > 0 && r.notIP == r.f.num {
		b.Note("none of its " + commas(r.notIP) + " packets is IP")
	}
}

// packet counts the frame to its flow and looks for names in it.
func (r *reader) packet(b *event.Batch) {
	f, p := &r.f, &r.p
	if f.orig > len(f.data) {
		r.cut++
	}
	if f.link == linkPKTAP || f.link == linkPKTAP2 {
		r.pktap()
	}
	switch why := p.decode(f); why {
	case decoded:
	case notIP:
		r.notIP++
		return
	case unknownLink:
		r.links[f.link]++
		b.AddBad(f.num, f.off, why)
		return
	default:
		b.AddBad(f.num, f.off, why)
		return
	}
	for depth := 0; depth < maxTunnels && (p.proto == protoIPIP || p.proto == proto6in4 || p.proto == protoGRE); depth++ {
		if !r.inside((*packet).carried) {
			break
		}
	}
	r.flowOf(b)
	for depth := p.depth(); depth < maxTunnels && p.proto == protoUDP && r.inside((*packet).wrapped); depth = p.depth() {
		r.flowOf(b)
	}
}

// inside goes into the tunnel that the packet is a part of, as seen by what. If it is none, the packet stays what it was.
func (r *reader) inside(what func(*packet) (inside, bool)) bool {
	p := &r.p
	if p.frag != notFragment {
		return false
	}
	in, ok := what(p)
	if !ok {
		return false
	}
	outer := *p
	if !p.enter(in) {
		*p = outer
		return false
	}
	r.tunnels[in.kind]++
	return true
}

// flowOf counts the packet to its flow and looks into it.
func (r *reader) flowOf(b *event.Batch) {
	f, p := &r.f, &r.p
	if p.frag != notFragment {
		r.frags.place(p, f.time)
	}
	slot, fl, dir := r.count(f, p)
	if f.owner != 0 {
		r.hint(slot, fl, dir)
	}
	if len(p.payload) > 0 && p.frag != laterFragment {
		r.look(b, slot, fl, dir)
	}
}

// count adds the packet to its flow, a new one if need be.
func (r *reader) count(f *frame, p *packet) (slot uint32, fl *flow, dir int) {
	k, dir := p.key()
	var born flow // what a new flow knows of the one it follows
	slot, fl = r.table.find(&k)
	if fl != nil && fl.endsBefore(f, p, dir) {
		born.follow(fl, f, p)
		r.table.detach(slot)
		r.ready = append(r.ready, slot)
		fl = nil
	}
	if fl == nil {
		if r.table.tired(f.time) {
			r.ready = r.table.sweep(r.ready, f.time)
		}
		slot, fl = r.table.add(&k, born)
		fl.begin(f, p, dir, r.untimed)
	}
	fl.add(f, p, dir)
	return slot, fl, dir
}

func matchNG(head []byte) bool {
	return len(head) >= 12 && bytes.HasPrefix(head, []byte{0x0a, 0x0d, 0x0d, 0x0a}) && ngOrder(head[8:]) != nil
}

func openNG(src *format.Source, o format.Options) (format.Reader, error) {
	r := newReader(o)
	r.untimed = true
	r.in = &ng{in: newInput(src.Stream()), r: r, byPID: map[uint32]int32{}}
	return r, nil
}

func matchClassic(head []byte) bool {
	_, ok := parseHeader(head)
	return ok
}

func openClassic(src *format.Source, o format.Options) (format.Reader, error) {
	r := newReader(o)
	c := &classic{in: newInput(src.Stream())}
	if err := c.begin(); err != nil {
		return nil, err
	}
	r.in = c
	return r, nil
}
