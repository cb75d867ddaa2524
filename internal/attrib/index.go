package attrib

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"culprit/internal/event"
)

// Fields is every field that attribution looks at: what a reader must put for it.
var Fields = event.SetOf(event.Timestamp, event.TimeBasis, event.Role, event.Record, event.LogOffset, event.EventProvider, event.EventAction,
	event.EventStart, event.EventEnd, event.HostName, event.UserName, event.UserDomain,
	event.ProcessName, event.ProcessPID, event.ProcessExecutable, event.ProcessCommandLine, event.ProcessEntityID, event.ProcessStart, event.ProcessEnd,
	event.ProcessParentPID, event.ProcessParentName,
	event.SourceIP, event.SourcePort, event.SourceDomain, event.SourcePackets, event.SourceBytes,
	event.DestinationIP, event.DestinationPort, event.DestinationDomain, event.DestinationPackets, event.DestinationBytes,
	event.NetworkTransport, event.NetworkDirection, event.NetworkBytes, event.NetworkCommunityID,
	event.FlowState, event.FlowInitiator, event.FlowISN, event.FlowPacketFirst, event.FlowPacketLast, event.FlowPayloadSource, event.FlowPayloadDestination,
	event.NameValue, event.NameIP, event.NameFrom, event.Hint)

// An Index gathers what Solve needs. Add and Zone may be called from several goroutines at once; Solve ends it.
type Index struct {
	mu sync.Mutex

	text    []string // interned strings; 0 is ""
	textIDs map[string]int32

	sources   []source
	sourceIDs map[string]int32
	domains   []domain
	domainIDs map[domainKey]int32
	zones     map[string]*time.Location

	procs   []rawProcess
	procIDs map[processKey]int32

	evidence []evidence
	flows    []flow
	names    names
}

type source struct {
	path        string
	host        int32 // interned, "" until an event says
	first, last int64
	seen        bool
	capture     bool // it has flows
	basis       string
	evidence    int
	processes   int
}

// A domain is the events of one source that share a clock. Sysmon stamps network events from another clock than process
// events (seen days apart), and one file can hold several providers and hosts.
type domainKey struct {
	source, host, provider int32
	network                bool
	packets                bool // a capture's word on its own packets: its flows have the same clock
}

type domain struct {
	domainKey
	basis       string
	first, last int64
	evidence    []int32
}

// An endpoint is one side of a connection as far as a record tells: address unset, port -1 or name 0 where it doesn't.
type endpoint struct {
	ip   netip.Addr
	port int32
	name int32
}

// evidence is one record that ties a process to an endpoint. local is the host's own end.
type evidence struct {
	time          int64
	record        int64
	length        int64 // payload, -1 unknown
	local, remote endpoint
	proc          int32
	domain        int32
	action        int32
	proto         int32
	role          role
	ingress       bool
	weak          bool // a capture's guess: it never proves anything
}

type role uint8

const (
	roleNone role = iota
	roleConnect
	roleAccept
	roleSend
	roleReceive
	roleDisconnect
	roleBind
)

// evidenceRoles are the roles that make evidence; a query names addresses but opens nothing itself.
var evidenceRoles = map[string]role{
	event.RoleConnect: roleConnect, event.RoleAccept: roleAccept, event.RoleSend: roleSend, event.RoleReceive: roleReceive,
	event.RoleDisconnect: roleDisconnect, event.RoleBind: roleBind,
}

// opens says whether such a record is written when a connection begins.
func (r role) opens() bool { return r == roleConnect || r == roleAccept }

// A flow while it is being explained.
type flow struct {
	source     int32
	proto      int32
	src, dst   endpoint
	start, end int64
	payload    [2]int64 // -1 unknown
	opened     bool     // recorded by the host: its first record is the opening
	out        Flow
}

