package pcap

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"culprit/internal/event"
)

// Some captures say themselves which process a packet belongs to:
//
//   - ptcpdump (github.com/mozillazg/ptcpdump) in packet comments of lines "PID: 12", "Cmd: /usr/bin/curl", "Args: curl -v",
//     and in further comments "ParentPID: ", "ParentCmd: ", "ParentArgs: ", "UserId: "; it looks the socket's owner up;
//   - etl2pcapng (github.com/microsoft/etl2pcapng) in the comment "PID=12 TID=34": the thread that ran when the driver
//     handed the packet on. Its own README says that this is often another process;
//   - macOS: in a pcapng, process blocks 80000001 (PID, option 2: name), numbered from 0 in each section, to which a packet's
//     option 8001 points; in other captures, a PKTAP header before each packet, below;
//   - Wireshark 4.7 and later: custom blocks of number 32622 with entry type 3: PID, and options 2 name, 3 path, 4 arguments
//     ended by zeros, 5 parent's PID, 6 user ID, 7 user, 9 start. They are little-endian in any section. A packet's option 8
//     (draft-ietf-opsawg-pcapng) holds its process's PID.
//
// A packet that went out was sent by its source's host and one that came in was received by its destination's, so the
// direction (option 2 of a packet) tells at which end the process is.

// A hint is how much a capture's word on a process is worth: values of event.Hint.
const (
	hintOwner  = iota + 1 // the owner of the socket
	hintThread            // whoever ran just then
	hintEither            // the owner, but at which end nothing proves
)

var hintNames = [...]string{hintOwner: "owner", hintThread: "thread", hintEither: "either"}

// Directions of a packet, as option 2 of an enhanced packet block has them.
const (
	wayUnknown = iota
	wayIn
	wayOut
)

const (
	maxOwners     = 1 << 16 // processes one capture names
	maxOwnerText  = 4 << 10 // bytes of one field of them, and of a comment that is looked at
	maxOwnerBytes = 32 << 20
	maxHinted     = 1 << 18 // flows alive whose processes are remembered
	maxPerEnd     = 4       // processes at one end of a flow
)

// An owner is a process as a capture names it.
type owner struct {
	provider                  string
	pid, parentPID, start     int64
	name, path, command       string
	parentPath, parentCommand string
	user, uid                 string
	weak                      bool // the thread that ran, no more
}

// A hinted is what the packets of a flow said of the processes at its ends.
type hinted struct{ ends [2][]seenOwner }

type seenOwner struct {
	owner          int32
	in, out        int
	at, outAt      said // the first packet, and the first that went out
	opens, outOpen bool // those opened the flow
	away           bool // outAt is set
	sure           bool // at this end, for all we know
}

// owners are the processes that a capture names, and the flows whose packets it does it for.
type owners struct {
	list    []owner
	ids     map[owner]int32
	parsed  map[string]int32 // by comment; -1: says nothing
	bytes   int
	flows   map[uint32]*hinted
	beyond  int64 // packets whose process was one too many
	wayless int64 // packets that name a thread, but don't say whether they came or went
}

func newOwners() owners {
	return owners{ids: map[owner]int32{}, parsed: map[string]int32{}, flows: map[uint32]*hinted{}}
}

// id gives the number of an owner, from 1; 0 if there are too many.
func (os *owners) id(o owner) int32 {
	for _, s := range []*string{&o.name, &o.path, &o.command, &o.parentPath, &o.parentCommand, &o.user, &o.uid} {
		if len(*s) > maxOwnerText {
			*s = (*s)[:maxOwnerText]
		}
	}
	if id, ok := os.ids[o]; ok {
		return id
	}
	os.bytes += len(o.name) + len(o.path) + len(o.command) + len(o.parentPath) + len(o.parentCommand) + len(o.user) + len(o.uid)
	if len(os.list) >= maxOwners || os.bytes > maxOwnerBytes {
		os.beyond++
		return 0
	}
	os.list = append(os.list, o)
	id := int32(len(os.list))
	os.ids[o] = id
	return id
}

