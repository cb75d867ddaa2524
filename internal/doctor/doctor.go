// Package doctor says what recordings hold and lack for naming the programs behind connections, and how to do better.
//
// An Exam counts while the recordings are read; Diagnose turns the counts, and what attribution made of them, into findings.
// A finding says what is wrong in words of the tool that recorded, and what to do next time.
package doctor

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"culprit/internal/attrib"
	"culprit/internal/event"
)

// A Severity says how much a finding matters.
type Severity uint8

const (
	Info    Severity = iota // worth knowing
	Warning                 // answers suffer
	Missing                 // without it no program can be named
)

var severityNames = [...]string{"info", "warning", "missing"}

func (s Severity) String() string { return severityNames[s] }

// A Finding is one thing to know about a recording, or about all of them together.
type Finding struct {
	Severity Severity
	Code     string // for programs: network-off
	Text     string
	Remedy   string // what to do; "" where nothing can be done
}

// A Count is how much there is of something.
type Count struct {
	What string
	N    int64
}

// A File is a recording: what reading it told, which the caller fills in, and what the exam found.
type File struct {
	Path, Format    string // Format "" when nobody reads it
	Basis           string
	Events, Packets int64
	First, Last     int64
	Bad             int64  // records that could not be used
	BadText         string // the first of them
	Notes           []string
	Err             string

	Hosts    []string
	Holds    []Count // the most first
	Findings []Finding
}

// A Reason is why connections have no program, or none for sure.
type Reason struct {
	Level attrib.Level
	Rule  string
	Text  string // in the words of most of them
	N     int
	Mixed bool // others have other words
}

// A Report is the outcome.
type Report struct {
	Files    []File
	Result   *attrib.Result
	Flows    int                     // repeats left out
	Levels   [attrib.Certain + 1]int // flows by level
	Reasons  []Reason                // of those that are not certain, the most first
	Findings []Finding               // on the recordings together
}

// Worst is the severity of the worst finding; found is false when there is none.
func (r *Report) Worst() (worst Severity, found bool) {
	for _, fs := range r.all() {
		for _, f := range fs {
			worst, found = max(worst, f.Severity), true
		}
	}
	return worst, found
}

// Count is how many findings of a severity there are.
func (r *Report) Count(s Severity) int {
	n := 0
	for _, fs := range r.all() {
		for _, f := range fs {
			if f.Severity == s {
				n++
			}
		}
	}
	return n
}

func (r *Report) all() [][]Finding {
	all := [][]Finding{r.Findings}
	for i := range r.Files {
		all = append(all, r.Files[i].Findings)
	}
	return all
}

// Fields is every field the exam looks at, besides those of attribution.
var Fields = []event.Field{event.EventDataset, event.EventCode, event.ProcmonEventClass, event.EventSequence, event.WinlogChannel}

// An Exam counts what recordings hold. Add may be called from several goroutines at once.
type Exam struct {
	mu    sync.Mutex
	files map[string]*vitals
}

// New begins an exam.
func New() *Exam { return &Exam{files: map[string]*vitals{}} }

// Bounds against recordings made to fill memory.
const (
	maxKinds = 4096
	maxHosts = 64
)

// A kind is a sort of event: its dataset, and its class, code or protocol.
type kind struct{ dataset, what string }

// vitals are the counts of one recording.
type vitals struct {
	kinds map[kind]*int64
	roles map[string]*int64
	names map[string]*int64 // by who says so
	hosts map[string]*int64

	flows, oneSided, unopened, tcp int64
	executable, command, parent    int64 // events that have them
	sequence                       [2]span
}

// A span is numbers that count on: of Procmon's network events, and of all others.
type span struct{ n, first, last int64 }

func (s *span) see(v int64) {
	if s.n == 0 {
		s.first, s.last = v, v
	}
	s.n++
	s.first, s.last = min(s.first, v), max(s.last, v)
}

// of is how many there were while those seen were written.
func (s *span) of() int64 { return s.last - s.first + 1 }

// Add counts the events of b; it keeps nothing of b.
func (x *Exam) Add(b *event.Batch) {
	x.mu.Lock()
	defer x.mu.Unlock()
	v := x.files[b.Source]
	if v == nil {
		v = &vitals{kinds: map[kind]*int64{}, roles: map[string]*int64{}, names: map[string]*int64{}, hosts: map[string]*int64{}}
		x.files[b.Source] = v
	}
	for i := range b.Len {
		v.add(b, i)
	}
	v.executable += int64(b.Column(event.ProcessExecutable).Count())
	v.command += int64(b.Column(event.ProcessCommandLine).Count())
	v.parent += int64(b.Column(event.ProcessParentPID).Count())
}

