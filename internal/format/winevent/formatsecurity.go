package winevent

import (
	"bytes"

	"culprit/internal/format/text"
)

// securityLabels say which value of an event's data stands behind a label of its English message, by event ID. Texts are
// those of Microsoft's audit event reference.
var securityLabels = map[string]map[string]slot{
	"5156": filteringLabels, "5157": filteringLabels, "5152": filteringLabels, "5158": filteringLabels, "5154": filteringLabels,
	"4688": {
		"New Process ID": newProcessID, "New Process Name": newProcessName, "Creator Process ID": processID, "Creator Process Name": parentProcessName,
		"Process Command Line": commandLine,
	},
	"4689": {"Process ID": processID, "Process Name": processName, "Exit Status": status},
}

var filteringLabels = map[string]slot{
	"Process ID": processID2, "Application Name": application, "Direction": directionCode, "Source Address": sourceAddress, "Source Port": sourcePort,
	"Destination Address": destAddress, "Destination Port": destPort, "Protocol": protocol,
}

// needed are the labels without which a message tells nothing of its event: it is in another language.
var needed = map[string]slot{"5156": processID2, "5157": processID2, "5152": processID2, "5158": processID2, "5154": processID2, "4688": newProcessID, "4689": processID}

// loadSecurity loads the values of a message of the Security log. It is false if they can't be found.
func (r *listReader) loadSecurity(id string, message []byte) bool {
	labels := securityLabels[id]
	if labels == nil {
		return false
	}
	for len(message) > 0 {
		var line []byte
		line, message, _ = bytes.Cut(message, []byte{'\n'})
		name, value, ok := bytes.Cut(line, []byte{':'})
		if s := labels[string(name)]; ok && s != noSlot && !r.d.has[s] {
			if value = bytes.TrimSpace(value); len(value) > 0 {
				r.d.set(s, text.Value{Raw: value, Kind: text.Plain})
			}
		}
	}
	return r.d.has[needed[id]]
}