// comment gives the owner that the comments of a packet, one a line, name; 0 for none.
func (os *owners) comment(text []byte) int32 {
	if id, ok := os.parsed[string(text)]; ok {
		return id
	}
	id := int32(0)
	if o, ok := parseComment(text); ok {
		id = os.id(o)
	}
	if len(os.parsed) < maxOwners && os.bytes < maxOwnerBytes {
		os.parsed[string(text)] = id
		os.bytes += len(text)
	}
	return id
}

// mayName says whether a comment is one of those that name a process, or add to it.
func mayName(text []byte) bool {
	for _, begin := range []string{"PID: ", "PID=", "ParentPID: ", "UserId: "} {
		if bytes.HasPrefix(text, []byte(begin)) {
			return len(text) <= 2*maxOwnerText
		}
	}
	return false
}

func parseComment(text []byte) (o owner, ok bool) {
	if after, is := bytes.CutPrefix(text, []byte("PID=")); is {
		o.provider, o.weak = "etl2pcapng", true
		fields := strings.Fields(string(after))
		if len(fields) == 0 {
			return o, false
		}
		pid, err := strconv.ParseUint(fields[0], 10, 32)
		o.pid = int64(pid)
		return o, err == nil
	}
	o.provider = "ptcpdump"
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ": ")
		switch n, err := strconv.ParseUint(value, 10, 32); key {
		case "PID":
			o.pid, ok = int64(n), err == nil && n != 0
		case "Cmd":
			o.path, o.name = value, base(value)
		case "Args":
			o.command = value
		case "ParentPID":
			o.parentPID = int64(n)
		case "ParentCmd":
			o.parentPath = value
		case "ParentArgs":
			o.parentCommand = value
		case "UserId":
			o.uid = value
		}
	}
	return o, ok
}

func base(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }

// darwinProcess reads a process block of macOS.
func (c *ng) darwinProcess(body []byte) bool {
	if len(body) < 4 || len(c.processes) >= maxOwners {
		return false
	}
	o := owner{provider: "darwin", pid: int64(c.order.Uint32(body))}
	for code, v := range c.options(body[4:]) {
		if code == 2 {
			o.name = unpadded(v)
		}
	}
	c.processes = append(c.processes, c.r.owners.id(o))
	return true
}

// custom reads a custom block, which may be a process of Wireshark's.
func (c *ng) custom(body []byte) {
	const number, process = 32622, 3
	if len(body) < 16 || c.order.Uint32(body) != number || binary.LittleEndian.Uint32(body[4:]) != process {
		return
	}
	size := int64(binary.LittleEndian.Uint32(body[8:]))
	if size < 4 || size > int64(len(body)-12) {
		return
	}
	body = body[12 : 12+size]
	o := owner{provider: "wireshark", pid: int64(binary.LittleEndian.Uint32(body))}
	for code, v := range options(binary.LittleEndian, body[4:]) {
		switch {
		case code == 2:
			o.name = unpadded(v)
		case code == 3:
			o.path = unpadded(v)
		case code == 4:
			o.command = string(bytes.ReplaceAll(bytes.TrimRight(v, "\x00"), []byte{0}, []byte{' '}))
		case code == 5 && len(v) == 4:
			o.parentPID = int64(binary.LittleEndian.Uint32(v))
		case code == 6 && len(v) == 4:
			o.uid = strconv.FormatUint(uint64(binary.LittleEndian.Uint32(v)), 10)
		case code == 7:
			o.user = unpadded(v)
		case code == 9 && len(v) == 8:
			o.start = int64(binary.LittleEndian.Uint64(v))
		}
	}
	if o.name == "" {
		o.name = base(o.path)
	}
	if len(c.byPID) < maxOwners {
		c.byPID[uint32(o.pid)] = c.r.owners.id(o)
	}
}