func (v *vitals) add(b *event.Batch, i int) {
	dataset, what := b.Str(event.EventDataset, i), b.Str(event.EventCode, i)
	role := b.Str(event.Role, i)
	switch {
	case b.Has(event.ProcmonEventClass, i):
		what = b.Str(event.ProcmonEventClass, i)
		v.procmon(b, i, what)
	case string(role) == event.RoleFlow:
		what = b.Str(event.NetworkTransport, i)
		v.flow(b, i)
	}
	k := v.kinds[kind{string(dataset), string(what)}]
	if k == nil && len(v.kinds) < maxKinds {
		k = new(int64)
		v.kinds[kind{string(dataset), string(what)}] = k
	}
	if k != nil {
		*k++
	}
	tally(v.roles, role, maxKinds)
	tally(v.names, b.Str(event.NameFrom, i), maxKinds)
	tally(v.hosts, b.Str(event.HostName, i), maxHosts)
}

// tally counts a key, without an allocation if it is known.
func tally(m map[string]*int64, key []byte, most int) {
	if len(key) == 0 {
		return
	}
	n := m[string(key)]
	if n == nil {
		if len(m) >= most {
			return
		}
		n = new(int64)
		m[string(key)] = n
	}
	*n++
}

func (v *vitals) procmon(b *event.Batch, i int, class []byte) {
	if b.Has(event.EventSequence, i) {
		which := &v.sequence[1]
		if string(class) == classNetwork {
			which = &v.sequence[0]
		}
		which.see(b.Int(event.EventSequence, i))
	}
}

func (v *vitals) flow(b *event.Batch, i int) {
	v.flows++
	src, dst := b.Int(event.SourcePackets, i), b.Int(event.DestinationPackets, i)
	if string(b.Str(event.NetworkTransport, i)) != "tcp" {
		return
	}
	v.tcp++
	if src+dst >= 3 && (src == 0 || dst == 0) { // a SYN sent again and again has no answer either
		if state := string(b.Str(event.FlowState, i)); state != "S0" {
			v.oneSided++
		}
	}
	if how := b.Str(event.FlowInitiator, i); len(how) > 0 && string(how) != "syn" {
		v.unopened++
	}
}

// merge adds the kinds and roles of another recording.
func (v *vitals) merge(o *vitals) {
	for k, n := range o.kinds {
		sum := *n
		if have := v.kinds[k]; have != nil {
			sum += *have
		}
		v.kinds[k] = &sum
	}
	for k, n := range o.roles {
		sum := *n + of(v.roles, k)
		v.roles[k] = &sum
	}
}

func (v *vitals) role(name string) int64 { return of(v.roles, name) }

func of(m map[string]*int64, key string) int64 {
	if n := m[key]; n != nil {
		return *n
	}
	return 0
}

// kind is how many events there are of a dataset and code, of any dataset when that is "".
func (v *vitals) kind(dataset string, what ...string) int64 {
	n := int64(0)
	for k, c := range v.kinds {
		if (dataset == "" || k.dataset == dataset) && slices.Contains(what, k.what) {
			n += *c
		}
	}
	return n
}

// holds lists the kinds of events, those that attribution lives on before the rest, the most first.
func (v *vitals) holds() []Count {
	var all []Count
	for k, n := range v.kinds {
		all = append(all, Count{kindName(k), *n})
	}
	rank := func(c Count) int {
		if slices.Contains(vitalEvents, c.What) {
			return 0
		}
		return 1
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.N, a.N), cmp.Compare(a.What, b.What))
	})
	return all
}

// vitalEvents are the Windows events that tie programs to connections and names, and say when they ran.
var vitalEvents = []string{"Sysmon 1", "Sysmon 3", "Sysmon 5", "Sysmon 22", "Security 4688", "Security 4689", "Security 5156", "Security 5158"}

// datasetNames say what a dataset's events are, for those that have a class, code or protocol besides.
var datasetNames = map[string]string{
	"windows.sysmon": "Sysmon", "windows.security": "Security", "windows.system": "System", "windows.powershell": "PowerShell",
	"pcap.dns": "DNS messages", "pcap.tls": "TLS hellos", "pcap.http": "HTTP requests", "pcap.nrb": "names of the capture's own table",
	"procmon.hosts": "names of the host table", "procmon.processes": "processes of the process table", "tcpview.sockets": "sockets",
	"wireshark.packets": "packets", "procmon.stack": "stack frames", "list.entries": "entries",
}

func kindName(k kind) string {
	name := cmp.Or(datasetNames[k.dataset], k.dataset)
	switch {
	case k.what == "":
		return name
	case k.dataset == "pcap.flow", k.dataset == "zeek.conn":
		return k.what + " connections"
	case k.dataset == "procmon.events":
		return k.what
	}
	return name + " " + k.what
}

func sortedHosts(m map[string]*int64) []string { return slices.Sorted(maps.Keys(m)) }
