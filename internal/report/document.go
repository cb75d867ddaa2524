package report

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"culprit/internal/attrib"
	"culprit/internal/event"
)

// endpoint writes one end of a flow: address or, where only that is known, name, and port.
func endpoint(a netip.AddrPort, name string) string {
	switch {
	case a.Addr().IsValid():
		return a.String()
	case name == "":
		name = "?"
	}
	if a.Port() == 0 {
		return name
	}
	return fmt.Sprintf("%s:%d", name, a.Port())
}

// documents writes flows as ECS documents, by way of a batch as every event is.
type documents struct{ b event.Batch }

// append appends the document of f; process.* is whoever is at the given end.
func (d *documents) append(dst []byte, f *attrib.Flow, end int) []byte {
	b := &d.b
	b.Reset()
	b.Source = f.Cite.Source
	b.Next()
	d.putFlow(f)
	d.putEnds(f)
	c := culprit(f, end)
	d.putCulprit(c, end)
	d.putProcess(c)
	other := culprit(f, 1-end)
	if p := other.Process; p != nil && other.Level > attrib.Unknown {
		b.PutText(event.PeerLevel, other.Level.String())
		b.PutText(event.PeerRule, other.Rule)
		d.text(event.PeerHost, p.Host)
		d.text(event.PeerProcessName, p.Name)
		d.number(event.PeerProcessPID, p.PID)
		d.text(event.PeerProcessExecutable, p.Executable)
	}
	return b.AppendJSON(dst, 0)
}

// text and number put a value unless it is not known.
func (d *documents) text(f event.Field, v string) {
	if v != "" {
		d.b.PutText(f, v)
	}
}

func (d *documents) number(f event.Field, v int64) {
	if v != 0 {
		d.b.PutInt(f, v)
	}
}

func (d *documents) putFlow(f *attrib.Flow) {
	b := &d.b
	b.PutTime(event.Timestamp, f.Start)
	b.PutText(event.TimeBasis, basis(f))
	b.PutText(event.EventKind, "event")
	b.AddText(event.EventCategory, "network")
	b.AddText(event.EventType, "connection")
	b.PutText(event.EventDataset, "culprit.flow")
	b.PutText(event.EventProvider, "culprit")
	b.PutText(event.Role, event.RoleFlow)
	b.PutTime(event.EventStart, f.Start)
	b.PutTime(event.EventEnd, f.End)
	b.PutInt(event.EventDuration, f.End-f.Start)
	d.number(event.Record, f.Cite.Record)
	d.text(event.NetworkTransport, f.Transport)
	d.text(event.NetworkCommunityID, f.CommunityID)
	d.text(event.FlowState, f.State)
	d.text(event.FlowInitiator, f.Initiator)
	if f.ISN >= 0 && !f.Recorded {
		b.PutInt(event.FlowISN, f.ISN)
	}
	d.number(event.FlowPacketFirst, f.First)
	d.number(event.FlowPacketLast, f.Last)
	if sized(f) {
		b.PutInt(event.SourceBytes, f.Bytes[0])
		b.PutInt(event.DestinationBytes, f.Bytes[1])
		b.PutInt(event.NetworkBytes, f.Bytes[0]+f.Bytes[1])
	}
	if !f.Recorded {
		b.PutInt(event.SourcePackets, f.Packets[0])
		b.PutInt(event.DestinationPackets, f.Packets[1])
		b.PutInt(event.NetworkPackets, f.Packets[0]+f.Packets[1])
	}
}

func basis(f *attrib.Flow) string {
	switch {
	case f.LocalTime && dateless(f.Start):
		return event.BasisTimeOfDay
	case f.LocalTime:
		return event.BasisLocal
	}
	return event.BasisUTC
}

func (d *documents) putEnds(f *attrib.Flow) {
	b := &d.b
	for _, e := range []struct {
		at              netip.AddrPort
		name            string
		ip, port, names event.Field
	}{
		{f.Source, f.SourceName, event.SourceIP, event.SourcePort, event.SourceDomain},
		{f.Destination, bestName(f), event.DestinationIP, event.DestinationPort, event.DestinationDomain},
	} {
		if e.at.Addr().IsValid() {
			b.PutAddr(e.ip, e.at.Addr())
		}
		d.number(e.port, int64(e.at.Port()))
		d.text(e.names, e.name)
	}
	if a := f.Destination.Addr(); a.IsValid() {
		kind := "ipv6"
		if a.Unmap().Is4() {
			kind = "ipv4"
		}
		b.PutText(event.NetworkType, kind)
	}
}

func (d *documents) putCulprit(c *attrib.Culprit, end int) {
	b := &d.b
	b.PutText(event.Level, c.Level.String())
	d.text(event.Rule, c.Rule)
	d.text(event.Reason, c.Reason)
	b.PutText(event.End, endName(end))
	for _, e := range c.Why {
		b.AddText(event.Evidence, evidenceText(&e))
	}
	for _, k := range c.Candidates {
		if k.Process != nil {
			b.AddText(event.Candidates, candidateText(&k))
		}
	}
}

func (d *documents) putProcess(c *attrib.Culprit) {
	p := c.Process
	if p == nil || c.Level == attrib.Unknown {
		return
	}
	d.text(event.HostName, p.Host)
	d.text(event.ProcessName, p.Name)
	d.number(event.ProcessPID, p.PID)
	d.text(event.ProcessExecutable, p.Executable)
	d.text(event.ProcessCommandLine, p.Command)
	d.text(event.ProcessEntityID, p.EntityID)
	d.text(event.ProcessParentName, p.Parent)
	d.number(event.ProcessParentPID, p.ParentPID)
	if p.Start != 0 {
		d.b.PutTime(event.ProcessStart, p.Start)
	}
	if p.End != 0 {
		d.b.PutTime(event.ProcessEnd, p.End)
	}
	domain, user, ok := strings.Cut(p.User, `\`)
	if !ok {
		domain, user = "", p.User
	}
	d.text(event.UserDomain, domain)
	d.text(event.UserName, user)
}

// citeText points at a record: file:line.
func citeText(c attrib.Cite) string {
	if c.Record == 0 {
		return c.Source
	}
	return fmt.Sprintf("%s:%d", c.Source, c.Record)
}

func evidenceText(e *attrib.Evidence) string {
	s := citeText(e.Cite) + " " + e.Action
	if e.On != 0 {
		s += ", " + delta(e.Delta)
	}
	if e.Length >= 0 {
		s += ", " + Several(e.Length, "byte")
	}
	return s
}

// delta says when a record was written as the flow's start goes.
func delta(d time.Duration) string {
	switch {
	case d > -time.Millisecond && d < time.Millisecond:
		return "as the connection opened"
	case d < 0:
		return Span(d) + " before the connection opened"
	}
	return Span(d) + " after the connection opened"
}

func processText(p *attrib.Process) string {
	if p.PID == 0 {
		return processName(p)
	}
	return fmt.Sprintf("%s (%d)", processName(p), p.PID)
}

func candidateText(k *attrib.Candidate) string {
	if k.Reason == "" {
		return processText(k.Process)
	}
	return processText(k.Process) + ": " + k.Reason
}
