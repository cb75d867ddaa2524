package doctor

import (
	"fmt"
	"slices"
	"strings"

	"culprit/internal/event"
)

// examine finds what there is to say of one recording.
func (v *vitals) examine(f *File) {
	f.Hosts, f.Holds = sortedHosts(v.hosts), v.holds()
	family, _, _ := strings.Cut(f.Format, "-")
	switch {
	case f.Err != "" && f.Format == "":
		f.add(Missing, "unknown", f.Err, "culprit formats lists what can be read")
		return
	case f.Err != "":
		f.add(Missing, "unread", f.Err, "")
	}
	switch {
	case f.Format == "procmon-stack", f.Format == "procmon-pmc":
	case family == "procmon":
		v.procmonFindings(f)
	case family == "pcap", family == "pcapng":
		v.captureFindings(f)
	case f.Events == 0 && f.Err == "":
		f.add(Warning, "no-events", "holds no events", "")
	}
	if f.Bad > 0 {
		f.add(Warning, "bad-records", fmt.Sprintf("%s could not be used, the first: %s", several(f.Bad, "record"), f.BadText), badRemedy(f.BadText))
	}
	v.noteFindings(f)
	f.sort()
}

// sort puts the worst first.
func (f *File) sort() {
	slices.SortStableFunc(f.Findings, func(a, b Finding) int { return int(b.Severity) - int(a.Severity) })
}

func badRemedy(text string) string {
	for _, cut := range []string{"ends inside", "ends early", "cut off", "file ends"} {
		if strings.Contains(text, cut) {
			return "the file was cut off: copy it again when its writer has closed it"
		}
	}
	return ""
}

const (
	someFlows  = 5   // below that shares say nothing
	mostFlows  = 0.5 // a share of flows that is most of them
	mostUnseen = 0.8
)

func (v *vitals) captureFindings(f *File) {
	if f.Packets == 0 {
		f.add(Missing, "no-packets", "holds no packets", "")
		return
	}
	if v.flows == 0 {
		f.add(Missing, "no-flows", "no connection: none of its packets is TCP or UDP over IP", "capture on the interface that has the traffic")
		return
	}
	if float64(v.oneSided) > mostFlows*float64(v.tcp) && v.tcp >= someFlows {
		f.add(Warning, "one-sided", fmt.Sprintf("only one direction of %d of %d TCP connections was captured", v.oneSided, v.tcp),
			"mirror both directions of the port, or capture on the host itself")
	}
	if float64(v.unopened) > mostUnseen*float64(v.tcp) && v.tcp >= someFlows {
		f.add(Info, "open-before", fmt.Sprintf("%d of %d TCP connections were open before the capture began, or it lacks their SYN", v.unopened, v.tcp),
			"start the capture before the program; and with a capture filter keep SYNs")
	}
	if v.tcp == v.flows {
		f.add(Info, "tcp-only", "TCP only: no DNS and no QUIC, which browsers prefer", "leave out the capture filter on tcp")
	}
	if of(v.names, "dns") == 0 {
		f.add(Info, "no-dns", "no DNS answer gives a name to an address: a Procmon CSV, which has names, is then hard to match",
			"start the capture before the program looks names up, and keep UDP port 53; a program that uses DNS over HTTPS never shows them")
	}
}

// How to turn on what Windows doesn't record by itself.
const (
	remedySysmon3 = "Sysmon: sysmon -c CONFIG with <NetworkConnect onmatch=\"exclude\"/> logs every connection (event 3)"
	remedy5156    = "Security: auditpol /set /subcategory:\"Filtering Platform Connection\" /success:enable logs every connection (event 5156)"
)

// windows says whether a file holds Windows events.
func (f *File) windows() bool {
	return f.Format == "evtx" || strings.HasPrefix(f.Format, "winevent-")
}

