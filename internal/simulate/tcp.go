package simulate

import (
	"net/netip"
	"time"
)

// TCP flags.
const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
)

const mss = 1460

// A talk is a TCP connection while it is being made.
type talk struct {
	*builder
	n     int // its index into Case.Connections
	k     *Connection
	local int // the direction in which this machine sends: 0, or 1 if it accepted the connection
	proc  int
	rtt   time.Duration
	seq   [2]uint32 // next sequence number of each side
	off   [2]int64  // next offset in each side's stream
}

// tcp makes the planned connection.
func (b *builder) tcp(pl *plan) {
	s := &b.servers[pl.server]
	n := b.connect(Connection{
		Transport: "tcp", Source: netip.AddrPortFrom(b.Addr, pl.port), Destination: s.Addr, Process: pl.proc, Peer: -1,
		Name: s.Name, Start: pl.at, Story: pl.story, Reused: pl.reused, Midstream: pl.midstream, Open: pl.open, Reset: pl.reset,
		isn: [2]uint32{b.rng.Uint32(), b.rng.Uint32()},
	})
	t := &talk{builder: b, n: n, k: &b.Connections[n], proc: pl.proc, rtt: b.between(900*time.Microsecond, 4300*time.Microsecond)}
	t.seq = t.k.isn
	at := pl.at
	if !pl.midstream {
		at = t.open(at)
	}
	at = t.exchange(pl, at)
	if !pl.open {
		at = t.close(at, pl.reset)
	}
	t.k.End = at
}

// open shakes hands and gives the time when that is done. The process hears of it at once, 1 to 5 ms after the SYN.
func (t *talk) open(at time.Duration) time.Duration {
	t.packet(at, 0, syn, 0)
	t.seq[0]++
	t.packet(at+t.rtt, 1, syn|ack, 0)
	t.seq[1]++
	at += t.rtt + t.between(20*time.Microsecond, 80*time.Microsecond)
	t.packet(at, 0, ack, 0)
	op := TCPConnect
	if t.local == 1 {
		op = TCPAccept
	}
	t.note(at+t.between(60*time.Microsecond, 500*time.Microsecond), op, 0)
	return at + t.between(200*time.Microsecond, 2*time.Millisecond)
}

// exchange moves the planned bytes in questions and answers spread over the connection's life.
func (t *talk) exchange(pl *plan, at time.Duration) time.Duration {
	tls := t.k.Destination.Port() == 443
	turns := 3 + t.rng.IntN(3)
	up, down := pl.up, pl.down
	switch {
	case t.k.Midstream:
	case tls:
		t.k.Protocol = "tls"
		hello := clientHello(t.rng, t.k.Name)
		at = t.say(0, hello, len(hello), false, at)
		answer := serverHello(t.rng)
		first := min(len(answer)+2800, down)
		at = t.say(1, answer, first, true, at+t.rtt)
		up, down = up-len(hello), down-first
	case t.k.Destination.Port() == 80:
		t.k.Protocol = "http"
		turns = 1
		req, resp := httpMessages(t.k.Name, down)
		at = t.say(0, req, len(req), false, at)
		at = t.say(1, resp, max(down, len(resp)), false, at+t.rtt+t.between(time.Millisecond, 20*time.Millisecond))
		up, down = 0, 0
	}
	ups, downs := t.split(up, turns), t.split(down, turns)
	rest := t.split(int(pl.life), turns+1)
	for i := range turns {
		if up <= 0 {
			break
		}
		at = t.say(0, nil, ups[i], tls, at)
		at = t.say(1, nil, downs[i], tls, at+t.rtt+t.between(time.Millisecond, 30*time.Millisecond))
		at += time.Duration(rest[i])
	}
	return at + time.Duration(rest[turns])
}

// split breaks n into parts of uneven size.
func (b *builder) split(n, parts int) []int {
	cut := make([]int, parts)
	weight, sum := make([]float64, parts), 0.0
	for i := range weight {
		weight[i] = 0.3 + b.rng.Float64()
		sum += weight[i]
	}
	left := max(n, 0)
	for i := range parts - 1 {
		cut[i] = int(float64(max(n, 0)) * weight[i] / sum)
		left -= cut[i]
	}
	cut[parts-1] = left
	return cut
}

