package simulate

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// A Case is one invented run. Times are durations since Params.Start, true ones: the host's clock is right until it steps;
// Case.Wall and Case.Wire turn them into what the host's and the capture's clock showed.
type Case struct {
	Params
	Host        string
	Addr        netip.Addr
	Processes   []Process
	Connections []Connection
	Lookups     []Lookup
	Records     []Record // of Procmon, in order
	Packets     []Packet // of the capture, in order

	gateway netip.AddrPort // the DNS server
	servers []Server
	ptr     map[netip.Addr]string // reverse names; only ever looked up by key, so that order can't leak into the output
	noise   []byte                // what encrypted data looks like
}

// A Connection is the truth about one connection, or one exchange of datagrams.
type Connection struct {
	Transport   string // tcp, udp, icmp
	Source      netip.AddrPort
	Destination netip.AddrPort
	Process     int    // at the source, index into Case.Processes, -1 if that is another machine
	Peer        int    // at the destination
	Name        string // that the program asked for
	Protocol    string // tls, dns, quic, http or ""
	Start, End  time.Duration
	Payload     [2]int64 // application's bytes from source, from destination
	Packets     [2]int   // captured
	Bytes       [2]int64 // captured, IP headers and up
	First, Last int      // packet numbers, from 1; 0: not captured
	Records     int      // of Procmon; 0: the host didn't record it
	Story       bool     // one of those the story is about
	Reused      bool     // another process had the source port before
	Midstream   bool     // older than the recording
	Open        bool     // still open at its end
	Reset       bool     // ended by RST

	isn    [2]uint32
	stream [2]stream
	uid    string
}

// Captured says whether the capture has any packet of it.
func (k *Connection) Captured() bool { return k.First > 0 }

// A Lookup is a name asked for by a process, whoever sent the packets.
type Lookup struct {
	Process int
	At      time.Duration
	Name    string
	Type    uint16
	Alias   []string
	Addr    netip.Addr // answered to A
	Answer  string     // answered to PTR
	Failed  bool       // NXDOMAIN
	Conn    int        // the exchange with the DNS server, -1: answered from the cache
	Took    time.Duration
}

// Wall is a time as the host's clock showed it.
func (c *Case) Wall(d time.Duration) time.Time {
	if c.Step != 0 && d > c.Duration/2 {
		d += c.Step
	}
	return c.Start.Add(d)
}

// Wire is a time as the capture's clock showed it.
func (c *Case) Wire(d time.Duration) time.Time {
	return c.Start.Add(d + c.Offset + time.Duration(float64(d)*c.Drift))
}

// A builder is what New needs beside the case.
type builder struct {
	*Case
	rng    *rand.Rand
	cached map[string]bool // names Windows has in its cache
	asked  map[uint16]bool // ports that DNS questions came from
	cover  bool            // whether the host records the connection in hand
}

// New invents a case.
func New(p Params) *Case {
	if p.Zone == nil {
		p.Zone = time.UTC
	}
	c := &Case{
		Params: p, Host: []string{"LAPTOP-8T4K2VQ", "DESKTOP-1C9RWNE", "WS-0412"}[p.Machine%3],
		Addr:    netip.AddrFrom4([4]byte{192, 168, 1, byte(20 + p.Machine)}),
		gateway: netip.MustParseAddrPort("192.168.1.1:53"), servers: servers(), ptr: map[netip.Addr]string{},
	}
	b := &builder{Case: c, rng: rand.New(rand.NewPCG(p.Seed, uint64(p.Machine))), cached: map[string]bool{}, asked: map[uint16]bool{}}
	c.Processes = cast(c.Host, p.Duration)
	c.noise = make([]byte, 1<<16)
	for i := range c.noise {
		c.noise[i] = byte(b.rng.Uint32())
	}
	for _, s := range c.servers {
		if s.PTR != "" {
			c.ptr[s.Addr.Addr()] = s.PTR
		}
	}
	b.traffic()
	b.lives()
	b.cutoff()
	b.loopback()
	b.background()
	c.finish()
	return c
}

// between gives a duration in [lo, hi), a whole number of 100 ns as Windows counts them; lo if there is none.
func (b *builder) between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo.Truncate(100)
	}
	return (lo + time.Duration(b.rng.Int64N(int64(hi-lo)))).Truncate(100)
}

// at gives the time that stands at a part of the run.
func (b *builder) at(part float64) time.Duration {
	return time.Duration(float64(b.Duration) * part).Truncate(100)
}

