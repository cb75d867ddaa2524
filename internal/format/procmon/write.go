package procmon

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"culprit/internal/event"
)

// ProcmonColumns are the names of the 27 columns Procmon has, the seven it displays unless told otherwise first.
func ProcmonColumns() []string { return columnNames[:] }

// DefaultColumns is how many of ProcmonColumns are displayed unless somebody chose others.
const DefaultColumns = defaultColumns

// WriteFields are the fields that writing Procmon's columns looks at: what to ask readers for. Stacks are costly, so only
// XML that is to have them asks for them.
func WriteFields(stacks bool) event.Set {
	fields := []event.Field{
		event.Timestamp, event.TimeBasis, event.Role, event.EventDataset, event.EventAction, event.EventDuration, event.EventSequence,
		event.ProcessName, event.ProcessPID, event.ProcessExecutable, event.ProcessCommandLine, event.ProcessEntityID, event.ProcessStart,
		event.ProcessEnd, event.ProcessThreadID, event.ProcessTitle, event.ProcessPECompany, event.ProcessPEFileVersion,
		event.ProcessParentPID, event.ProcessParentEntityID, event.UserName, event.UserDomain,
		event.ProcmonEventClass, event.ProcmonPath, event.ProcmonResult, event.ProcmonDetailText, event.ProcmonCategory, event.ProcmonOperation,
		event.ProcmonRelativeTime, event.ProcmonSession, event.ProcmonIntegrity, event.ProcmonArchitecture,
		event.ProcmonAuthenticationID, event.ProcmonVirtualized,
	}
	if stacks {
		fields = append(fields, event.ProcmonStack)
	}
	return event.SetOf(fields...)
}

// A cellWriter renders Procmon's columns from events, as an English Windows shows them.
type cellWriter struct {
	columns []csvColumn
	zone    *time.Location // of the machine that exports
	source  string         // of the events since origin was set
	origin  int64          // time of the first event: Relative Time counts from it
	began   bool

	zoneFrom, zoneTo, zoneOffset int64 // the zone's offset holds from here to there

	dates calendar // of Details, which are in English already where their times are UTC
	parts []detailPart
}

// chosenColumns finds columns by name; none: the seven Procmon displays, "all": all of them.
func chosenColumns(names []string) ([]csvColumn, error) {
	var columns []csvColumn
	for _, n := range names {
		if strings.EqualFold(strings.TrimSpace(n), "all") {
			for c := range numColumns {
				columns = append(columns, c)
			}
			continue
		}
		c, ok := columnOf([]byte(n))
		if !ok {
			return nil, fmt.Errorf("no column of Procmon's is called %q: its columns are %s", n, strings.Join(columnNames[:], ", "))
		}
		columns = append(columns, c)
	}
	if len(columns) == 0 {
		for c := range csvColumn(defaultColumns) {
			columns = append(columns, c)
		}
	}
	return columns, nil
}

// isEvent says whether event i of b is a row of Procmon's display: not a table's, and Procmon's at all.
func isEvent(b *event.Batch, i int) bool {
	return string(b.Str(event.EventDataset, i)) == "procmon.events"
}

// begin is called with each event before its cells.
func (w *cellWriter) begin(b *event.Batch, i int) {
	if w.source != b.Source {
		w.source, w.began = b.Source, false
	}
	if !w.began && b.Has(event.Timestamp, i) {
		w.origin, w.began = b.Int(event.Timestamp, i), true
	}
}

// append appends a column's cell of event i.
func (w *cellWriter) append(dst []byte, c csvColumn, b *event.Batch, i int) []byte {
	switch c {
	case colTime:
		if b.Has(event.Timestamp, i) {
			return appendClock(dst, w.local(b, i), true)
		}
	case colDate:
		if b.Has(event.Timestamp, i) && string(b.Str(event.TimeBasis, i)) != event.BasisTimeOfDay {
			return appendDate(dst, w.local(b, i))
		}
	case colCompletion:
		if b.Has(event.Timestamp, i) && b.Has(event.EventDuration, i) {
			return appendClock(dst, w.local(b, i)+b.Int(event.EventDuration, i), true)
		}
	case colRelative:
		return w.appendRelative(dst, b, i)
	case colDuration:
		if b.Has(event.EventDuration, i) {
			return appendSpan(dst, b.Int(event.EventDuration, i))
		}
	case colSequence:
		return append(dst, "n/a"...) // whatever the driver counted: Procmon shows its own number, in its window only
	case colUser:
		if d := b.Str(event.UserDomain, i); len(d) > 0 {
			dst = append(append(dst, d...), '\\')
		}
		return append(dst, b.Str(event.UserName, i)...)
	case colOperation:
		if v := b.Str(event.ProcmonOperation, i); len(v) > 0 {
			return append(dst, v...)
		}
		return append(dst, b.Str(event.EventAction, i)...)
	case colTID, colParent, colPID, colSession:
		return appendNumber(dst, c, b, i)
	case colDetail:
		return w.appendDetail(dst, b, i)
	default:
		return append(dst, b.Str(csvFields[c].field, i)...)
	}
	return dst
}

