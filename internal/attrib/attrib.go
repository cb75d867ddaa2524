// Package attrib names the process behind a network flow.
//
// It is pure: batches go in through Index.Add, answers come out of Index.Solve; no files, no store. It looks only at events
// with a culprit.role, whatever wrote them:
//
//   - evidence (connect, accept, send, receive, disconnect, bind, query) ties a process to an endpoint at a time;
//   - names tie names to addresses, because Procmon's CSV has names where a capture has addresses;
//   - process starts and ends bound the life of a PID;
//   - flows are what is to be explained.
//
// The clocks of the two sides are not trusted: for every (capture, host, source) the offset is solved from the pairs that
// share the strongest key (clock.go). A flow's culprit is then whoever has evidence with the flow's endpoints within the
// flow's life on that clock (match.go). Rules and levels are in rule.go.
package attrib

import (
	"net/netip"
	"time"
)

// A Level says how sure an answer is.
type Level uint8

const (
	Unknown  Level = iota // nobody can be named; Culprit.Reason says why
	Possible              // it could have been this process, but the evidence fits another too, or no clock supports it
	Likely                // one process fits, but one link of the chain is unproved
	Certain               // endpoints, time and sole ownership all agree
)

var levelNames = [...]string{"unknown", "possible", "likely", "certain"}

func (l Level) String() string { return levelNames[l] }

// A Cite points at the record a statement rests on.
type Cite struct {
	Source string // as the user gave it
	Record int64  // line, packet or record number, from 1; 0: the source as a whole
}

// A Process is one run of one image on one host.
type Process struct {
	Host       string
	Name       string // file name of the image
	PID        int64  // 0 when no record says
	Executable string // full path, "" when no record says
	Command    string // command line, "" when no record says
	EntityID   string
	User       string
	Parent     string // image name of the parent, "" when no record says
	ParentPID  int64
	Start, End int64 // ns UTC, of a clock with a zone on that clock's word; 0 unknown
	Cite       Cite  // the record that first told of it
}

// A Name is a name known for a flow's far end.
type Name struct {
	Value string
	From  string // sni, http, dns, ptr, nrb, procmon, ...: culprit.name.from
	Cite  Cite
}

// A Flow is packets of one 5-tuple between a start and an end, with the processes at its ends.
type Flow struct {
	Cite        Cite // capture and first packet; for a flow known only from a host's record, that record
	Recorded    bool // known only from a host's record, no capture holds it
	Transport   string
	Source      netip.AddrPort // who opened it
	Destination netip.AddrPort
	SourceName  string // when a Procmon CSV gives only a name for the end
	DestName    string
	Initiator   string // how the opener is known: syn, port, first, host
	Start, End  int64  // ns UTC on the capture's clock, or the host's if Recorded
	LocalTime   bool   // Recorded by a host whose clock has no solved zone: Start and End are its local time
	Packets     [2]int64
	Bytes       [2]int64 // sent by source, by destination
	First, Last int64    // packet numbers; 0 unknown
	State       string
	CommunityID string
	ISN         int64 // -1 when no SYN was captured
	Names       []Name
	SameAs      int // index of the flow this one repeats (another capture of the same connection), -1 for none

	Culprit Culprit // at the source end
	Peer    Culprit // at the destination end
}

// A Culprit is the process named for one end of a flow.
type Culprit struct {
	Level      Level
	Rule       string // code of the rule that decided: rule.go and docs/attribution.md
	Process    *Process
	Candidates []Candidate // best first; more than one only when they could not be told apart
	Why        []Evidence  // records that decided, at most maxWhy of them, nearest first
	Count      int         // how many records support the answer
	Reason     string      // why not more sure, or why nobody
}

// A Candidate is a process that could be the culprit.
type Candidate struct {
	Process *Process
	Why     []Evidence
	Reason  string // why it could be, and why not for sure
}

// An Evidence is a record that ties a process to an endpoint at a time.
type Evidence struct {
	Cite   Cite
	Action string        // in its tool's words: TCP Send, Network connection detected
	Time   int64         // ns on its own clock
	On     int64         // ns on the capture's clock
	Delta  time.Duration // On minus the flow's start
	Length int64         // payload length, -1 when it doesn't say
}

// A Clock is one source's time base against a capture's: capture time = source time + Offset + Drift × (source time − Base).
type Clock struct {
	Capture  string
	Host     string
	Source   string
	Provider string // the events of one source can come from several clocks
	Basis    string // event.BasisUTC, ...
	Offset   time.Duration
	Drift    float64 // seconds per second
	Base     int64
	Support  int           // pairs that agree
	Pairs    int           // flows and evidence that share a key and could have agreed
	Residual time.Duration // 99th percentile of what remains
	Weak     bool          // too few pairs to rely on; levels are lowered
	Wanders  bool          // no straight line: read between pairs that keep order; Offset is the middle one's, Drift 0
	Given    bool          // the user said so
	Zone     string        // for a local clock: the zone the offset amounts to, UTC-04:00
}

// A Coverage is what one source could know: when a flow cannot be attributed, the reason is here.
type Coverage struct {
	Source      string
	Host        string
	First, Last int64 // its first and last event, on its own clock
	Evidence    int   // events that tie a process to an endpoint
	Processes   int
	Basis       string
}

// A Result is everything Solve found out.
type Result struct {
	Flows    []Flow
	Clocks   []Clock
	Coverage []Coverage
	Warnings []string // what a person should know before trusting the answers
}
