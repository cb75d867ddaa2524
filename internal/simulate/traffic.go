package simulate

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// A plan is a connection that will be made.
type plan struct {
	proc, server int
	at, life     time.Duration
	up, down     int // bytes of application data
	story        bool
	quic         bool
	midstream    bool
	open         bool
	reset        bool
	port         uint16
	heir         int // 1 + the plan whose port this one is to have
	reused       bool
}

// Ports Windows gives to outgoing connections begin here.
const firstPort, lastPort = 49152, 65535

// story is what the run is about, with times as parts of it.
func (b *builder) story() []plan {
	plans := []plan{
		// The service that has the port first.
		{proc: pUpdate, server: sUpdate, at: b.at(0.021), life: b.at(0.016), up: 3100, down: 9800, story: true},
		{proc: pOneDrive, server: sLogin, at: b.at(0.262), life: b.at(0.05), up: 4200, down: 15200, story: true},
		{proc: pBroker, server: sLogin, at: b.at(0.291), life: b.at(0.11), up: 9200, down: 42000, story: true},
		{proc: pTeams, server: sTeams, at: b.at(0.002), life: b.at(0.97), up: 2600, down: 3900, story: true, midstream: true, open: true},
		{proc: pBroker, server: 0, at: b.at(0.34213), life: b.at(0.325), up: 14336, down: 98304, story: true},
		{proc: pBroker, server: 1, at: b.at(0.3462), life: b.at(0.21), up: 9870, down: 71680, story: true},
		{proc: pBroker, server: 2, at: b.at(0.4115), life: b.at(0.18), up: 17408, down: 131072, story: true},
		{proc: pBroker, server: 3, at: b.at(0.4271), life: b.at(0.16), up: 10712, down: 61440, story: true},
		{proc: pBroker, server: 0, at: b.at(0.6032), life: b.at(0.045), up: 11264, down: 65536, story: true, heir: 1},
	}
	return plans
}

// traffic makes all connections that the capture may see.
func (b *builder) traffic() {
	plans := b.story()
	for len(plans) < b.Outside {
		plans = append(plans, b.errand(len(plans)))
	}
	b.volumes(plans)
	b.ports(plans)
	plans = b.twins(plans)
	order := make([]int, len(plans))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Or(cmp.Compare(plans[i].at, plans[j].at), cmp.Compare(i, j)) })
	for _, i := range order {
		pl := &plans[i]
		s := &b.servers[pl.server]
		if !pl.midstream {
			b.resolve(s, pl)
		}
		if pl.quic {
			b.quic(pl)
		} else {
			b.tcp(pl)
		}
		b.reverse(s, pl)
	}
	b.visitor()
	b.multicasts()
	b.ping()
}

// errand is a connection of a program that has nothing to do with the story.
func (b *builder) errand(n int) plan {
	s := sUpdate + 1 + b.rng.IntN(len(b.servers)-sUpdate-1)
	users := b.servers[s].users
	pl := plan{proc: users[b.rng.IntN(len(users))], server: s}
	if pl.proc == pChromeNet && b.servers[s].Addr.Port() == 443 {
		pl.quic = b.rng.Float64() < b.UDPShare*2 // about half of the errands are the browser's
	}
	from, to := b.at(0.02), b.at(0.95)
	p := b.Processes[pl.proc]
	if p.Start > 0 {
		from = p.Start + b.at(0.005)
	}
	if p.End > 0 {
		to = p.End - b.at(0.005) - retries
	}
	pl.at = b.between(from, to-b.at(0.03))
	pl.life = b.between(b.at(0.008), min(to-pl.at, b.at(0.3)))
	pl.reset = n%11 == 0
	if pl.open = n%13 == 0 && p.End == 0; pl.open {
		pl.life = b.at(0.97) - pl.at
	}
	return pl
}

// volumes shares out the packets that the story leaves.
func (b *builder) volumes(plans []plan) {
	const segment, perConnection = 1460, 34 // packets a connection takes before it moves anything big
	left := b.Frames - 150 - perConnection*len(plans)
	weight := make([]float64, len(plans))
	sum := 0.0
	for i := range plans {
		pl := &plans[i]
		left -= (pl.up + pl.down) * 3 / (2 * segment)
		if pl.up == 0 && !pl.quic {
			weight[i] = 0.05 + b.rng.ExpFloat64()
			sum += weight[i]
		}
	}
	for i := range plans {
		pl := &plans[i]
		if pl.up > 0 {
			continue
		}
		pl.up, pl.down = 1300+b.rng.IntN(900), 5200+b.rng.IntN(3000)
		if bulk := int(float64(max(left, 0)) * weight[i] / max(sum, 1e-9) * segment * 2 / 3); pl.proc == pOneDrive {
			pl.up += bulk // it has files to bring up
		} else {
			pl.down += bulk
		}
	}
}

