package pcap

import (
	"cmp"
	"maps"
	"slices"
)

const (
	// maxFlows is how many flows are alive at most: about 400 MB of them.
	maxFlows = 1 << 20
	// maxLengths is how many payload lengths are kept of each direction.
	maxLengths = 16
	// calm is the number of flows below which nobody looks for idle ones.
	calm = 1024

	second      = int64(1e9)
	idleTCP     = 300 * second
	idleOther   = 60 * second
	idleDNS     = 10 * second
	afterClose  = 5 * second // how long packets may straggle in behind a connection's end
	sweepPeriod = 60 * second
)

// What one end of a flow has done.
const (
	didSYN    = 1 << iota // SYN without ACK
	didSYNACK             // SYN with ACK
	didFIN
	didRST
	didOther // anything without SYN or RST
)

// A flow is packets of one key between a start and an end. It holds no pointers: the collector need not look at a million
// of them.
type flow struct {
	key
	first, last       int64 // times
	firstNum, lastNum int64 // packets
	firstOff          int64
	packets           [2]int64 // by direction: 0 is a to b, as all pairs here
	bytes             [2]int64
	payload           [2]int64
	isn               [2]uint32 // of a SYN or SYN-ACK
	lengths           [2 * maxLengths]int32
	count             [2]uint8 // of lengths
	did               [2]uint8
	look              [2]uint8 // how far the search for names is: lookFirst, ...
	macs              [2][6]byte
	vlan              uint16
	tunnel            uint16
	app               uint8 // appDNS, ...
	firstDir          uint8
	synDir            uint8
	heir              uint8 // it goes on with a connection whose opener was seen: 1 + the opener's direction
	live, untimed     bool
	hasMAC            bool
}

// begin sets what the first packet says.
func (fl *flow) begin(f *frame, p *packet, dir int, untimed bool) {
	fl.first, fl.firstNum, fl.firstOff, fl.firstDir = f.time, f.num, f.off, uint8(dir)
	fl.last = f.time
	fl.untimed, fl.vlan, fl.tunnel = untimed, p.vlan, p.tunnel
	if fl.hasMAC = p.hasMAC; p.hasMAC {
		fl.macs = p.macs
		if dir == 1 {
			fl.macs[0], fl.macs[1] = p.macs[1], p.macs[0]
		}
	}
}

// add counts a packet.
func (fl *flow) add(f *frame, p *packet, dir int) {
	// Interfaces of one capture can be some microseconds out of order.
	fl.first, fl.last = min(fl.first, f.time), max(fl.last, f.time)
	fl.lastNum = f.num
	fl.packets[dir]++
	fl.bytes[dir] += int64(p.ipLen)
	fl.payload[dir] += int64(p.payLen)
	if p.whole > 0 && fl.count[dir] < maxLengths {
		n := int32(min(p.whole, maxFrame))
		if dir == 1 {
			n = -n
		}
		fl.lengths[fl.count[0]+fl.count[1]] = n
		fl.count[dir]++
	}
	if p.proto == protoTCP {
		fl.addFlags(p, dir)
	}
}

// idle is how long a flow may be silent and still be the same, in Zeek's measure.
func (fl *flow) idle() int64 {
	switch {
	case fl.proto == protoTCP && (fl.did[0]|fl.did[1])&didRST == 0 && fl.did[0]&fl.did[1]&didFIN == 0:
		return idleTCP
	case fl.proto == protoTCP:
		return afterClose
	case fl.proto == protoUDP && (fl.ap == 53 || fl.bp == 53):
		return idleDNS
	}
	return idleOther
}

// follow lets a new flow take what it can from the one before it with the same key.
func (fl *flow) follow(old *flow, f *frame, p *packet) {
	// A connection that was silent for long is still the same connection, whose opener is known.
	if from, how := old.source(); how == "syn" && p.flags&tcpSYN == 0 && (old.did[0]|old.did[1])&(didFIN|didRST) == 0 {
		fl.heir = uint8(1 + from)
	}
}