// New gives an empty index.
func New() *Index {
	return &Index{
		text: []string{""}, textIDs: map[string]int32{"": 0}, sourceIDs: map[string]int32{}, domainIDs: map[domainKey]int32{},
		zones: map[string]*time.Location{}, procIDs: map[processKey]int32{}, names: newNames(),
	}
}

// Zone says in what zone a source's local times are, which its events can't say. It must be called before Solve.
func (x *Index) Zone(source string, loc *time.Location) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.zones[source] = loc
}

// Add takes what concerns attribution from b; it keeps nothing of b.
func (x *Index) Add(b *event.Batch) {
	x.mu.Lock()
	defer x.mu.Unlock()
	src := x.source(b.Source)
	if b.First != 0 || b.Last != 0 {
		s := &x.sources[src]
		if !s.seen {
			s.first, s.last, s.seen = b.First, b.Last, true
		}
		s.first, s.last = min(s.first, b.First), max(s.last, b.Last)
	}
	roles := b.Column(event.Role)
	for i := range b.Len {
		if roles.Valid(i) {
			x.addEvent(b, i, src, roles.Str(i))
		}
	}
}

func (x *Index) addEvent(b *event.Batch, i int, src int32, kind []byte) {
	if x.sources[src].basis == "" && b.Has(event.TimeBasis, i) {
		x.sources[src].basis = string(b.Str(event.TimeBasis, i))
	}
	if b.Has(event.NameValue, i) {
		x.addName(b, i, src)
	}
	switch string(kind) {
	case event.RoleFlow:
		x.addFlow(b, i, src)
	case event.RoleName:
	case event.RoleStart, event.RoleEnd, event.RoleProcess, event.RoleQuery:
		x.addProcess(b, i, src, string(kind))
	default:
		if r := evidenceRoles[string(kind)]; r != roleNone {
			x.addEvidence(b, i, src, r)
		}
	}
}

func (x *Index) addEvidence(b *event.Batch, i int, src int32, r role) {
	p := x.process(b, i, src, false)
	host := x.procs[p].host
	dom := x.domain(domainKey{src, host, x.intern(b.Str(event.EventProvider, i)), true, b.Has(event.Hint, i)}, b, i)
	e := evidence{
		time: b.Int(event.Timestamp, i), record: b.Int(event.Record, i), length: -1, proc: p, domain: dom,
		local: x.endpoint(b, i, event.SourceIP, event.SourcePort, event.SourceDomain), remote: x.endpoint(b, i, event.DestinationIP, event.DestinationPort, event.DestinationDomain),
		action: x.intern(b.Str(event.EventAction, i)), proto: x.intern(b.Str(event.NetworkTransport, i)), role: r,
		ingress: string(b.Str(event.NetworkDirection, i)) == "ingress",
	}
	if h := b.Str(event.Hint, i); len(h) > 0 && string(h) != "owner" {
		e.weak = true
	}
	if e.ingress {
		e.local, e.remote = e.remote, e.local
	}
	if b.Has(event.NetworkBytes, i) {
		e.length = b.Int(event.NetworkBytes, i)
	}
	x.domains[dom].evidence = append(x.domains[dom].evidence, int32(len(x.evidence)))
	x.evidence = append(x.evidence, e)
	x.sources[src].evidence++
	x.sources[src].host = cmp.Or(x.sources[src].host, host)
}

// domain gives the clock domain of event i and widens its span.
func (x *Index) domain(k domainKey, b *event.Batch, i int) int32 {
	t := b.Int(event.Timestamp, i)
	id, ok := x.domainIDs[k]
	if !ok {
		id = int32(len(x.domains))
		x.domains = append(x.domains, domain{domainKey: k, basis: string(b.Str(event.TimeBasis, i)), first: t, last: t})
		x.domainIDs[k] = id
	}
	d := &x.domains[id]
	d.first, d.last = min(d.first, t), max(d.last, t)
	return id
}

