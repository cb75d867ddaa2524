package doctor

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"culprit/internal/attrib"
	"culprit/internal/event"
)

// Diagnose turns the counts into findings on every file, and on the files together. The files come as reading left them.
func (x *Exam) Diagnose(files []File, res *attrib.Result) *Report {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := &Report{Files: files, Result: res}
	for i := range r.Files {
		v := x.files[r.Files[i].Path]
		if v == nil {
			v = &vitals{}
		}
		v.examine(&r.Files[i])
	}
	x.windows(r)
	r.countFlows()
	x.sides(r)
	r.clocks()
	r.reasons()
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return int(b.Severity) - int(a.Severity) })
	return r
}

// windows looks at the events of Windows, which may stand in one file or, a channel each, in several.
func (x *Exam) windows(r *Report) {
	all := &vitals{kinds: map[kind]*int64{}, roles: map[string]*int64{}}
	var files []*File
	for i := range r.Files {
		f := &r.Files[i]
		if v := x.files[f.Path]; f.windows() && v != nil {
			all.merge(v)
			files = append(files, f)
		}
	}
	switch len(files) {
	case 0:
	case 1:
		all.windowsFindings(files[0])
		files[0].sort()
	default:
		var both File
		all.windowsFindings(&both)
		r.Findings = append(r.Findings, both.Findings...)
	}
}

func (r *Report) add(s Severity, code, text, remedy string) {
	r.Findings = append(r.Findings, Finding{s, code, text, remedy})
}

// told is the end of a flow of which more is known.
func told(f *attrib.Flow) *attrib.Culprit {
	if f.Peer.Level > f.Culprit.Level {
		return &f.Peer
	}
	return &f.Culprit
}

// countFlows counts the flows by level, and those that are not certain by rule.
func (r *Report) countFlows() {
	type reason struct {
		level attrib.Level
		rule  string
	}
	texts := map[reason]map[string]int{}
	twice := 0
	for i := range r.Result.Flows {
		f := &r.Result.Flows[i]
		if f.SameAs >= 0 {
			continue
		}
		c := told(f)
		r.Flows++
		r.Levels[c.Level]++
		if c.Level == attrib.Certain {
			continue
		}
		if sameProgram(c.Candidates) {
			twice++
		}
		k := reason{c.Level, c.Rule}
		if texts[k] == nil {
			texts[k] = map[string]int{}
		}
		texts[k][c.Reason]++
	}
	if twice > 0 {
		r.add(Warning, "twice", fmt.Sprintf("%s could be of several processes that are the same program with the same PID: the same run was recorded twice, and one recording doesn't name its host", several(twice, "connection")),
			"give one of the recordings: the PML rather than the CSV")
	}
	for k, t := range texts {
		out := Reason{Level: k.level, Rule: k.rule}
		most := 0
		for text, n := range t {
			out.N += n
			out.Mixed = len(t) > 1
			if n > most || n == most && text < out.Text {
				out.Text, most = text, n
			}
		}
		r.Reasons = append(r.Reasons, out)
	}
	slices.SortFunc(r.Reasons, func(a, b Reason) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Rule, b.Rule)) })
}

// sameProgram says whether the candidates differ only in the recording they are known from.
func sameProgram(all []attrib.Candidate) bool {
	for i := range all {
		a, b := all[0].Process, all[i].Process
		if a == nil || b == nil || a.PID != b.PID || a.PID == 0 || !strings.EqualFold(a.Name, b.Name) {
			return false
		}
	}
	return len(all) > 1
}

// sides looks whether there are both: what is to be explained, and what explains it.
func (x *Exam) sides(r *Report) {
	flows, evidence, hostFiles := int64(0), int64(0), 0
	for _, v := range x.files {
		flows += v.flows
		n := int64(0)
		for role, c := range v.roles {
			switch role {
			case event.RoleConnect, event.RoleAccept, event.RoleSend, event.RoleReceive, event.RoleDisconnect, event.RoleBind:
				n += *c
			}
		}
		evidence += n
		if n > 0 {
			hostFiles++
		}
	}
	switch {
	case evidence == 0 && flows > 0:
		r.add(Missing, "no-host", "no recording says which program made a connection: only the network was recorded",
			"record the host at the same time: Process Monitor (save as PML), Sysmon with event 3, or Security auditing with event 5156")
	case evidence > 0 && flows == 0:
		r.add(Info, "no-capture", "no capture: connections are those that the host itself recorded, without names from DNS or TLS",
			"capture at the same time: Wireshark, dumpcap, or pktmon on the host")
	}
}

// tooLittle is the share of a capture's time that a host's recording must cover not to be mentioned.
const tooLittle = 0.9

// clocks says what keeps recordings from being laid side by side.
func (r *Report) clocks() {
	for _, w := range r.Result.Warnings {
		r.add(Missing, "no-overlap", w, "")
	}
	for i := range r.Result.Clocks {
		c := &r.Result.Clocks[i]
		who, capture := base(c.Source), base(c.Capture)
		if c.Provider != "" {
			who += " (" + c.Provider + ")"
		}
		switch {
		case c.Support == 0 && !c.Given:
			r.add(Warning, "clock-unsolved", fmt.Sprintf("the clock of %s could not be matched to %s: %s share endpoints, none agree in time", who, capture, several(c.Pairs, "pair")),
				"record both at the same time, and for longer; or say the zone with --tz")
		case c.Weak:
			r.add(Warning, "clock-weak", fmt.Sprintf("the clock of %s rests on %s of %s with %s: no answer that needs it is certain", who, count(c.Support), several(c.Pairs, "connection"), capture),
				"record for longer, so that more connections begin while both run")
		case c.Provider != "TCPView": // a snapshot covers no time
			r.cover(c)
		}
	}
}

