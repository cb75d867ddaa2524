package doctor

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"culprit/internal/event"
)

// Classes of Procmon's events.
const (
	classNetwork   = "Network"
	classProfiling = "Profiling"
)

// Shares of a recording from which on something is said.
const (
	muchProfiling = 0.2
	fewSeen       = 0.95 // of the driver's numbers: below that somebody filtered
)

func (v *vitals) procmonFindings(f *File) {
	all := v.kindsOf("procmon.events")
	total := int64(0)
	for _, c := range all {
		total += c.N
	}
	if total == 0 {
		f.add(Missing, "no-events", "holds no events", "save again: File > Save, All events, PML. If it was copied while Procmon ran, stop the capture first")
		return
	}
	net := v.kind("procmon.events", classNetwork)
	if net == 0 {
		f.add(Missing, "network-off", fmt.Sprintf("no network events (%s): Show Network Activity was off while recording, or a filter left them out when saving", shares(all, total)),
			"in Procmon turn Show Network Activity on before recording, and save All events as PML")
	}
	v.procmonProcesses(f)
	v.procmonFiltered(f)
	if n := v.kind("procmon.events", classProfiling); float64(n) >= muchProfiling*float64(total) {
		f.add(Info, "profiling", fmt.Sprintf("%s of the events are profiling: they say nothing of connections", percent(n, total)), "turn Show Profiling Events off")
	}
}

// procmonProcesses looks for what says which run of which program an event is of.
func (v *vitals) procmonProcesses(f *File) {
	table := v.role(event.RoleProcess) > 0
	if v.role(event.RoleStart) == 0 && !table {
		f.add(Warning, "no-process-starts", "no process starts: who started a program, and with what command line, is not known",
			"start Procmon before the program, or save as PML: it has a table of all processes")
	}
	if v.executable == 0 && !table {
		f.add(Info, "columns", "programs are known by file name and PID only: there is no Image Path column",
			"Options > Select Columns > Image Path, Command Line, Parent PID, User; or save as PML, which has them all")
	}
	if f.Basis == event.BasisTimeOfDay {
		f.add(Info, "no-date", "times have neither date nor zone: only a capture of the same time can place them",
			"save as PML, whose times are UTC; or add the column Date & Time")
	}
}

// procmonFiltered compares the events with the numbers that Procmon's driver gave to all of them.
func (v *vitals) procmonFiltered(f *File) {
	for i, s := range v.sequence {
		if s.n < 2 || float64(s.n) >= fewSeen*float64(s.of()) {
			continue
		}
		text := fmt.Sprintf("%s of %s events are here (%s)", count(s.n), count(s.of()), percent(s.n, s.of()))
		if i == 0 {
			f.add(Warning, "filtered-network", "network events were filtered out: "+text, "reset the filter (Ctrl+R), or save All events")
		} else {
			f.add(Info, "filtered", "saved or recorded through a filter: by the driver's numbers "+text+"; Procmon's default filter does that too",
				"to keep everything: Filter > Drop Filtered Events off, and save All events")
		}
	}
}

// kindsOf gives the counts of a dataset's kinds, the most first.
func (v *vitals) kindsOf(dataset string) []Count {
	var all []Count
	for k, n := range v.kinds {
		if k.dataset == dataset {
			all = append(all, Count{k.what, *n})
		}
	}
	slices.SortFunc(all, func(a, b Count) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.What, b.What)) })
	return all
}

func shares(all []Count, total int64) string {
	var parts []string
	for _, c := range all {
		parts = append(parts, strings.ToLower(c.What)+" "+percent(c.N, total))
	}
	return strings.Join(parts, ", ")
}

// percent writes a share; one of something is never 0%, and not quite all is never 100%.
func percent(n, of int64) string {
	p := 100 * float64(n) / float64(max(of, 1))
	switch {
	case n > 0 && p < 1:
		return "under 1%"
	case n < of && p > 99:
		return "over 99%"
	}
	return fmt.Sprintf("%.0f%%", math.Round(p))
}

// count writes a number with thousands separators.
func count[T int | int64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (f *File) add(s Severity, code, text, remedy string) {
	f.Findings = append(f.Findings, Finding{s, code, text, remedy})
}
