package simulate

import (
	"bufio"
	"io"
	"slices"
	"strconv"
)

// CSVOptions says how Procmon was set when it wrote the CSV.
type CSVOptions struct {
	Locale  Locale   // the zero Locale is EnUS
	Columns []string // nil: the seven that Procmon shows unless told otherwise
	Resolve bool     // "Show Resolved Network Addresses"
}

// DefaultColumns are the columns Procmon shows unless told otherwise.
var DefaultColumns = []string{"Time of Day", "Process Name", "PID", "Operation", "Path", "Result", "Detail"}

// AllColumns are all that Procmon has.
var AllColumns = append(slices.Clone(DefaultColumns),
	"TID", "Category", "Date & Time", "Relative Time", "Duration", "Completion Time", "Event Class", "Sequence", "Image Path", "Company",
	"Description", "Version", "User", "Authentication ID", "Session", "Command Line", "Virtualized", "Integrity", "Parent PID", "Architecture")

// WriteProcmonCSV writes the recording as Procmon exports it on a machine in the case's zone.
func (c *Case) WriteProcmonCSV(w io.Writer, o CSVOptions) error {
	if o.Locale.Date == "" {
		o.Locale = EnUS
	}
	if o.Columns == nil {
		o.Columns = DefaultColumns
	}
	bw := bufio.NewWriterSize(w, 1<<16)
	b := []byte("\ufeff")
	for i, name := range o.Columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), '"')
	}
	var cell []byte
	for i := range c.Records {
		b = append(b, "\r\n"...)
		for n, name := range o.Columns {
			if n > 0 {
				b = append(b, ',')
			}
			cell = c.appendCell(cell[:0], name, &c.Records[i], &o)
			b = append(b, '"')
			for _, ch := range cell {
				if ch == '"' {
					b = append(b, '"')
				}
				b = append(b, ch)
			}
			b = append(b, '"')
		}
		if _, err := bw.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	if _, err := bw.Write(append(b, "\r\n"...)); err != nil {
		return err
	}
	return bw.Flush()
}

// appendCell writes one cell, not yet quoted.
func (c *Case) appendCell(b []byte, column string, r *Record, o *CSVOptions) []byte {
	p, l := &c.Processes[r.Proc], &o.Locale
	switch column {
	case "Time of Day":
		return l.appendTime(b, c.Wall(r.At).In(c.Zone), true)
	case "Process Name":
		return append(b, p.Name...)
	case "PID":
		return strconv.AppendInt(b, int64(p.PID), 10)
	case "Operation":
		return append(b, r.Op.String()...)
	case "Path":
		return c.appendPath(b, r, o.Resolve)
	case "Result":
		return append(b, Result(r.Status)...)
	case "Detail":
		return c.appendDetail(b, r, l, false)
	case "TID":
		return strconv.AppendUint(b, uint64(r.TID), 10)
	case "Category":
		return append(b, ops[r.Op].category...)
	case "Date & Time":
		return l.appendDate(b, c.Wall(r.At).In(c.Zone))
	case "Relative Time":
		d := r.At - c.Records[0].At
		b = appendPadded(b, int64(d.Hours()), 2)
		b = appendPadded(append(b, ':'), int64(d.Minutes())%60, 2)
		b = appendPadded(append(b, ':'), int64(d.Seconds())%60, 2)
		return appendPadded(append(b, l.Decimal), int64(d%1e9/100), 7)
	case "Duration":
		return l.appendSpan(b, r.Took)
	case "Completion Time":
		return l.appendTime(b, c.Wall(r.At+r.Took).In(c.Zone), true)
	case "Event Class":
		return append(b, r.Op.Class()...)
	case "Sequence":
		return append(b, "n/a"...)
	}
	return c.appendProcessCell(b, column, p)
}

// appendProcessCell writes a cell that depends on the process alone.
func (c *Case) appendProcessCell(b []byte, column string, p *Process) []byte {
	switch column {
	case "Image Path":
		return append(b, p.Path...)
	case "Company":
		return append(b, p.Company...)
	case "Description":
		return append(b, p.Title...)
	case "Version":
		return append(b, p.Version...)
	case "User":
		return append(b, p.User...)
	case "Authentication ID":
		s := strconv.FormatUint(p.logon(), 16)
		return append(append(append(b, "00000000:"...), pad[:8-len(s)]...), s...)
	case "Session":
		return strconv.AppendInt(b, int64(p.Session), 10)
	case "Command Line":
		return append(b, p.Command...)
	case "Virtualized":
		return append(b, "False"...)
	case "Integrity":
		return append(b, p.integrity()...)
	case "Parent PID":
		return strconv.AppendInt(b, int64(c.parentPID(p)), 10)
	case "Architecture":
		if c.PML.Bits == 32 {
			return append(b, "32-bit"...)
		}
		return append(b, "64-bit"...)
	}
	return b
}

// logon is the session a process was logged on with.
func (p *Process) logon() uint64 {
	switch p.User {
	case system:
		return 0x3e7
	case netSvc:
		return 0x3e4
	case locSvc:
		return 0x3e5
	}
	return 0x1e0ac
}

func (p *Process) integrity() string {
	if p.Session == 0 {
		return "System"
	}
	return "Medium"
}
