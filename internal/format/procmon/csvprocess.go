package procmon

import (
	"bytes"
	"strconv"

	"culprit/internal/event"
)

// putProcess puts what the Detail of a process's start or end says and no column does.
func (p *csvPutter) putProcess(b *event.Batch, role string, t int64, timed bool) {
	i := b.Len - 1
	var detail []byte
	if c := p.at[colDetail]; c >= 0 {
		detail = p.cell(c)
	}
	if role == event.RoleEnd {
		if timed {
			b.PutTime(event.ProcessEnd, t)
		}
		if v, ok := bytes.CutPrefix(detail, []byte("Exit Status: ")); ok {
			v, _, _ = bytes.Cut(v, []byte(", "))
			if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
				b.PutInt(event.ProcessExitCode, n)
			}
		}
		return
	}
	if timed {
		b.PutTime(event.ProcessStart, t)
	}
	s := parseStart(detail)
	if s.parent >= 0 && !b.Has(event.ProcessParentPID, i) {
		b.PutInt(event.ProcessParentPID, s.parent)
	}
	if len(s.command) > 0 && !b.Has(event.ProcessCommandLine, i) {
		b.PutStr(event.ProcessCommandLine, s.command)
	}
	if len(s.directory) > 0 {
		b.PutStr(event.ProcessWorkingDirectory, s.directory)
	}
}

// A processStart is the Detail of a Process Start.
type processStart struct {
	parent             int64 // -1 when it isn't there
	command, directory []byte
}

// parseStart takes `Parent PID: 8, Command line: x, Current directory: C:\, Environment: ...` apart. A command line may hold
// the words that follow it, the environment may too; what ends the command line is the last directory in front of the
// environment, whose first line begins after a line end.
func parseStart(d []byte) processStart {
	s := processStart{parent: -1}
	d, ok := bytes.CutPrefix(d, []byte("Parent PID: "))
	if !ok {
		return s
	}
	n, used, ok := number(d)
	if ok {
		s.parent = n
	}
	d, ok = bytes.CutPrefix(d[used:], []byte(", Command line: "))
	if !ok {
		return s
	}
	const environment = ", Environment: "
	end := bytes.Index(d, []byte(environment+"\r"))
	if end < 0 {
		end = bytes.Index(d, []byte(environment+"\n"))
	}
	if end < 0 {
		end = bytes.LastIndex(d, []byte(environment))
	}
	if end >= 0 {
		d = d[:end]
	}
	if i := bytes.LastIndex(d, []byte(", Current directory: ")); i >= 0 {
		s.directory = d[i+len(", Current directory: "):]
		d = d[:i]
	}
	s.command = bytes.TrimRight(d, " ")
	return s
}