func (x *Index) endpoint(b *event.Batch, i int, ip, port, name event.Field) endpoint {
	e := endpoint{ip: b.Addr(ip, i), port: -1}
	if e.ip.IsValid() && e.ip.IsUnspecified() {
		e.ip = netip.Addr{} // a socket bound to all addresses
	}
	if b.Has(port, i) {
		e.port = int32(b.Int(port, i))
	}
	if n := b.Str(name, i); len(n) > 0 {
		e.name = x.intern(foldName(n))
	}
	return e
}

// foldName makes names comparable: lower case, no final dot.
func foldName(n []byte) []byte { return bytes.TrimSuffix(bytes.ToLower(n), []byte(".")) }

func (x *Index) addFlow(b *event.Batch, i int, src int32) {
	x.sources[src].capture = true
	f := flow{
		source: src, proto: x.intern(b.Str(event.NetworkTransport, i)), payload: [2]int64{-1, -1},
		src:   x.endpoint(b, i, event.SourceIP, event.SourcePort, event.SourceDomain),
		dst:   x.endpoint(b, i, event.DestinationIP, event.DestinationPort, event.DestinationDomain),
		start: b.Int(event.Timestamp, i), end: b.Int(event.EventEnd, i),
	}
	f.end = max(f.end, f.start)
	if b.Has(event.FlowPayloadSource, i) {
		f.payload = [2]int64{b.Int(event.FlowPayloadSource, i), b.Int(event.FlowPayloadDestination, i)}
	}
	f.out = Flow{
		Cite: Cite{x.sources[src].path, b.Int(event.Record, i)}, Transport: x.text[f.proto],
		Source: addrPort(f.src), Destination: addrPort(f.dst), Initiator: string(b.Str(event.FlowInitiator, i)),
		Start: f.start, End: f.end,
		Packets: [2]int64{b.Int(event.SourcePackets, i), b.Int(event.DestinationPackets, i)},
		Bytes:   [2]int64{b.Int(event.SourceBytes, i), b.Int(event.DestinationBytes, i)},
		First:   b.Int(event.FlowPacketFirst, i), Last: b.Int(event.FlowPacketLast, i),
		State: string(b.Str(event.FlowState, i)), CommunityID: string(b.Str(event.NetworkCommunityID, i)), ISN: -1, SameAs: -1,
	}
	if b.Has(event.FlowISN, i) {
		f.out.ISN = b.Int(event.FlowISN, i)
	}
	x.flows = append(x.flows, f)
}

func addrPort(e endpoint) netip.AddrPort { return netip.AddrPortFrom(e.ip, uint16(max(e.port, 0))) }

func (x *Index) source(path string) int32 {
	id, ok := x.sourceIDs[path]
	if !ok {
		id = int32(len(x.sources))
		x.sources = append(x.sources, source{path: path})
		x.sourceIDs[path] = id
	}
	return id
}

func (x *Index) intern(s []byte) int32 {
	if id, ok := x.textIDs[string(s)]; ok {
		return id
	}
	id := int32(len(x.text))
	x.text = append(x.text, strings.Clone(string(s)))
	x.textIDs[x.text[id]] = id
	return id
}

// Solve solves the clocks and names the culprits. The index is of no use afterwards.
func (x *Index) Solve() Result {
	x.mu.Lock()
	defer x.mu.Unlock()
	// Sources are read in parallel: put everything in an order of its own, so that two runs give the same answer.
	slices.SortStableFunc(x.flows, func(a, b flow) int {
		return cmp.Or(cmp.Compare(x.sources[a.source].path, x.sources[b.source].path), cmp.Compare(a.start, b.start), cmp.Compare(a.out.Cite.Record, b.out.Cite.Record))
	})
	s := newSolver(x)
	s.solveClocks()
	s.dateProcesses()
	s.vote()
	s.decide()
	s.markRepeats()
	s.addRecorded()
	s.unite()
	return s.result()
}
