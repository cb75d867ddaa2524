package saved

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/text"
)

// TCPView is Sysinternals TCPView's File > Save As.
//
// A row is a socket as it stood when the table was saved: process, PID, protocol (TCP, TCPv6, UDP, UDPv6), state, local
// address and port, remote address and port (* of UDP), create time, module or service, packets sent and received, bytes sent
// and received. There is no header. The text is UTF-16, little endian, without a byte order mark; cells have no quotes, so
// that thousands separators in the counts look like cell borders. All of it as seen in exports of TCPView 4.
var TCPView = &format.Format{
	Name:  "tcpview-csv",
	Doc:   "Sysinternals TCPView: the open sockets and their processes, saved as CSV",
	Exts:  []string{".csv"},
	Match: matchTCPView,
	Open:  openTCPView,
}

// states are what TCPView calls the states of TCP; UDP has none.
var states = []string{
	"", "Listen", "Established", "Syn Sent", "Syn Received", "Fin Wait 1", "Fin Wait 2", "Close Wait", "Closing", "Last Ack", "Time Wait",
	"Closed", "Delete TCB", "Bound",
}

func matchTCPView(head []byte) bool {
	line, _ := text.FirstLine(head)
	s, ok := splitSocket(line)
	return ok && slices.Contains(states, string(s.state)) && s.tcp() == (len(s.state) > 0)
}

// A socket is a row taken apart. Its texts point into the line.
type socket struct {
	process, pid, proto, state []byte
	local, localPort           []byte
	remote, remotePort         []byte
	created, module, counts    []byte
}

// splitSocket takes a row apart from its protocol on, as a process's name may have commas in it. It is false for what is no
// row of TCPView.
func splitSocket(line []byte) (s socket, ok bool) {
	at := -1
	for _, p := range []string{",TCP,", ",TCPv6,", ",UDP,", ",UDPv6,"} {
		if i := bytes.Index(line, []byte(p)); i >= 0 && (at < 0 || i < at) {
			at, s.proto = i, line[i+1:i+len(p)-1]
		}
	}
	if at < 0 {
		return s, false
	}
	i := bytes.LastIndexByte(line[:at], ',')
	if i < 0 {
		return s, false
	}
	s.process, s.pid = line[:i], line[i+1:at]
	if _, isNumber := text.Int(s.pid); len(s.pid) > 0 && !isNumber {
		return s, false
	}
	rest := line[at+len(s.proto)+2:]
	for _, cell := range []*[]byte{&s.state, &s.local, &s.localPort, &s.remote} {
		if *cell, rest, ok = bytes.Cut(rest, []byte{','}); !ok {
			return s, false
		}
	}
	s.remotePort, rest, _ = bytes.Cut(rest, []byte{','})
	s.created, rest, _ = bytes.Cut(rest, []byte{','})
	s.module, s.counts, _ = bytes.Cut(rest, []byte{','})
	_, isAddr := text.Addr(s.local)
	return s, isAddr || len(s.local) > 0 && (len(s.remotePort) > 0 || string(s.remote) == "*")
}

func (s *socket) tcp() bool { return s.proto[0] == 'T' }

// idle says whether the socket has no far end: it listens, or is UDP.
func (s *socket) idle() bool {
	a, ok := text.Addr(s.remote)
	return !s.tcp() || string(s.state) == "Listen" || string(s.state) == "Listening" || ok && a.IsUnspecified()
}

// tcpview reads a table twice: which ports somebody listens on, and in what order the dates' day and month stand, is only
// known at its end.
type tcpview struct {
	o      format.Options
	lines  *text.AnyLines
	tail   error // what to end with after the last line
	listen [1 << 16 / 64]uint64
	order  text.DateOrder
	rows   int64
	owned  int64 // rows with a process
	late   int64 // those of them without a create time
	noted  bool
	nums   [maxGroups][]byte
}

func openTCPView(src *format.Source, o format.Options) (format.Reader, error) {
	head, err := src.Head()
	if err != nil {
		return nil, err
	}
	at, size, cut := src.ReaderAt()
	if at == nil {
		return nil, cut
	}
	r := &tcpview{o: o, tail: io.EOF}
	if cut != nil {
		r.tail = cut
	}
	first := text.NewAnyLines(io.NewSectionReader(at, 0, size), text.EncodingOf(head))
	for {
		line, err := first.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", first.Number, err)
		}
		if s, ok := splitSocket(line); ok {
			r.survey(&s)
		}
	}
	r.lines = text.NewAnyLines(io.NewSectionReader(at, 0, size), text.EncodingOf(head))
	return r, nil
}