// cover says how much of a capture a host's recording misses.
func (r *Report) cover(c *attrib.Clock) {
	var capture, host *attrib.Coverage
	for i := range r.Result.Coverage {
		switch v := &r.Result.Coverage[i]; v.Source {
		case c.Capture:
			capture = v
		case c.Source:
			host = v
		}
	}
	if capture == nil || host == nil || capture.Last <= capture.First {
		return
	}
	first, last := onCapture(c, host.First), onCapture(c, host.Last)
	if c.Basis == event.BasisTimeOfDay { // which day is told by the capture
		day := int64(24 * time.Hour)
		shift := (capture.First + day/2 - first) / day * day
		first, last = first+shift, last+shift
	}
	both := min(last, capture.Last) - max(first, capture.First)
	if float64(both) >= tooLittle*float64(capture.Last-capture.First) {
		return
	}
	var parts []string
	if d := time.Duration(first - capture.First); d > time.Second {
		parts = append(parts, "begins "+span4(d)+" after")
	}
	if d := time.Duration(capture.Last - last); d > time.Second {
		parts = append(parts, "ends "+span4(d)+" before")
	}
	if len(parts) == 0 {
		return
	}
	r.add(Warning, "coverage", fmt.Sprintf("%s %s %s: connections of that time can't be explained", base(c.Source), strings.Join(parts, " and "), base(c.Capture)),
		"start the host's recording before the capture, and stop it after")
}

// base is a file's name without its folders or archive.
func base(name string) string { return path.Base(filepath.ToSlash(name)) }

// onCapture puts a time of the host on the capture's clock. For a clock without a zone Clock gives the zone, and what is left
// as offset.
func onCapture(c *attrib.Clock, t int64) int64 {
	on := t + int64(c.Offset) + int64(c.Drift*float64(t-c.Base))
	if z := c.Zone; len(z) == len("UTC-04:00") {
		ahead := time.Duration(z[4]-'0')*10*time.Hour + time.Duration(z[5]-'0')*time.Hour + time.Duration(z[7]-'0')*10*time.Minute + time.Duration(z[8]-'0')*time.Minute
		if z[3] == '-' {
			ahead = -ahead
		}
		on -= int64(ahead)
	}
	return on
}

// span4 writes how long something is, to the second.
func span4(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// maxReasons is how many reasons are told.
const maxReasons = 6

// reasons says why connections have no program, and how to have one next time.
func (r *Report) reasons() {
	for _, why := range r.Reasons[:min(len(r.Reasons), maxReasons)] {
		if why.Rule == attrib.RuleNoHost { // sides has said it
			continue
		}
		s := Info
		if why.Level == attrib.Unknown && why.Rule != attrib.RuleForeign {
			s = Warning
		}
		text := fmt.Sprintf("%s %s (%s)", several(why.N, "connection"), why.Level, why.Rule)
		if why.Mixed {
			text += ", such as"
		}
		if why.Text != "" {
			text += ": " + why.Text
		}
		r.add(s, "rule-"+why.Rule, text, r.remedy(&why))
	}
}

// remedy says how to record so that a rule needn't decide.
func (r *Report) remedy(why *Reason) string {
	switch why.Rule {
	case attrib.RuleOutside:
		return "start the host's recording before the capture, and stop it after"
	case attrib.RuleUnrecorded:
		if strings.Contains(why.Text, "not which process") {
			return "save the recording again: its processes are missing from it"
		}
		return r.unrecorded()
	case attrib.RuleForeign:
		return "neither end is a recorded host's: record that machine too; or it is other machines' traffic, or the host is behind NAT (capture on the host)"
	case attrib.RuleUnsolved, attrib.RuleNoClock:
		return "record host and network at the same time; or say the zone with --tz"
	case attrib.RuleWeakClock, attrib.RuleFaint:
		return "record for longer, so that more connections begin while both run"
	case attrib.RulePorts:
		return "save Procmon's log as PML, which has addresses; or keep DNS in the capture"
	case attrib.RuleBind, attrib.RuleEndpoint, attrib.RuleLate, attrib.RuleGoesOn:
		return "start the recordings before the program, so that they hold the opening of its connections"
	case attrib.RuleSeveral, attrib.RuleRunnerUp:
		return "a PML, or the capture instead of Zeek's log, has lengths and sequence numbers that tell them apart"
	}
	return ""
}

// unrecorded says what the kinds of host recordings at hand leave out.
func (r *Report) unrecorded() string {
	has := func(prefix string) bool {
		return slices.ContainsFunc(r.Files, func(f File) bool { return strings.HasPrefix(f.Format, prefix) })
	}
	holds := func(what string) bool {
		return slices.ContainsFunc(r.Files, func(f File) bool {
			return slices.ContainsFunc(f.Holds, func(c Count) bool { return c.What == what })
		})
	}
	var parts []string
	if has("procmon") {
		parts = append(parts, "Procmon: reset the filter and save All events; connections open before it began have no events until they send")
	}
	if has("winevent") || has("evtx") {
		switch {
		case !holds("Security 5156"):
			parts = append(parts, remedy5156)
		case !holds("Sysmon 3"):
			parts = append(parts, remedySysmon3)
		default:
			parts = append(parts, "Sysmon 3 and Security 5156 are written when a connection opens: start them before the program; Sysmon's configuration may leave some out")
		}
	}
	if has("tcpview") {
		parts = append(parts, "TCPView is a snapshot: record with Procmon or Sysmon")
	}
	return strings.Join(parts, ". ")
}
