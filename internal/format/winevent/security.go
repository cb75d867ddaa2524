package winevent

import "culprit/internal/event"

// security puts the data of an event of the Security log: the four about processes and connections in full, the others as
// far as their names say the same.
func (r *reader) security(id int64) {
	r.takeWriter()
	switch id {
	case 4688:
		r.processCreated()
		return
	case 4689:
		r.putProcess(nil, r.text(processName), processID, processID2)
		if r.got(event.Timestamp) {
			r.b.PutTime(event.ProcessEnd, r.b.Int(event.Timestamp, r.b.Len-1))
		}
		r.putInt(event.ProcessExitCode, status)
		r.putSubject()
	case 5031, 5150, 5151, 5152, 5153, 5154, 5155, 5156, 5157, 5158, 5159:
		r.filtering(id)
	case 4624, 4625, 4634, 4647: // log on and off: who logs on is the target
		r.putTarget()
		r.putProcess(nil, r.text(processName), processID, processID2)
	default:
		if r.header(processName) != nil {
			r.putProcess(nil, r.text(processName), processID, processID2)
		}
		r.putStr(event.ProcessCommandLine, r.text(commandLine))
		r.putSubject()
	}
}

// processCreated reads 4688, where ProcessId is the creator's and the process is the new one. Subject is the creator's
// account; Target is the process's where it differs, and empty otherwise.
func (r *reader) processCreated() {
	r.putProcess(nil, r.text(newProcessName), newProcessID)
	r.putParent(nil, r.text(parentProcessName), processID)
	r.putStr(event.ProcessCommandLine, r.text(commandLine))
	r.putStart()
	r.putTarget()
}

// putTarget puts the account that something was done to or for as the user; if there is none, the one that did it.
func (r *reader) putTarget() {
	if r.peek(targetName) == nil {
		r.putSubject()
		return
	}
	r.putStr(event.UserName, r.text(targetName))
	r.putStr(event.UserDomain, r.text(targetDomain))
	if sid := r.text(targetSID); string(sid) != "S-1-0-0" {
		r.putStr(event.UserID, sid)
	}
}

func (r *reader) putSubject() {
	r.putStr(event.UserName, r.text(subjectName))
	r.putStr(event.UserDomain, r.text(subjectDomain))
	r.putStr(event.UserID, r.text(subjectSID))
}

// Directions of the filtering platform, as numbers of texts in its message file.
const (
	inbound  = "%%14592"
	outbound = "%%14593"
)

// filtering reads the Windows Filtering Platform's events: connections and binds it let through or not, with the process.
//
// For a permitted connection, Source is the end that opened it, as with Sysmon: of inbound ones to a host's own address,
// every one in the recordings has the host as destination. So nothing needs to be turned round. (An inbound multicast has
// the group as destination and, where the host hears itself, its own address as source.)
func (r *reader) filtering(id int64) {
	r.putProcess(nil, r.text(application), processID2, processID)
	r.putTransport(r.text(protocol))
	if src := r.text(sourceAddress); src != nil {
		r.putEnds(src, r.text(destAddress), destPort)
	}
	switch string(r.text(directionCode)) {
	case outbound, "Outbound":
		r.b.PutText(event.NetworkDirection, "egress")
	case inbound, "Inbound":
		r.b.PutText(event.NetworkDirection, "ingress")
	}
	switch id {
	case 5154, 5156, 5158:
	default:
		r.b.PutText(event.EventOutcome, "failure")
	}
}