// record notes an event of the connection in hand, if the host records it.
func (b *builder) record(r Record) {
	if !b.cover {
		return
	}
	r.At = r.At.Truncate(100)
	b.Records = append(b.Records, r)
}

// connect begins a connection and decides whether the host records it.
func (b *builder) connect(k Connection) int {
	b.cover = k.Story || b.rng.Float64() < b.Coverage
	k.End = k.Start
	k.uid = b.uid()
	b.Connections = append(b.Connections, k)
	return len(b.Connections) - 1
}

// uid is an identifier as Zeek gives its connections.
func (b *builder) uid() string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	u := []byte("C")
	for range 17 {
		u = append(u, digits[b.rng.IntN(len(digits))])
	}
	return string(u)
}

// lives records the processes that start and end within the run.
func (b *builder) lives() {
	b.cover = true
	for i := range b.Processes {
		p := &b.Processes[i]
		if p.Start >= 0 {
			at := p.Start.Truncate(100)
			parent, tid := int32(p.Parent), uint32(4*(900+b.rng.IntN(2000)))
			b.record(Record{At: at, Proc: parent, TID: tid, Op: ProcessCreate, Arg: int32(i), Path: p.Path})
			b.record(Record{At: at + 11*time.Microsecond, Proc: int32(i), TID: tid, Op: ProcessStart})
			first := tid + 512
			b.record(Record{At: at + 15*time.Microsecond, Proc: int32(i), TID: tid, Op: ThreadCreate, Arg: int32(first)})
			for n, m := range p.modules() {
				b.record(Record{At: at + time.Duration(900+310*n)*time.Microsecond, Proc: int32(i), TID: first, Op: LoadImage, Path: m.path, Offset: m.base, Arg: m.size})
			}
		}
		if p.End > 0 {
			b.record(Record{At: p.End.Truncate(100), Proc: int32(i), TID: uint32(4 * (900 + b.rng.IntN(2000))), Op: ProcessExit})
		}
	}
}

// A module is an image loaded into a process.
type module struct {
	path string
	base int64
	size int32
}

// modules are the images a process has loaded, its own first.
func (p *Process) modules() []module {
	if p.PID == 4 {
		return []module{{`C:\WINDOWS\system32\ntoskrnl.exe`, -0x7ffd5e800000, 0x1046000}, {`C:\WINDOWS\System32\drivers\tcpip.sys`, -0x7ffd5a200000, 0x2ec000}}
	}
	return []module{
		{p.Path, 0x7ff600000000 + int64(p.PID)<<20, 0x21a000},
		{`C:\Windows\System32\ntdll.dll`, 0x7ffb3e2d0000, 0x1f5000},
		{`C:\Windows\System32\kernel32.dll`, 0x7ffb3d010000, 0xbe000},
		{`C:\Windows\System32\ws2_32.dll`, 0x7ffb3cd20000, 0x6b000},
	}
}

// cutoff ends the two recordings where the params say.
func (b *builder) cutoff() {
	if b.HostEnd > 0 {
		end := b.at(b.HostEnd)
		b.Records = slices.DeleteFunc(b.Records, func(r Record) bool { return r.At > end })
	}
	end := b.at(cmp.Or(b.CaptureEnd, 2))
	rng := rand.New(rand.NewPCG(b.Seed, 3))
	b.Packets = slices.DeleteFunc(b.Packets, func(p Packet) bool {
		k := &b.Connections[p.Conn]
		inside := k.Source.Addr().IsPrivate() && k.Destination.Addr().IsPrivate() || k.Destination.Addr().IsMulticast()
		return p.At > end || b.TCPOnly && k.Transport != "tcp" || b.OneSided && b.sends(&p) || b.NAT != NoNAT && inside || rng.Float64() < b.Loss
	})
}

// finish puts records and packets in order and adds up what each connection came to.
func (c *Case) finish() {
	slices.SortStableFunc(c.Records, func(a, b Record) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(c.Packets, func(a, b Packet) int { return cmp.Compare(a.At, b.At) })
	for i := range c.Packets {
		p := &c.Packets[i]
		k := &c.Connections[p.Conn]
		if k.First == 0 {
			k.First = i + 1
		}
		k.Last = i + 1
		k.Packets[p.Dir]++
		k.Bytes[p.Dir] += int64(p.ipLen(k))
	}
	for i := range c.Records {
		if r := &c.Records[i]; ops[r.Op].class == classNetwork {
			c.Connections[r.Conn].Records++
		}
	}
}