// say sends a message of n bytes that begins with head, and records it as its process saw it. It gives the time when the
// other side had all of it.
func (t *talk) say(dir int, head []byte, n int, tls bool, at time.Duration) time.Duration {
	if n <= 0 {
		return at
	}
	t.k.stream[dir].add(head, n, tls)
	t.k.Payload[dir] += int64(n)
	out := dir == t.local
	if out {
		for left := n; left > 0; left -= 65536 {
			t.note(at+t.between(50*time.Microsecond, 900*time.Microsecond), TCPSend, min(left, 65536))
		}
	}
	heard, most := 0, mss*(24+t.rng.IntN(21))
	for sent := 0; sent < n; {
		length := min(mss, n-sent)
		flags := uint8(ack)
		if sent+length == n {
			flags |= psh
		}
		t.packet(at, dir, flags, length)
		sent += length
		heard += length
		last := sent == n
		if last || (sent/mss)%2 == 0 {
			t.acknowledge(dir, at)
		}
		if !out && (last || heard+mss > most) {
			t.note(at+t.between(30*time.Microsecond, 700*time.Microsecond), TCPReceive, heard)
			heard = 0
		}
		if !last {
			at += t.between(14*time.Microsecond, 90*time.Microsecond)
		} else if t.rng.IntN(14) == 0 {
			at = t.again(dir, length, at)
		}
	}
	if out {
		at += t.rtt
	}
	return at + 100*time.Microsecond
}

// acknowledge answers the segment seen at the given time.
func (t *talk) acknowledge(dir int, at time.Duration) {
	if dir == t.local {
		at += t.rtt // the other machine's answer takes the way there and back
	} else {
		at += 12 * time.Microsecond
	}
	t.packet(at, 1-dir, ack, 0)
}

// again sends the last segment once more, as if its acknowledgement had been late.
func (t *talk) again(dir, length int, at time.Duration) time.Duration {
	at += t.between(210*time.Millisecond, 240*time.Millisecond)
	t.seq[dir] -= uint32(length)
	t.off[dir] -= int64(length)
	t.packet(at, dir, ack|psh, length)
	t.acknowledge(dir, at)
	if dir == t.local {
		t.note(at+t.between(50*time.Microsecond, 300*time.Microsecond), TCPRetransmit, length)
	}
	return at + t.rtt
}

// close ends the connection from this machine's side.
func (t *talk) close(at time.Duration, reset bool) time.Duration {
	d := t.local
	t.note(at+t.between(50*time.Microsecond, 500*time.Microsecond), TCPDisconnect, 0)
	if reset {
		t.packet(at, d, rst|ack, 0)
		return at
	}
	t.packet(at, d, fin|ack, 0)
	t.seq[d]++
	at += t.rtt
	t.packet(at, 1-d, ack, 0)
	at += 90 * time.Microsecond
	t.packet(at, 1-d, fin|ack, 0)
	t.seq[1-d]++
	at += 30 * time.Microsecond
	t.packet(at, d, ack, 0)
	return at
}

// packet puts one segment on the wire and moves the sender on by its payload.
func (t *talk) packet(at time.Duration, dir int, flags uint8, length int) {
	p := Packet{At: at, Conn: int32(t.n), Dir: uint8(dir), Flags: flags, Seq: t.seq[dir], Off: t.off[dir], Len: int32(length)}
	if flags&ack != 0 {
		p.Ack = t.seq[1-dir]
	}
	t.Packets = append(t.Packets, p)
	t.seq[dir] += uint32(length)
	t.off[dir] += int64(length)
}

// note records what the process saw.
func (t *talk) note(at time.Duration, op Op, length int) {
	t.record(Record{At: at, Proc: int32(t.proc), Op: op, Conn: int32(t.n), Arg: int32(length), Far: t.local == 1})
}

// visitor is a connection another machine of the network makes to this one.
func (b *builder) visitor() {
	start := b.between(b.at(0.1), b.at(0.8))
	port := uint16(firstPort + b.rng.IntN(lastPort-firstPort))
	n := b.connect(Connection{
		Transport: "tcp", Source: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, 31}), port), Destination: netip.AddrPortFrom(b.Addr, 7680),
		Process: -1, Peer: pDelivery, Start: start, isn: [2]uint32{b.rng.Uint32(), b.rng.Uint32()},
	})
	t := &talk{builder: b, n: n, k: &b.Connections[n], local: 1, proc: pDelivery, rtt: 700 * time.Microsecond}
	t.seq = t.k.isn
	at := t.open(start)
	hello := append([]byte{14}, "Swarm protocol"...)
	at = t.say(0, hello, 103, false, at)
	at = t.say(1, hello, 103, false, at+time.Millisecond)
	at = t.say(0, nil, 17, false, at+b.at(0.02))
	t.k.End = t.close(at+b.at(0.01), false)
}