// ports gives out local ports in the order Windows does, one after the other, and then some for a second time.
func (b *builder) ports(plans []plan) {
	size := cmp.Or(b.Ports, lastPort-firstPort)
	order := make([]int, len(plans))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Or(cmp.Compare(plans[i].at, plans[j].at), cmp.Compare(i, j)) })
	next := b.rng.IntN(min(size, 900))
	for _, i := range order {
		pl := &plans[i]
		for try := 0; pl.port == 0; try++ {
			port := uint16(firstPort + next%size)
			next++
			if try > size || b.free(plans, port, pl) {
				pl.port = port
				pl.reused = b.had(plans, pl)
			}
		}
	}
	for i := range plans {
		if h := plans[i].heir; h > 0 {
			plans[i].port, plans[i].reused = plans[h-1].port, true
		}
	}
	b.bequeath(plans, order)
}

// bequeath makes as many more connections as the params say from ports that other processes had.
func (b *builder) bequeath(plans []plan, order []int) {
	for left, tries := b.PortReuse, 0; left > 0 && tries < 1000; tries++ {
		pl, old := &plans[order[b.rng.IntN(len(order))]], &plans[order[b.rng.IntN(len(order))]]
		if pl.heir > 0 || pl.reused || old.heir > 0 || old.proc == pl.proc || old.server == pl.server || old.at >= pl.at || old.quic != pl.quic {
			continue
		}
		was := pl.port
		pl.port = old.port
		if !b.free(plans, pl.port, pl) {
			pl.port = was
			continue
		}
		pl.reused = true
		left--
	}
}

// twins adds connections of other processes that have both ends of an earlier one.
func (b *builder) twins(plans []plan) []plan {
	others := []int{pOneDrive, pTeams, pSearch, pChromeNet, pDefender, pExplorer}
	for left, tries := b.Twins, 0; left > 0 && tries < 1000; tries++ {
		old := plans[b.rng.IntN(len(plans))]
		pl := plan{proc: others[b.rng.IntN(len(others))], server: old.server, port: old.port, reused: true, up: 2100, down: 7300}
		pl.at = old.at + old.life + retries + b.between(300*time.Millisecond, 4*time.Second)
		pl.life = b.between(b.at(0.008), b.at(0.05))
		taken := slices.ContainsFunc(plans, func(o plan) bool {
			return o.port == pl.port && o.at < pl.at+pl.life+retries && pl.at < o.at+o.life+retries
		})
		if taken || old.quic || old.proc == pl.proc || pl.at+pl.life > b.at(0.95) {
			continue
		}
		plans = append(plans, pl)
		left--
	}
	return plans
}

// free says whether nobody has the port while the plan wants it, nor had it to the same server.
func (b *builder) free(plans []plan, port uint16, pl *plan) bool {
	for i := range plans {
		o := &plans[i]
		if o == pl || o.port != port {
			continue
		}
		if o.server == pl.server || o.at <= pl.at+pl.life+pause && pl.at <= o.at+o.life+pause {
			return false
		}
	}
	return true
}

// had says whether another process had the plan's port before.
func (b *builder) had(plans []plan, pl *plan) bool {
	return slices.ContainsFunc(plans, func(o plan) bool { return o.port == pl.port && o.at < pl.at && o.proc != pl.proc && o.quic == pl.quic })
}

const (
	pause   = 3 * time.Second // a port rests at least
	retries = 2 * time.Second // retransmissions may add to a connection's life
)

// loopback adds talk between two processes of the machine, which no capture of its network card sees, until there are as
// many TCP records as wanted.
func (b *builder) loopback() {
	have := 0
	for i := range b.Records {
		if b.Records[i].Op.TCP() {
			have++
		}
	}
	left := b.TCPRows - have
	if left < 6 {
		return
	}
	local := netip.MustParseAddr("127.0.0.1")
	end := b.at(cmp.Or(b.HostEnd, 1))
	n := b.connect(Connection{
		Transport: "tcp", Source: netip.AddrPortFrom(local, 49731), Destination: netip.AddrPortFrom(local, 49730),
		Process: pTeams, Peer: pTeams, Start: b.at(0.01), Story: true,
	})
	k := &b.Connections[n]
	rec := func(at time.Duration, op Op, length int, far bool) {
		b.record(Record{At: at, Proc: pTeams, Op: op, Conn: int32(n), Arg: int32(length), Far: far})
		left--
	}
	rec(k.Start, TCPConnect, 0, false)
	rec(k.Start+4*time.Microsecond, TCPAccept, 0, true)
	step := (end - k.Start - b.at(0.02)) / time.Duration(left)
	for t, dir := k.Start+step, 0; left > 0; t, dir = t+2*step, 1-dir {
		length := 16 + b.rng.IntN(900)
		rec(t, TCPSend, length, dir == 1)
		if left > 0 {
			rec(t+23*time.Microsecond, TCPReceive, length, dir == 0)
		}
		k.Payload[dir] += int64(length)
		k.End = t
	}
}
