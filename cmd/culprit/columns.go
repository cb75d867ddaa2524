package main

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"culprit/internal/event"
	"culprit/internal/report"
)

// chosen gives the columns of --fields; nil when none were chosen.
func (w *eventWriter) chosen() []column {
	var cols []column
	for _, f := range w.fields {
		cols = append(cols, column{
			report.Column{Name: f.String(), Head: f.String(), Number: f.Type() == event.Long},
			func(b *event.Batch, i int) report.Cell { return w.cell(b, f, i) },
		})
	}
	return cols
}

// fitting gives the columns that say most of a source's events: when, where, who, what.
func (w *eventWriter) fitting(b *event.Batch) []column {
	var cols []column
	has := func(f event.Field) bool { return b.Column(f) != nil }
	add := func(name, head string, number bool, cell func(b *event.Batch, i int) report.Cell) {
		cols = append(cols, column{report.Column{Name: name, Head: head, Number: number}, cell})
	}
	of := func(f event.Field) func(b *event.Batch, i int) report.Cell {
		return func(b *event.Batch, i int) report.Cell { return w.cell(b, f, i) }
	}
	if w.several {
		add("log.file.path", "FILE", false, of(event.LogFilePath))
	}
	if has(event.Timestamp) || w.several {
		add("@timestamp", "TIME", false, of(event.Timestamp))
	} else {
		add("culprit.record", "RECORD", true, of(event.Record))
	}
	if has(event.HostName) {
		add("host.name", "HOST", false, of(event.HostName))
	}
	if has(event.ProcessName) || w.several {
		add("process.name", "PROCESS", false, of(event.ProcessName))
		add("process.pid", "PID", true, of(event.ProcessPID))
	}
	add("event.action", "ACTION", false, action)
	add("what", "WHAT", false, func(b *event.Batch, i int) report.Cell { return report.Cell{Text: what(b, i)} })
	return cols
}

// cell writes a field of an event for people and for programs.
func (w *eventWriter) cell(b *event.Batch, f event.Field, i int) report.Cell {
	if f == event.LogFilePath {
		return report.Cell{Text: b.Source}
	}
	if !b.Has(f, i) {
		return report.Cell{}
	}
	switch f.Type() {
	case event.Keyword:
		return report.Cell{Text: string(b.Str(f, i))}
	case event.Long:
		return report.Cell{Text: strconv.FormatInt(b.Int(f, i), 10)}
	case event.Date:
		return w.time(b, f, i)
	case event.IP:
		return report.Cell{Text: b.Addr(f, i).String()}
	}
	var all []string
	switch f.Type() {
	case event.Keywords:
		for v := range b.Strs(f, i) {
			all = append(all, string(v))
		}
	case event.Longs:
		for v := range b.Ints(f, i) {
			all = append(all, strconv.FormatInt(v, 10))
		}
	case event.IPs:
		for v := range b.Addrs(f, i) {
			all = append(all, v.String())
		}
	}
	return report.Cell{Text: strings.Join(all, ", ")}
}

func (w *eventWriter) time(b *event.Batch, f event.Field, i int) report.Cell {
	basis := string(b.Str(event.TimeBasis, i))
	t := w.times
	if basis == event.BasisTimeOfDay {
		t.Date = false
	}
	ns := b.Int(f, i)
	return report.Cell{Text: t.Micro(ns, basis != event.BasisUTC), Value: timeValue(ns, basis)}
}

// timeValue writes a time for programs: with as much of date and zone as is known.
func timeValue(ns int64, basis string) string {
	switch basis {
	case event.BasisTimeOfDay:
		return time.Unix(0, ns).UTC().Format("15:04:05.000000000")
	case event.BasisLocal:
		return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000")
	}
	return string(event.AppendTime(nil, ns))
}

// action is what happened, in one or two words.
func action(b *event.Batch, i int) report.Cell {
	for _, f := range []event.Field{event.EventAction, event.ListType, event.Role, event.EventDataset} {
		if v := b.Str(f, i); len(v) > 0 {
			return report.Cell{Text: string(v)}
		}
	}
	return report.Cell{}
}

// what is the object of an event, in one line: a connection, a path, a name, a command line.
func what(b *event.Batch, i int) string {
	if v := b.Str(event.ListValue, i); v != nil {
		return string(v)
	}
	if v := b.Str(event.NameValue, i); v != nil {
		return string(v) + " = " + joinAddrs(b, event.NameIP, i)
	}
	if v := b.Str(event.ProcmonPath, i); v != nil {
		return strings.TrimSpace(string(v) + "  " + string(b.Str(event.ProcmonResult, i)))
	}
	if v := b.Str(event.DNSQuestionName, i); v != nil {
		return strings.TrimSpace(string(v) + " " + string(b.Str(event.DNSQuestionType, i)))
	}
	if b.Has(event.DestinationPort, i) || b.Has(event.SourcePort, i) || b.Has(event.DestinationIP, i) {
		return connection(b, i)
	}
	for _, f := range []event.Field{event.ProcessCommandLine, event.ProcessExecutable, event.FilePath, event.RegistryPath, event.DLLPath, event.Message} {
		if v := b.Str(f, i); len(v) > 0 {
			return string(v)
		}
	}
	return ""
}

func connection(b *event.Batch, i int) string {
	s := end(b, i, event.SourceIP, event.SourcePort, event.SourceDomain) + " -> " + end(b, i, event.DestinationIP, event.DestinationPort, event.DestinationDomain)
	if t := b.Str(event.NetworkTransport, i); len(t) > 0 {
		s += " " + string(t)
	}
	if b.Has(event.SourceBytes, i) {
		s += "  " + report.Size(b.Int(event.SourceBytes, i)) + " out, " + report.Size(b.Int(event.DestinationBytes, i)) + " in"
	}
	return s
}

func end(b *event.Batch, i int, ip, port, name event.Field) string {
	host := string(b.Str(name, i))
	if a := b.Addr(ip, i); a.IsValid() {
		if b.Has(port, i) {
			return netip.AddrPortFrom(a, uint16(b.Int(port, i))).String()
		}
		return a.String()
	}
	if host == "" {
		host = "?"
	}
	if b.Has(port, i) {
		return host + ":" + strconv.FormatInt(b.Int(port, i), 10)
	}
	return host
}

func joinAddrs(b *event.Batch, f event.Field, i int) string {
	var all []string
	for a := range b.Addrs(f, i) {
		all = append(all, a.String())
	}
	return strings.Join(all, ", ")
}