func (r *tcpview) survey(s *socket) {
	r.rows++
	if len(s.pid) > 0 {
		r.owned++
	}
	if !r.order.See(s.created) && len(s.pid) > 0 {
		r.late++
	}
	if port, ok := text.Int(s.localPort); ok && port >= 0 && port < 1<<16 && s.tcp() && s.idle() {
		r.listen[port/64] |= 1 << (port % 64)
	}
}

func (r *tcpview) listens(port int64) bool {
	return port >= 0 && port < 1<<16 && r.listen[port/64]>>(port%64)&1 != 0
}

func (r *tcpview) Read(b *event.Batch) error {
	if !r.noted {
		r.noted = true
		r.note(b)
	}
	for !b.Full() {
		line, err := r.lines.Next()
		if err == io.EOF {
			if r.lines.Torn {
				b.AddBad(r.lines.Number, r.lines.Offset, "ends inside a character of UTF-16")
			}
			return r.tail
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", r.lines.Number, err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if s, ok := splitSocket(line); ok {
			r.put(b, &s)
		} else {
			b.AddBad(r.lines.Number, r.lines.Offset, "is no row of TCPView: no protocol between process and addresses")
		}
	}
	return nil
}

func (r *tcpview) note(b *event.Batch) {
	if r.rows == 0 {
		return
	}
	b.Note("a snapshot: connections that had closed before it was saved are not in it, or without their process")
	if r.late > 0 {
		b.Note(fmt.Sprintf("%d of %d rows with a process have no create time: they name nobody's connections", r.late, r.owned))
	}
	if how := r.order.Doubt(); how != "" {
		b.Note("its create times " + how)
	}
}

// role says what the row is to attribution. Without a time it is nothing: that a process had a port some day proves nothing.
func (r *tcpview) role(s *socket, timed bool) string {
	port, _ := text.Int(s.localPort)
	switch {
	case len(s.pid) == 0 || !timed:
		return ""
	case s.idle():
		return event.RoleBind
	case string(s.state) == "Syn Received" || string(s.state) != "Syn Sent" && r.listens(port):
		return event.RoleAccept
	}
	return event.RoleConnect
}

func (r *tcpview) put(b *event.Batch, s *socket) {
	t, timed := r.order.Time(s.created)
	role := r.role(s, timed)
	if r.o.RolesOnly && role == "" {
		if timed {
			b.Skip(t)
		} else {
			b.Skipped++
		}
		return
	}
	b.Next()
	b.PutInt(event.Record, r.lines.Number)
	b.PutInt(event.LogOffset, r.lines.Offset)
	b.PutText(event.EventKind, "state")
	b.AddText(event.EventCategory, "network")
	b.AddText(event.EventType, "info")
	b.PutText(event.EventProvider, "TCPView")
	b.PutText(event.EventDataset, "tcpview.sockets")
	if role != "" {
		b.PutText(event.Role, role)
	}
	if timed {
		b.PutTime(event.Timestamp, t)
		b.PutText(event.TimeBasis, event.BasisLocal)
	}
	action := string(s.proto[:3])
	if len(s.state) > 0 {
		action += " " + string(s.state)
	}
	b.PutText(event.EventAction, action)
	r.putOwner(b, s)
	r.putEnds(b, s, role)
	r.putCounts(b, s)
}

func (r *tcpview) putOwner(b *event.Batch, s *socket) {
	if pid, ok := text.Int(s.pid); ok {
		b.PutInt(event.ProcessPID, pid)
		b.PutStr(event.ProcessName, s.process)
	}
	if len(s.module) > 0 && !bytes.Equal(s.module, s.process) {
		b.PutExtra("tcpview.module", s.module)
	}
	if len(s.state) > 0 {
		b.PutExtra("tcpview.state", s.state)
	}
}