func unpadded(v []byte) string { return string(bytes.TrimRight(v, "\x00")) }

const (
	linkPKTAP  = 149 // a private number, which macOS uses
	linkPKTAP2 = 258

	pktapSize = 108
)

// pktap takes off the header that macOS puts before a packet (bsd/net/pktap.h), and what it says of the process: its
// length, then whether a packet follows, link type, interface (24 bytes), flags (1 in, 2 out), family, lengths of what is
// before and behind the packet proper, PID, command (20 bytes); the last two at 52 and 56. All little-endian.
func (r *reader) pktap() (ok bool) {
	f, d := &r.f, r.f.data
	if len(d) < pktapSize {
		return false
	}
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(d[at:]) }
	size := u32(0)
	if size < pktapSize || size > uint32(len(d)) || u32(4) != 1 || u32(8) > 0xffff || u32(8) == linkPKTAP || u32(8) == linkPKTAP2 {
		return false
	}
	name, _, _ := bytes.Cut(d[56:76], []byte{0})
	if pid := u32(52); int32(pid) > 0 {
		f.owner = r.owners.id(owner{provider: "pktap", pid: int64(pid), name: string(name)})
	}
	if f.way = uint8(u32(36) & 3); f.way == 3 {
		f.way = wayUnknown
	}
	iface, _, _ := bytes.Cut(d[12:36], []byte{0})
	f.shared = sharedInterface(string(iface))
	f.link, f.data, f.orig = uint16(u32(8)), d[size:], max(f.orig-int(size), 0)
	return true
}

