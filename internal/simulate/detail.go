package simulate

import (
	"strconv"
	"time"
)

// A Locale is how a Windows writes times and numbers, as far as Procmon's CSV shows it.
type Locale struct {
	Tag       string
	AM, PM    string // "" for 24 hours
	Before    bool   // the designator stands before the time, and hours have two digits
	Decimal   byte
	Thousands string
	Date      string // layout of package time
}

// Locales that Procmon CSVs were seen in.
var (
	EnUS = Locale{Tag: "en-US", AM: "AM", PM: "PM", Decimal: '.', Thousands: ",", Date: "1/2/2006"}
	DeDE = Locale{Tag: "de-DE", Decimal: ',', Thousands: ".", Date: "02.01.2006"}
	ZhTW = Locale{Tag: "zh-TW", AM: "上午", PM: "下午", Before: true, Decimal: '.', Thousands: ",", Date: "2006/1/2"}
	RuRU = Locale{Tag: "ru-RU", Decimal: ',', Thousands: "\u00a0", Date: "02.01.2006"}
)

// appendTime writes a time of day, with its 100 ns if fraction is set.
func (l *Locale) appendTime(b []byte, t time.Time, fraction bool) []byte {
	h := t.Hour()
	name := l.AM
	if l.AM != "" {
		if h >= 12 {
			name = l.PM
		}
		if h %= 12; h == 0 {
			h = 12
		}
	}
	if l.Before {
		b = append(append(b, name...), ' ')
	}
	if h < 10 && (l.Before || l.AM == "") {
		b = append(b, '0')
	}
	b = strconv.AppendInt(b, int64(h), 10)
	b = appendPadded(append(b, ':'), int64(t.Minute()), 2)
	b = appendPadded(append(b, ':'), int64(t.Second()), 2)
	if fraction {
		b = appendPadded(append(b, l.Decimal), int64(t.Nanosecond()/100), 7)
	}
	if l.AM != "" && !l.Before {
		b = append(append(b, ' '), name...)
	}
	return b
}

// appendDate writes a date with the time of day.
func (l *Locale) appendDate(b []byte, t time.Time) []byte {
	b = t.AppendFormat(b, l.Date)
	return l.appendTime(append(b, ' '), t, false)
}

// appendNumber writes n with the thousands set off.
func (l *Locale) appendNumber(b []byte, n int64) []byte {
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	s := strconv.FormatInt(n, 10)
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b = append(b, l.Thousands...)
		}
		b = append(b, s[i])
	}
	return b
}

// appendSpan writes a duration as seconds with seven decimals.
func (l *Locale) appendSpan(b []byte, d time.Duration) []byte {
	b = strconv.AppendInt(b, int64(d/time.Second), 10)
	return appendPadded(append(b, l.Decimal), int64(d%time.Second/100), 7)
}

func appendPadded(b []byte, n int64, digits int) []byte {
	for p := int64(1); digits > 1; digits-- {
		p *= 10
		if n < p {
			b = append(b, pad[:digits-1]...)
			break
		}
	}
	return strconv.AppendInt(b, n, 10)
}

const pad = "0000000000"

// A pair is a name and a value that Windows adds to a network event.
type pair struct{ name, value string }

// pairs are those of a record. Windows XP had none.
func (c *Case) pairs(r *Record) []pair {
	tail := []pair{{"seqnum", "0"}, {"connid", "0"}}
	switch r.Op {
	case TCPConnect, TCPAccept:
		return append([]pair{
			{"mss", "1460"}, {"sackopt", "1"}, {"tsopt", "0"}, {"wsopt", "1"}, {"rcvwin", "64240"}, {"rcvwinscale", "8"}, {"sndwinscale", "8"},
		}, tail...)
	case TCPSend:
		tick := strconv.FormatInt(int64((4*time.Hour+r.At)/(10*time.Millisecond)), 10)
		return append([]pair{{"startime", tick}, {"endtime", tick}}, tail...)
	}
	return tail
}

