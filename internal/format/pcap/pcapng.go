package pcap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"net/netip"

	"culprit/internal/event"
)

const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockNames     = 4
	blockStats     = 5
	blockEnhanced  = 6
	blockCustom    = 0xbad
	blockCustom2   = 0x40000bad // not to be copied to another file
	blockProcess   = 0x80000001 // macOS

	// maxBlock is the largest block that is looked at; larger ones are passed over. Only name and unknown blocks come near.
	maxBlock = 2 << 20
	// maxInterfaces bounds the memory hostile sections can ask for.
	maxInterfaces = 1 << 16
)

// ng is a pcapng.
type ng struct {
	in     *input
	r      *reader
	order  binary.ByteOrder // nil before the first section
	ifs    []ngInterface
	n      int64 // packets so far
	time   int64 // of the last packet that had one
	lastIf uint32
	simple int64 // packets that had none
	drops  int64 // said by packets
	lost   []lost

	processes []int32          // owners by the number of their process block in the section
	byPID     map[uint32]int32 // owners of Wireshark's process blocks
	comments  []byte
}

// lost is what an interface's statistics say it dropped: the last block counts, they add up themselves.
type lost struct {
	name         string
	drop, osDrop uint64
}

type ngInterface struct {
	name    string
	link    uint16
	snaplen uint32
	resol   uint8 // if_tsresol
	offset  int64 // seconds
	shared  bool  // sharedInterface
	lost    int   // index in ng.lost, -1 before any statistics
}

// ngOrder gives the byte order that a section header's magic tells, nil when it is none.
func ngOrder(magic []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(magic, []byte{0x4d, 0x3c, 0x2b, 0x1a}):
		return binary.LittleEndian
	case bytes.HasPrefix(magic, []byte{0x1a, 0x2b, 0x3c, 0x4d}):
		return binary.BigEndian
	}
	return nil
}

// next implements capture: it reads one block.
func (c *ng) next(b *event.Batch, f *frame) error {
	head, err := c.in.peek(12)
	if len(head) < 12 {
		if len(head) > 0 {
			c.bad(b, fmt.Sprintf("ends inside a block's header (12 bytes needed, %d present)", len(head)))
		}
		return err
	}
	if binary.LittleEndian.Uint32(head) == blockSection { // the same in both byte orders
		order := ngOrder(head[8:])
		if order == nil {
			c.bad(b, fmt.Sprintf("section header with magic %x: a pcapng can't be read beyond that", head[8:12]))
			return io.EOF
		}
		c.order, c.ifs, c.processes = order, c.ifs[:0], c.processes[:0]
		clear(c.byPID)
	}
	if c.order == nil {
		c.bad(b, "it does not begin with a section header")
		return io.EOF
	}
	kind, size := c.order.Uint32(head), c.order.Uint32(head[4:])
	whole := int64(size) + int64(-size&3) // some writers don't count the padding
	switch {
	case size < 12:
		c.bad(b, fmt.Sprintf("block of %d bytes, impossible: a pcapng can't be read beyond that", size))
		return io.EOF
	case whole > maxBlock:
		return c.skip(b, kind, whole)
	}
	block, err := c.in.peek(int(whole))
	if int64(len(block)) < whole {
		return c.cut(b, kind, block, int(whole), err)
	}
	if !c.lengthsAgree(b, block, size) {
		return io.EOF
	}
	f.off = c.in.off
	c.block(b, f, kind, block[8:whole-4])
	c.in.take(int(whole))
	return nil
}

// bad tells of something wrong at the current offset; its record is the packet that should come.
func (c *ng) bad(b *event.Batch, what string) { b.AddBad(c.n+1, c.in.off, what) }

func (c *ng) skip(b *event.Batch, kind uint32, whole int64) error {
	off := c.in.off
	if kind == blockEnhanced || kind == blockSimple || kind == blockPacket {
		c.n++
	}
	have, err := c.in.skip(whole)
	switch {
	case err != nil:
		b.AddBad(c.n+1, off, fmt.Sprintf("ends inside a block of type %#x (%s bytes announced, %s present)", kind, commas(whole), commas(have)))
	case kind <= blockEnhanced:
		b.AddBad(c.n+1, off, fmt.Sprintf("block of type %d has %s bytes: passed over", kind, commas(whole)))
	}
	return err
}