// windowsFindings looks at the Windows events of all files together: each channel may have one of its own.
func (v *vitals) windowsFindings(f *File) {
	sysmon, audit := v.kind("windows.sysmon", "3"), v.kind("windows.security", "5156")
	switch {
	case sysmon == 0 && audit == 0:
		f.add(Missing, "no-connections", "no event ties a program to a connection: neither Sysmon 3 nor Security 5156", remedySysmon3+". "+remedy5156)
	case sysmon == 0:
		f.add(Info, "no-sysmon-3", "no Sysmon 3: connections come from Security 5156, which has no command line, user or parent", remedySysmon3)
	case audit == 0:
		f.add(Info, "no-5156", "no Security 5156: Sysmon 3 leaves out what its configuration filters, and most of what System sends", remedy5156)
	}
	if v.role(event.RoleStart) == 0 {
		f.add(Warning, "no-process-starts", "no process starts (Sysmon 1, Security 4688): a PID used twice can't be told apart",
			"Sysmon: <ProcessCreate onmatch=\"exclude\"/>; Security: auditpol /set /subcategory:\"Process Creation\" /success:enable")
	}
	if v.kind("windows.sysmon", "22") == 0 {
		f.add(Info, "no-sysmon-22", "no Sysmon 22: which name a program looked up is not known", "Sysmon: <DnsQuery onmatch=\"exclude\"/>")
	}
}

// A knownNote is a note of a reader that is more, or less, than a warning.
var knownNotes = []struct {
	has      string
	severity Severity
	code     string
	remedy   string
	drop     bool // said better by the counts
}{
	{has: "no network events", drop: true},
	{has: "no events: nothing but", drop: true},
	{has: "the log holds no events", drop: true},
	{has: "In Procmon: Options > Select Columns", severity: Missing, code: "columns"},
	{has: "was not closed by Process Monitor", severity: Warning, code: "unclosed", remedy: "stop the capture (procmon /Terminate) before copying the file"},
	{has: "the log was not closed", severity: Warning, code: "unclosed", remedy: "export it: wevtutil epl CHANNEL FILE.evtx"},
	{has: "saved with advanced output", severity: Info, code: "advanced-output"},
	{has: "encoded twice", severity: Info, code: "encoding"},
	{has: "isn't taken apart", severity: Info, code: "note"},
	{has: "integrity levels in a language", severity: Info, code: "note"},
	{has: "is taken for", severity: Info, code: "dates"},
	{has: "times are UTC", severity: Info, code: "zone"},
	{has: "its zone, UTC", severity: Info, code: "zone"},
	{has: "local time of an unknown zone", severity: Info, code: "zone", remedy: "a capture of the same time places it; or say the zone with --tz"},
	{has: "don't say their zone", severity: Info, code: "zone"},
	{has: "times have no hour", severity: Warning, code: "times"},
	{has: "decimals of a second", severity: Warning, code: "times"},
	{has: "its times count from the first packet", severity: Warning, code: "times"},
	{has: "one-sided", severity: Warning, code: "one-sided"},
	{has: "were cut when captured", severity: Warning, code: "snaplen", remedy: "capture whole packets: no -s, or -s 0"},
	{has: "dropped", severity: Warning, code: "dropped", remedy: "capture less (a filter on the host), or with a larger buffer (dumpcap -B 64)"},
	{has: "a snapshot", severity: Info, code: "snapshot", remedy: "record with Procmon or Sysmon to have every connection"},
	{has: "a packet list has no flows", severity: Warning, code: "no-flows"},
	{has: "a display filter was on", severity: Info, code: "filtered"},
	{has: "events recovered", severity: Info, code: "recovered"},
	{has: "its filter as a query", severity: Info, code: "filter"},
	{has: "Drop Filtered Events is on", severity: Warning, code: "filtered", remedy: "Filter > Drop Filtered Events off"},
	{has: "wrapped at the window's width", severity: Info, code: "wrapped"},
}

func (v *vitals) noteFindings(f *File) {
next:
	for _, n := range f.Notes {
		for _, k := range knownNotes {
			if !strings.Contains(n, k.has) {
				continue
			}
			if !k.drop {
				f.add(k.severity, k.code, n, k.remedy)
			}
			continue next
		}
		f.add(Warning, "note", n, "")
	}
}

func several[T int | int64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}