// putEnds puts the local end as source, but of an accepted connection as destination.
func (r *tcpview) putEnds(b *event.Batch, s *socket, role string) {
	local := end{event.SourceIP, event.SourcePort, event.SourceDomain}
	remote := end{event.DestinationIP, event.DestinationPort, event.DestinationDomain}
	switch role {
	case event.RoleAccept:
		local, remote = remote, local
		b.PutText(event.NetworkDirection, "ingress")
	case event.RoleConnect:
		b.PutText(event.NetworkDirection, "egress")
	}
	local.put(b, s.local, s.localPort)
	if !s.idle() {
		remote.put(b, s.remote, s.remotePort)
	}
	b.PutText(event.NetworkTransport, map[bool]string{true: "tcp", false: "udp"}[s.tcp()])
	b.PutText(event.NetworkType, map[bool]string{true: "ipv6", false: "ipv4"}[s.proto[len(s.proto)-1] == '6'])
}

type end struct{ ip, port, domain event.Field }

// put takes an address, or the name that TCPView shows when it resolves addresses. A port shown by its service's name is
// left out: names of services differ from machine to machine.
func (e end) put(b *event.Batch, host, port []byte) {
	if a, ok := text.Addr(host); ok {
		b.PutAddr(e.ip, a)
	} else if len(host) > 0 && string(host) != "*" {
		b.PutStr(e.domain, host)
	}
	if n, ok := text.Int(port); ok && n >= 0 && n < 1<<16 {
		b.PutInt(e.port, n)
	} else if len(port) > 0 {
		b.PutExtra(e.port.String()+".name", port)
	}
}

// countNames are the counts in the order of the columns.
var countNames = [4]string{"tcpview.sent_packets", "tcpview.received_packets", "tcpview.sent_bytes", "tcpview.received_bytes"}

func (r *tcpview) putCounts(b *event.Batch, s *socket) {
	if len(bytes.Trim(s.counts, ",")) == 0 {
		return
	}
	counts, ok := splitCounts(s.counts, &r.nums)
	if !ok {
		b.PutExtra("tcpview.counts", s.counts) // can be read in several ways
		return
	}
	for i, c := range counts {
		if len(c) > 0 {
			b.PutExtra(countNames[i], bytes.ReplaceAll(c, []byte{','}, nil))
		}
	}
}

const maxGroups = 24

// splitCounts finds the four counts in text whose thousands separators look like the borders between them: 6,6,2,575,4,794
// is 6, 6, 2575 and 4794. It is false unless there is just one way: groups of three digits behind a first of one to three,
// bytes if and only if packets, and not fewer bytes than packets.
func splitCounts(v []byte, groups *[maxGroups][]byte) (counts [4][]byte, ok bool) {
	n := 0
	for g := range bytes.SplitSeq(v, []byte{','}) {
		if n == maxGroups {
			return counts, false
		}
		groups[n] = g
		n++
	}
	starts := [5]int{4: n}
	ways := 0
	var try func(count, from int)
	try = func(count, from int) {
		if count == 4 {
			if from == n && agree(groups, starts) {
				if ways++; ways == 1 {
					for i := range counts {
						counts[i] = bytes.Join(groups[starts[i]:starts[i+1]], []byte{','})
					}
				}
			}
			return
		}
		starts[count] = from
		for to := from + 1; to <= n && ways < 2 && grouped(groups[from:to]); to++ {
			try(count+1, to)
		}
	}
	try(0, 0)
	return counts, ways == 1
}

// grouped says whether these pieces can be one number.
func grouped(g [][]byte) bool {
	if len(g) == 1 {
		return len(g[0]) == 0 || number(g[0])
	}
	for i, p := range g {
		if !number(p) || i > 0 && len(p) != 3 || i == 0 && (len(p) > 3 || p[0] == '0') {
			return false
		}
	}
	return len(g) <= 6
}

func number(v []byte) bool {
	_, ok := text.Int(v)
	return ok && v[0] >= '0' && v[0] <= '9' && (len(v) < 2 || v[1] <= '9')
}

// agree says whether packets and bytes go together.
func agree(groups *[maxGroups][]byte, starts [5]int) bool {
	var n [4]int64
	for i := range n {
		n[i] = -1
		for _, g := range groups[starts[i]:starts[i+1]] {
			v, ok := text.Int(g)
			if !ok {
				break
			}
			if high, low := bits.Mul64(uint64(max(n[i], 0)), 1000); high > 0 || low > 1<<62 {
				return false
			}
			n[i] = max(n[i], 0)*1000 + v
		}
	}
	return (n[0] < 0) == (n[2] < 0) && (n[1] < 0) == (n[3] < 0) && n[2] >= n[0] && n[3] >= n[1]
}