// A table holds the flows alive.
type table struct {
	slots   map[key]uint32
	chunks  []*[1024]flow
	unused  []uint32 // slots given back
	used    uint32   // slots ever given
	limit   int
	evicted int64

	lastKey  key // the flow found last: packets come in bursts
	lastSlot uint32
	lastFlow *flow

	swept int64 // time of the last sweep
	added int   // flows since
}

func newTable(limit int) *table { return &table{slots: map[key]uint32{}, limit: limit} }

func (t *table) flow(slot uint32) *flow { return &t.chunks[slot/1024][slot%1024] }

func (t *table) find(k *key) (uint32, *flow) {
	if t.lastFlow != nil && t.lastKey == *k {
		return t.lastSlot, t.lastFlow
	}
	slot, ok := t.slots[*k]
	if !ok {
		return 0, nil
	}
	t.lastKey, t.lastSlot, t.lastFlow = *k, slot, t.flow(slot)
	return slot, t.lastFlow
}

// add makes a flow of key k that begins as born.
func (t *table) add(k *key, born flow) (uint32, *flow) {
	var slot uint32
	if n := len(t.unused); n > 0 {
		slot, t.unused = t.unused[n-1], t.unused[:n-1]
	} else {
		slot = t.used
		if t.used++; slot%1024 == 0 {
			t.chunks = append(t.chunks, new([1024]flow))
		}
	}
	fl := t.flow(slot)
	*fl = born
	fl.key, fl.live = *k, true
	t.slots[*k] = slot
	t.added++
	t.lastKey, t.lastSlot, t.lastFlow = *k, slot, fl
	return slot, fl
}

// detach takes a flow out of the table: its key may begin another. Its slot stays taken until free.
func (t *table) detach(slot uint32) {
	fl := t.flow(slot)
	fl.live = false
	delete(t.slots, fl.key)
	if t.lastFlow == fl {
		t.lastFlow = nil
	}
}

// free gives back the slot of a detached flow.
func (t *table) free(slot uint32) { t.unused = append(t.unused, slot) }

// tired says whether it is time to look for idle flows. It is asked for every new flow.
func (t *table) tired(now int64) bool {
	n := len(t.slots)
	// Looking takes time for every slot, so a quarter as many flows must have been added since.
	return n >= t.limit || n >= calm && now-t.swept >= sweepPeriod && t.added >= int(t.used)/4
}

// sweep detaches the idle flows and, when the table was full and that leaves it more than 7/8 full, those idle for longest.
// It appends their slots to ready.
func (t *table) sweep(ready []uint32, now int64) []uint32 {
	full := len(t.slots) >= t.limit
	t.swept, t.added = now, 0
	ready = t.drop(ready, func(fl *flow) bool { return now-fl.last > fl.idle() })
	most := len(t.slots) - t.limit/8*7
	if !full || most <= 0 {
		return ready
	}
	times := make([]int64, 0, len(t.slots))
	for _, slot := range t.slots {
		times = append(times, t.flow(slot).last)
	}
	slices.Sort(times)
	oldest := times[most-1]
	before := len(ready)
	ready = t.drop(ready, func(fl *flow) bool {
		if fl.last > oldest || most == 0 {
			return false
		}
		most--
		return true
	})
	t.evicted += int64(len(ready) - before)
	return ready
}

// drop detaches the flows that pick wants and appends their slots to ready, in the order of their first packets.
func (t *table) drop(ready []uint32, pick func(*flow) bool) []uint32 {
	from := len(ready)
	for slot := range t.used {
		if fl := t.flow(slot); fl.live && pick(fl) {
			t.detach(slot)
			ready = append(ready, slot)
		}
	}
	slices.SortFunc(ready[from:], func(a, b uint32) int { return cmp.Compare(t.flow(a).firstNum, t.flow(b).firstNum) })
	return ready
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