// cut tells that the capture ends inside a block.
func (c *ng) cut(b *event.Batch, kind uint32, block []byte, whole int, err error) error {
	if kind == blockEnhanced && len(block) >= 28 && int64(c.order.Uint32(block[20:])) > int64(len(block)-28) {
		return ends(b, c.n+1, c.in.off, "inside ", int(c.order.Uint32(block[20:])), len(block)-28, err)
	}
	if kind == blockEnhanced || kind == blockSimple || kind == blockPacket {
		return ends(b, c.n+1, c.in.off, "inside the block of ", whole, len(block), err)
	}
	c.bad(b, fmt.Sprintf("ends inside a block of type %#x (%s bytes announced, %s present)", kind, commas(int64(whole)), commas(int64(len(block)))))
	return err
}

// lengthsAgree says whether reading can go on beyond a block: its length stands at both ends, or at least another block
// follows.
func (c *ng) lengthsAgree(b *event.Batch, block []byte, size uint32) bool {
	tail := c.order.Uint32(block[len(block)-4:])
	if tail == size || tail == uint32(len(block)) {
		return true
	}
	what := fmt.Sprintf("block with length %d at its begin and %d at its end", size, tail)
	next, _ := c.in.peek(len(block) + 8)
	next = next[len(block):]
	if len(next) < 8 || plausible(c.order.Uint32(next), c.order.Uint32(next[4:])) {
		c.bad(b, what)
		return true
	}
	c.bad(b, what+", and none follows: a pcapng can't be read beyond that")
	return false
}

func plausible(kind, size uint32) bool {
	return (kind <= 16 || kind == blockSection || kind == 0xbad || kind == 0x40000bad || kind>>31 == 1) && size >= 12 && size <= maxBlock
}

// block reads the body of one block.
func (c *ng) block(b *event.Batch, f *frame, kind uint32, body []byte) {
	ok := true
	switch kind {
	case blockInterface:
		ok = c.iface(body)
	case blockEnhanced:
		if ok = len(body) >= 20; ok {
			c.enhanced(b, f, body)
		}
	case blockPacket:
		if ok = len(body) >= 20; ok {
			if drops := c.order.Uint16(body[2:]); drops != math.MaxUint16 {
				c.drops += int64(drops)
			}
			c.frame(b, f, uint32(c.order.Uint16(body)), body)
		}
	case blockSimple:
		if ok = len(body) >= 4; ok {
			c.simplePacket(b, f, body)
		}
	case blockNames:
		c.r.hosts.parse(c.order, body, c.in.off)
	case blockStats:
		if ok = len(body) >= 12; ok {
			c.stats(body)
		}
	case blockProcess:
		ok = c.darwinProcess(body)
	case blockCustom, blockCustom2:
		c.custom(body)
	}
	if !ok {
		c.bad(b, fmt.Sprintf("block of type %d with %d bytes can't be used", kind, len(body)+12))
	}
}

func (c *ng) iface(body []byte) bool {
	if len(body) < 8 || len(c.ifs) >= maxInterfaces {
		return false
	}
	i := ngInterface{link: c.order.Uint16(body), snaplen: c.order.Uint32(body[4:]), resol: 6, lost: -1}
	for code, v := range c.options(body[8:]) {
		switch {
		case code == 2:
			i.name = string(v[:min(len(v), 64)])
			i.shared = sharedInterface(i.name)
		case code == 9 && len(v) >= 1:
			i.resol = v[0]
		case code == 14 && len(v) >= 8:
			i.offset = int64(c.order.Uint64(v))
		}
	}
	c.ifs = append(c.ifs, i)
	return true
}

// options gives the options of a block.
func (c *ng) options(d []byte) func(yield func(uint16, []byte) bool) { return options(c.order, d) }