// sharedInterface says whether an interface is one at which other systems' packets come in to be passed on: there a packet
// that came in was not received by its destination.
func sharedInterface(name string) bool {
	for _, p := range []string{"veth", "docker", "br-", "virbr", "cni", "flannel", "cali", "vnet", "tap", "bridge", "vmenet", "lxc", "podman"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// hint remembers what the packet says of its flow's process.
func (r *reader) hint(slot uint32, fl *flow, dir int) {
	f, os := &r.f, &r.owners
	weak := os.list[f.owner-1].weak
	if weak && f.way == wayUnknown {
		os.wayless++
		return
	}
	h := os.flows[slot]
	if h == nil {
		if len(os.flows) >= maxHinted {
			os.beyond++
			return
		}
		h = new(hinted)
		os.flows[slot] = h
	}
	end := dir // of the sender
	if f.way == wayIn || f.way == wayUnknown && fl.firstDir != uint8(dir) {
		end = 1 - dir
	}
	i := slices.IndexFunc(h.ends[end], func(s seenOwner) bool { return s.owner == f.owner })
	opens := f.num == fl.firstNum && r.p.flags&tcpSYN != 0 && fl.proto == protoTCP
	if i < 0 {
		if len(h.ends[end]) >= maxPerEnd {
			os.beyond++
			return
		}
		i = len(h.ends[end])
		h.ends[end] = append(h.ends[end], seenOwner{owner: f.owner, at: r.here(), opens: opens, sure: f.way != wayUnknown && !f.shared})
	}
	s := &h.ends[end][i]
	switch {
	case f.way != wayOut:
		s.in++
	case !s.away:
		s.away, s.outAt, s.outOpen = true, r.here(), opens
		fallthrough
	default:
		s.out++
	}
}

// putOwners gives what the packets of a flow that has ended said of its processes.
func (r *reader) putOwners(b *event.Batch, slot uint32, fl *flow) {
	h := r.owners.flows[slot]
	if h == nil {
		return
	}
	delete(r.owners.flows, slot)
	from, how := fl.source()
	alone := fl.alone()
	for _, end := range [2]int{from, 1 - from} {
		seen := h.ends[end]
		if end != from && alone { // the packets of both ends pass by one kernel: what a socket's peer says proves nothing new
			seen = slices.DeleteFunc(seen, func(s seenOwner) bool {
				return slices.ContainsFunc(h.ends[from], func(o seenOwner) bool { return r.owners.list[o.owner-1].pid == r.owners.list[s.owner-1].pid })
			})
		}
		threads := r.thread(seen)
		for _, s := range seen {
			o := &r.owners.list[s.owner-1]
			level := hintOwner
			switch {
			case o.weak && (s.owner != threads || o.pid == 0): // PID 0 is the idle thread
				continue
			case o.weak:
				level = hintThread
				s.at, s.opens = s.outAt, s.outOpen
			case alone && s.out == 0:
				continue
			case alone:
				s.at, s.opens = s.outAt, s.outOpen
				if how != "syn" {
					level = hintEither
				}
			case !s.sure || fl.backwards(end):
				level = hintEither
			}
			r.putOwner(b, fl, end, &s, o, level)
		}
	}
}

// thread gives the process that most outgoing packets of one end name, when it is more than half of them: 0 for none.
func (r *reader) thread(seen []seenOwner) int32 {
	total, most, id := 0, 0, int32(0)
	for _, s := range seen {
		if !r.owners.list[s.owner-1].weak {
			continue
		}
		if total += s.out; s.out > most {
			most, id = s.out, s.owner
		}
	}
	if 2*most <= total {
		return 0
	}
	return id
}

// alone says whether both ends of the flow are on one host.
func (fl *flow) alone() bool {
	a, _ := fl.end(0)
	b, _ := fl.end(1)
	return a == b || a.IsLoopback() && b.IsLoopback()
}

// backwards says whether it is unlikely that an end is the capturing host: it would be public and its peer private.
func (fl *flow) backwards(end int) bool {
	private := func(a netip.Addr) bool { return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() }
	here, _ := fl.end(end)
	there, _ := fl.end(1 - end)
	return !private(here) && private(there)
}

// putOwner gives evidence: this process was at this end of the flow.
func (r *reader) putOwner(b *event.Batch, fl *flow, end int, s *seenOwner, o *owner, level int) {
	from, _ := fl.source()
	b.Next()
	role := event.RoleSend
	switch {
	case s.opens && end == from:
		role = event.RoleConnect
	case s.opens:
		role = event.RoleAccept
	case s.out == 0:
		role = event.RoleReceive
	}
	b.PutText(event.Role, role)
	r.putCommon(b, fl, "process", "pcap.process", s.at.num, s.at.off)
	b.PutText(event.EventProvider, o.provider)
	b.PutText(event.Hint, hintNames[level])
	b.AddText(event.EventCategory, "process")
	b.AddText(event.EventType, "info")
	b.PutText(event.NetworkDirection, [2]string{"egress", "ingress"}[(end+from)&1])
	if !fl.untimed {
		b.PutTime(event.Timestamp, s.at.time)
	}
	b.PutInt(event.ProcessPID, o.pid)
	for _, f := range []struct {
		field event.Field
		value string
	}{
		{event.ProcessName, o.name},
		{event.ProcessExecutable, o.path},
		{event.ProcessCommandLine, o.command},
		{event.ProcessParentName, base(o.parentPath)},
		{event.ProcessParentExecutable, o.parentPath},
		{event.ProcessParentCommandLine, o.parentCommand},
		{event.UserName, o.user},
		{event.UserID, o.uid},
	} {
		if f.value != "" {
			b.PutText(f.field, f.value)
		}
	}
	if o.parentPID != 0 {
		b.PutInt(event.ProcessParentPID, o.parentPID)
	}
	if o.start != 0 {
		b.PutTime(event.ProcessStart, o.start)
	}
}

func (os *owners) notes(b *event.Batch) {
	if os.beyond > 0 {
		b.Note(commas(os.beyond) + " packets name a process more than is remembered: those were left out")
	}
	if os.wayless > 0 {
		b.Note(commas(os.wayless) + " packets name a thread (PID=) but not whether they came or went: that says nothing of who made them")
	}
}
