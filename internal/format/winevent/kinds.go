package winevent

import "culprit/internal/event"

// A kind is what an event ID means: the text of its task, and its place in ECS.
type kind struct {
	action   string
	category string
	types    []string
}

// sysmonKinds are Sysmon's events. The actions are the names of its tasks, as Event Viewer and Winlogbeat show them.
var sysmonKinds = map[int64]kind{
	1:   {"Process Create (rule: ProcessCreate)", "process", []string{"start"}},
	2:   {"File creation time changed (rule: FileCreateTime)", "file", []string{"change"}},
	3:   {"Network connection detected (rule: NetworkConnect)", "network", []string{"connection", "start"}},
	4:   {"Sysmon service state changed", "process", []string{"change"}},
	5:   {"Process terminated (rule: ProcessTerminate)", "process", []string{"end"}},
	6:   {"Driver loaded (rule: DriverLoad)", "driver", []string{"start"}},
	7:   {"Image loaded (rule: ImageLoad)", "library", []string{"start"}},
	8:   {"CreateRemoteThread detected (rule: CreateRemoteThread)", "process", []string{"change"}},
	9:   {"RawAccessRead detected (rule: RawAccessRead)", "file", []string{"access"}},
	10:  {"Process accessed (rule: ProcessAccess)", "process", []string{"access"}},
	11:  {"File created (rule: FileCreate)", "file", []string{"creation"}},
	12:  {"Registry object added or deleted (rule: RegistryEvent)", "registry", []string{"change"}},
	13:  {"Registry value set (rule: RegistryEvent)", "registry", []string{"change"}},
	14:  {"Registry object renamed (rule: RegistryEvent)", "registry", []string{"change"}},
	15:  {"File stream created (rule: FileCreateStreamHash)", "file", []string{"creation"}},
	16:  {"Sysmon config state changed", "configuration", []string{"change"}},
	17:  {"Pipe Created (rule: PipeEvent)", "file", []string{"creation"}},
	18:  {"Pipe Connected (rule: PipeEvent)", "file", []string{"access"}},
	19:  {"WmiEventFilter activity detected (rule: WmiEvent)", "configuration", []string{"change"}},
	20:  {"WmiEventConsumer activity detected (rule: WmiEvent)", "configuration", []string{"change"}},
	21:  {"WmiEventConsumerToFilter activity detected (rule: WmiEvent)", "configuration", []string{"change"}},
	22:  {"Dns query (rule: DnsQuery)", "network", []string{"protocol", "info"}},
	23:  {"File Delete archived (rule: FileDelete)", "file", []string{"deletion"}},
	24:  {"Clipboard changed (rule: ClipboardChange)", "host", []string{"change"}},
	25:  {"Process Tampering (rule: ProcessTampering)", "process", []string{"change"}},
	26:  {"File Delete logged (rule: FileDeleteDetected)", "file", []string{"deletion"}},
	27:  {"File Block Executable (rule: FileBlockExecutable)", "file", []string{"denied"}},
	28:  {"File Block Shredding (rule: FileBlockShredding)", "file", []string{"denied"}},
	29:  {"File Executable Detected (rule: FileExecutableDetected)", "file", []string{"creation"}},
	255: {"Error report", "process", []string{"error"}},
}

// securityKinds are the audit events whose meaning ECS has words for. The actions are the names of their tasks.
var securityKinds = map[int64]kind{
	4624: {"Logon", "authentication", []string{"start"}},
	4625: {"Logon", "authentication", []string{"start"}},
	4634: {"Logoff", "authentication", []string{"end"}},
	4647: {"Logoff", "authentication", []string{"end"}},
	4648: {"Logon", "authentication", []string{"start"}},
	4656: {"", "file", []string{"access"}},
	4657: {"Registry", "registry", []string{"change"}},
	4663: {"", "file", []string{"access"}},
	4688: {"Process Creation", "process", []string{"start"}},
	4689: {"Process Termination", "process", []string{"end"}},
	5031: {"Filtering Platform Connection", "network", []string{"connection", "denied"}},
	5140: {"File Share", "file", []string{"access"}},
	5145: {"Detailed File Share", "file", []string{"access"}},
	5152: {"Filtering Platform Packet Drop", "network", []string{"connection", "denied"}},
	5154: {"Filtering Platform Connection", "network", []string{"connection", "allowed"}},
	5155: {"Filtering Platform Connection", "network", []string{"connection", "denied"}},
	5156: {"Filtering Platform Connection", "network", []string{"connection", "allowed"}},
	5157: {"Filtering Platform Connection", "network", []string{"connection", "denied"}},
	5158: {"Filtering Platform Connection", "network", []string{"connection", "allowed"}},
	5159: {"Filtering Platform Connection", "network", []string{"connection", "denied"}},
}

// putKind puts what kind of event it is: for known IDs the same whatever shape it came in.
func (r *reader) putKind(fam family, id int64) {
	var k kind
	switch fam {
	case sysmon:
		k = sysmonKinds[id]
	case security:
		k = securityKinds[id]
	}
	task, given := r.text(category), r.text(action)
	switch {
	case k.action != "":
		r.b.PutText(event.EventAction, k.action)
	case task != nil && !isNumber(task):
		r.putStr(event.EventAction, task)
	default:
		r.putStr(event.EventAction, given)
	}
	kindOf := r.text(eventType)
	if k.category == "" {
		if kindOf != nil {
			r.has[eventType] = true // not ours to take
		}
		return
	}
	r.b.AddText(event.EventCategory, k.category)
	if fam == sysmon && id == 12 {
		r.b.AddText(event.EventType, registryType(string(kindOf)))
		return
	}
	for _, t := range k.types {
		r.b.AddText(event.EventType, t)
	}
}

func isNumber(v []byte) bool {
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(v) > 0
}

// registryType tells what event 12, "added or deleted", was.
func registryType(eventType string) string {
	switch eventType {
	case "CreateKey":
		return "creation"
	case "DeleteKey", "DeleteValue":
		return "deletion"
	}
	return "change"
}