func options(order binary.ByteOrder, d []byte) func(yield func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(d) >= 4 {
			code, size := order.Uint16(d), int(order.Uint16(d[2:]))
			d = d[4:]
			if code == 0 || size > len(d) || !yield(code, d[:size]) {
				return
			}
			d = d[min(len(d), size+(-size&3)):]
		}
	}
}

func (c *ng) enhanced(b *event.Batch, f *frame, body []byte) {
	c.frame(b, f, c.order.Uint32(body), body)
	if f.data == nil {
		return
	}
	rest := body[20+len(f.data):]
	if rest = rest[min(len(rest), -len(f.data)&3):]; len(rest) > 4 {
		c.packetOptions(f, rest)
	}
}

func (c *ng) packetOptions(f *frame, d []byte) {
	f.shared = c.ifs[c.lastIf].shared
	c.comments = c.comments[:0]
	for code, v := range c.options(d) {
		switch {
		case code == 1 && mayName(v) && len(c.comments) < 4*maxOwnerText:
			c.comments = append(append(c.comments, v...), '\n')
		case code == 2 && len(v) >= 4:
			if f.way = uint8(c.order.Uint32(v) & 3); f.way == 3 {
				f.way = wayUnknown
			}
		case code == 4 && len(v) >= 8:
			c.drops += int64(min(c.order.Uint64(v), math.MaxInt32))
		case code == 8 && len(v) >= 8:
			if id := c.byPID[c.order.Uint32(v)]; id != 0 {
				f.owner = id
			} else {
				f.owner = c.r.owners.id(owner{provider: "pcapng", pid: int64(c.order.Uint32(v))})
			}
		case code == 0x8001 && len(v) >= 4 && f.owner == 0:
			if n := c.order.Uint32(v); int64(n) < int64(len(c.processes)) {
				f.owner = c.processes[n]
			}
		}
	}
	if len(c.comments) > 0 && f.owner == 0 {
		f.owner = c.r.owners.comment(c.comments)
	}
}

// frame fills f from the 20 bytes that an enhanced and an obsolete packet block share, and the data behind them.
func (c *ng) frame(b *event.Batch, f *frame, id uint32, body []byte) {
	c.n++
	size, orig := c.order.Uint32(body[12:]), c.order.Uint32(body[16:])
	f.num = c.n
	if int64(id) >= int64(len(c.ifs)) {
		b.AddBad(c.n, f.off, fmt.Sprintf("packet of interface %d, which the section has not described", id))
		return
	}
	if int64(size) > int64(len(body)-20) || size > maxFrame {
		b.AddBad(c.n, f.off, fmt.Sprintf("packet of %s bytes in a block of %s", commas(int64(size)), commas(int64(len(body)+12))))
		return
	}
	i := &c.ifs[id]
	t, ok := i.when(uint64(c.order.Uint32(body[4:]))<<32 | uint64(c.order.Uint32(body[8:])))
	if !ok {
		b.AddBad(c.n, f.off, "its time lies outside the years 1677 to 2262")
		return
	}
	c.time, c.r.untimed, c.lastIf = t, false, id
	f.time, f.link = t, i.link
	f.data, f.orig = body[20:20+size], max(int(orig), int(size))
}

// simplePacket fills f from a simple packet block: no time, interface 0, and the captured length follows from the snaplen.
func (c *ng) simplePacket(b *event.Batch, f *frame, body []byte) {
	c.n++
	f.num = c.n
	if len(c.ifs) == 0 {
		b.AddBad(c.n, f.off, "packet of interface 0, which the section has not described")
		return
	}
	orig := c.order.Uint32(body)
	size := min(int64(orig), int64(len(body)-4))
	if s := c.ifs[0].snaplen; s > 0 {
		size = min(size, int64(s))
	}
	c.simple++
	f.time, f.link = c.time, c.ifs[0].link
	f.data, f.orig = body[4:4+size], int(orig)
}