// appendNumber appends a number. Procmon shows 0 for a network event's thread and for the parent of a process that has none.
func appendNumber(dst []byte, c csvColumn, b *event.Batch, i int) []byte {
	f := csvFields[c].field
	if b.Has(f, i) {
		return strconv.AppendInt(dst, b.Int(f, i), 10)
	}
	if c == colTID && string(b.Str(event.ProcmonEventClass, i)) == classNames[classNetwork] ||
		c == colParent && b.Has(event.ProcessEntityID, i) {
		return append(dst, '0')
	}
	return dst
}

// appendDetail appends a Detail. Its dates are in the zone too; those of a PML, which alone has sequence numbers, are UTC and
// English, those of other exports stay as they were written.
func (w *cellWriter) appendDetail(dst []byte, b *event.Batch, i int) []byte {
	d := b.Str(event.ProcmonDetailText, i)
	if w.zone == nil || w.zone == time.UTC || !b.Has(event.EventSequence, i) || !bytes.Contains(d, []byte("Time: ")) {
		return append(dst, d...)
	}
	w.parts, _ = splitDetail(w.parts[:0], b.Str(event.EventAction, i), d)
	done := 0
	for _, p := range w.parts {
		if p.key == nil || p.key.field.Type() != event.Date {
			continue
		}
		t, ok := w.dates.moment(p.value)
		if !ok {
			continue
		}
		dst = append(dst, d[done:p.valueBegin]...)
		dst = appendDate(dst, w.at(t))
		done = p.valueBegin + len(p.value)
	}
	return append(dst, d[done:]...)
}

// local gives an event's time as its wall clock shows it. A time of no known zone stands as it is.
func (w *cellWriter) local(b *event.Batch, i int) int64 {
	t := b.Int(event.Timestamp, i)
	if w.zone == nil || string(b.Str(event.TimeBasis, i)) != event.BasisUTC {
		return t
	}
	return w.at(t)
}

// at gives what the wall clock shows at a time.
func (w *cellWriter) at(t int64) int64 {
	if t < w.zoneFrom || t >= w.zoneTo {
		u := time.Unix(0, t).In(w.zone)
		from, to := u.ZoneBounds()
		_, offset := u.Zone()
		w.zoneFrom, w.zoneTo, w.zoneOffset = t-t%hour, t-t%hour+hour, int64(offset)*second
		// Bounds may be none, and may fall within the hour.
		if !from.IsZero() {
			w.zoneFrom = max(w.zoneFrom, from.UnixNano())
		}
		if !to.IsZero() {
			w.zoneTo = min(w.zoneTo, to.UnixNano())
		}
	}
	return t + w.zoneOffset
}

func (w *cellWriter) appendRelative(dst []byte, b *event.Batch, i int) []byte {
	if v := b.Str(event.ProcmonRelativeTime, i); len(v) > 0 {
		return append(dst, v...)
	}
	if !b.Has(event.Timestamp, i) {
		return dst
	}
	t := b.Int(event.Timestamp, i) - w.origin
	if t < 0 { // network events stand a moment late
		dst, t = append(dst, '-'), -t
	}
	dst = appendPadded(dst, t/hour, 2)
	dst = appendPadded(append(dst, ':'), t%hour/minute, 2)
	dst = appendPadded(append(dst, ':'), t%minute/second, 2)
	return appendPadded(append(dst, '.'), t%second/100, 7)
}

// appendClock appends 4:33:14.3062614 PM, with whole seconds 4:33:14 PM.
func appendClock(dst []byte, t int64, fraction bool) []byte {
	t = floorMod(t, day)
	half := " AM"
	h := t / hour
	if h >= 12 {
		half = " PM"
	}
	if h %= 12; h == 0 {
		h = 12
	}
	dst = strconv.AppendInt(dst, h, 10)
	dst = appendPadded(append(dst, ':'), t%hour/minute, 2)
	dst = appendPadded(append(dst, ':'), t%minute/second, 2)
	if fraction {
		dst = appendPadded(append(dst, '.'), t%second/100, 7)
	}
	return append(dst, half...)
}

// appendDate appends 7/11/2020 4:33:14 PM.
func appendDate(dst []byte, t int64) []byte {
	y, m, d := time.Unix(0, t).UTC().Date()
	dst = strconv.AppendInt(dst, int64(m), 10)
	dst = strconv.AppendInt(append(dst, '/'), int64(d), 10)
	dst = strconv.AppendInt(append(dst, '/'), int64(y), 10)
	return appendClock(append(dst, ' '), t, false)
}

// appendSpan appends 0.0000048.
func appendSpan(dst []byte, t int64) []byte {
	dst = strconv.AppendInt(dst, t/second, 10)
	return appendPadded(append(dst, '.'), max(t%second, 0)/100, 7)
}

func appendPadded(dst []byte, v int64, width int) []byte {
	for n := int64(10); width > 1; width-- {
		if v < n {
			for range width - 1 {
				dst = append(dst, '0')
			}
			break
		}
		n *= 10
	}
	return strconv.AppendInt(dst, v, 10)
}

func floorMod(a, n int64) int64 { return (a%n + n) % n }

func newCellWriter(columns []csvColumn, zone *time.Location) cellWriter {
	return cellWriter{columns: columns, zone: zone, dates: calendar{order: monthDayYear}}
}