// environment is what a started process inherits.
func (c *Case) environment() []string {
	return []string{
		`=::=::\`, `ALLUSERSPROFILE=C:\ProgramData`, `APPDATA=C:\Users\ana\AppData\Roaming`, `COMPUTERNAME=` + c.Host,
		`ComSpec=C:\WINDOWS\system32\cmd.exe`, `HOMEPATH=\Users\ana`, `OneDrive=C:\Users\ana\OneDrive - Contoso`,
		`Path=C:\WINDOWS\system32;C:\WINDOWS;C:\WINDOWS\System32\Wbem`, `USERNAME=ana`, `windir=C:\WINDOWS`,
	}
}

const (
	startDirectory = `C:\WINDOWS\system32\`
	kernelTime     = 156250  // of a process that exited, 100 ns
	workingSet     = 3260416 // bytes
)

// fileTimes are those of every file: a moment before the recording.
func (c *Case) fileTimes() time.Time {
	return c.Start.Add(-26*time.Hour - 4*time.Minute).Truncate(time.Second)
}

// appendDetail writes what stands in Procmon's Detail column. xp is set for the recordings of an old Procmon.
func (c *Case) appendDetail(b []byte, r *Record, l *Locale, xp bool) []byte {
	number := func(name string, n int64) { b = l.appendNumber(append(b, name...), n) }
	switch r.Op {
	case RegOpenKey:
		return append(b, "Desired Access: Read"...)
	case RegQueryValue, RegSetValue:
		if r.Status != statusSuccess {
			number("Length: ", int64(r.Arg))
			return b
		}
		return strconv.AppendInt(append(b, "Type: REG_DWORD, Length: 4, Data: "...), int64(r.Arg), 10)
	case CreateFile:
		b = append(b, "Desired Access: Read Attributes, Disposition: Open, Options: Open Reparse Point, Attributes: n/a, ShareMode: Read, Write, Delete, AllocationSize: n/a"...)
		if r.Status == statusSuccess {
			b = append(b, ", OpenResult: Opened"...)
		}
	case ReadFile, WriteFile:
		number("Offset: ", r.Offset)
		number(", Length: ", int64(r.Arg))
		b = append(b, ", Priority: Normal"...)
	case QueryBasicInformationFile:
		for i, name := range []string{"CreationTime: ", ", LastAccessTime: ", ", LastWriteTime: ", ", ChangeTime: "} {
			b = l.appendDate(append(b, name...), c.fileTimes().Add(time.Duration(i)*time.Minute).In(c.Zone))
		}
		b = append(b, ", FileAttributes: A"...)
	case ProcessCreate, ProcessStart, ProcessExit:
		b = c.appendLife(b, r, l, xp)
	case ThreadCreate:
		b = strconv.AppendInt(append(b, "Thread ID: "...), int64(r.Arg), 10)
	case LoadImage:
		b = strconv.AppendInt(append(b, "Image Base: 0x"...), r.Offset, 16)
		b = strconv.AppendInt(append(b, ", Image Size: 0x"...), int64(r.Arg), 16)
	}
	if ops[r.Op].class == classNetwork {
		b = strconv.AppendInt(append(b, "Length: "...), int64(r.Arg), 10)
		if xp {
			return b
		}
		for _, p := range c.pairs(r) {
			b = append(append(append(append(b, ", "...), p.name...), ": "...), p.value...)
		}
	}
	return b
}

// appendLife writes the Detail of a process's beginning and end. The lines of the environment end as Procmon ends them.
func (c *Case) appendLife(b []byte, r *Record, l *Locale, xp bool) []byte {
	p := &c.Processes[r.Proc]
	switch r.Op {
	case ProcessCreate:
		child := &c.Processes[r.Arg]
		b = strconv.AppendInt(append(b, "PID: "...), int64(child.PID), 10)
		return append(append(b, ", Command line: "...), child.Command...)
	case ProcessStart:
		b = strconv.AppendInt(append(b, "Parent PID: "...), int64(c.parentPID(p)), 10)
		if xp {
			return b
		}
		b = append(append(b, ", Command line: "...), p.Command...)
		b = append(append(b, ", Current directory: "...), startDirectory...)
		b = append(b, ", Environment: "...)
		for _, e := range c.environment() {
			b = append(append(b, "\r;\t"...), e...)
		}
		return b
	}
	b = append(b, "Exit Status: 0, User Time: "...)
	b = l.appendSpan(b, 0)
	b = l.appendSpan(append(b, " seconds, Kernel Time: "...), kernelTime*100)
	for _, name := range []string{" seconds, Private Bytes: ", ", Peak Private Bytes: ", ", Working Set: ", ", Peak Working Set: "} {
		b = l.appendNumber(append(b, name...), workingSet)
	}
	return b
}

func (c *Case) parentPID(p *Process) int {
	if p.Parent < 0 {
		return 0
	}
	return c.Processes[p.Parent].PID
}