// when turns an interface's count of time units into nanoseconds since 1970.
func (i *ngInterface) when(units uint64) (ns int64, ok bool) {
	var sec, frac uint64
	switch n := uint(i.resol & 0x7f); {
	case i.resol&0x80 != 0 && n < 64:
		sec = units >> n
		hi, lo := bits.Mul64(units&(1<<n-1), 1e9)
		frac = lo>>n | hi<<(64-n) // a shift by 64 gives 0, as it must for n = 0
	case i.resol&0x80 != 0:
		hi, _ := bits.Mul64(units, 1e9)
		frac = hi >> (n - 64)
	case n <= 9:
		sec, frac = units/pow10[n], units%pow10[n]*pow10[9-n]
	case n <= 19:
		sec, frac = units/pow10[n], units%pow10[n]/pow10[n-9]
	case n <= 28:
		frac = units / pow10[n-9]
	}
	const limit = math.MaxInt64/1_000_000_000 - 1
	if sec > limit {
		return 0, false
	}
	s := int64(sec) + i.offset // i.offset may be anything: a wrapped sum lies outside the limits or is as wrong as its source
	if s > limit || s < -limit {
		return 0, false
	}
	return s*1e9 + int64(frac), true
}

// pow10 is never written.
var pow10 = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

func (c *ng) stats(body []byte) {
	id := c.order.Uint32(body)
	if int64(id) >= int64(len(c.ifs)) {
		return
	}
	i := &c.ifs[id]
	for code, v := range c.options(body[12:]) {
		if code != 5 && code != 7 || len(v) < 8 {
			continue
		}
		if i.lost < 0 {
			if len(c.lost) >= maxInterfaces {
				return
			}
			i.lost = len(c.lost)
			name := i.name
			if name == "" {
				name = fmt.Sprint(id)
			}
			c.lost = append(c.lost, lost{name: name})
		}
		if code == 5 {
			c.lost[i.lost].drop = c.order.Uint64(v)
		} else {
			c.lost[i.lost].osDrop = c.order.Uint64(v)
		}
	}
}

// finish implements capture.
func (c *ng) finish(b *event.Batch) {
	notes := 0
	for _, l := range c.lost {
		// What the system dropped is counted within what the interface dropped by some writers, beside it by others.
		n := max(l.drop, l.osDrop)
		if n == 0 || n > math.MaxInt64 {
			continue
		}
		if notes++; notes <= 8 {
			b.Note("interface " + l.name + " dropped " + commas(int64(n)) + " packets: flows can lack packets or be missing")
		}
	}
	if c.drops > 0 {
		b.Note(commas(c.drops) + " packets were dropped between those captured: flows can lack packets or be missing")
	}
	if c.simple > 0 {
		b.Note(commas(c.simple) + " packets have no time (simple packet blocks): they count as of the packet before them")
	}
}

// hostNames are the names of a pcapng's name resolution blocks, given one by one because a block can hold more than a batch.
type hostNames struct {
	list []hostName
	at   int
}

type hostName struct {
	name string
	addr netip.Addr
	off  int64 // of its block
}

func (h *hostNames) more() bool      { return h.at < len(h.list) }
func (h *hostNames) first() hostName { return h.list[h.at] }

func (h *hostNames) pop() {
	if h.at++; h.at == len(h.list) {
		h.list, h.at = h.list[:0], 0
	}
}

// parse reads a name resolution block: records of type, length, an address and the names it has, each ended by a zero byte.
func (h *hostNames) parse(order binary.ByteOrder, d []byte, off int64) {
	for len(d) >= 4 {
		kind, size := order.Uint16(d), int(order.Uint16(d[2:]))
		d = d[4:]
		if kind == 0 || size > len(d) {
			return
		}
		v := d[:size]
		d = d[min(len(d), size+(-size&3)):]
		n := map[uint16]int{1: 4, 2: 16}[kind]
		if n == 0 || len(v) < n {
			continue
		}
		addr, _ := netip.AddrFromSlice(v[:n])
		for name := range bytes.SplitSeq(v[n:], []byte{0}) {
			if name := canonical(name); name != "" {
				h.list = append(h.list, hostName{name, addr, off})
			}
		}
	}
}
